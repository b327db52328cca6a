//! Images from folders and archives: found, read in full, and clear about what is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test may fail loudly"
)]

#[path = "support/oci.rs"]
mod oci;
#[path = "support/scan.rs"]
mod scan;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use cudalint::image::{self, ImageError, ImageSource, Platform, SourceOptions};
use oci::{BuiltImage, ImageBuilder, LayerBuilder, Packing};
use scan::{listing, scan, source};

fn sample() -> BuiltImage {
    let lower = LayerBuilder::new()
        .folder("usr/")
        .file("usr/lib/libcudart.so.12.4.127", b"elf")
        .symlink("usr/lib/libcudart.so.12", "libcudart.so.12.4.127")
        .file("tmp/gone", b"x");
    let upper =
        LayerBuilder::new().whiteout("tmp/gone").file("app/run", b"#!").hardlink("app/again", "app/run");
    let top = LayerBuilder::new().opaque("etc").file("etc/new", b"1");
    ImageBuilder::new()
        .layer(lower.build(), Packing::Gzip, "ADD rootfs.tar /")
        .env("NVIDIA_VISIBLE_DEVICES", "all")
        .layer(upper.build(), Packing::Zstd, "RUN make install")
        .layer(top.build(), Packing::Plain, "COPY etc /etc")
        .set("Entrypoint", serde_json::json!(["/app/run"]))
        .build()
}

const LISTING: &str = "\
0 dir /usr
0 file /usr/lib/libcudart.so.12.4.127 elf
0 symlink /usr/lib/libcudart.so.12 -> libcudart.so.12.4.127
0 file /tmp/gone x
1 whiteout /tmp/gone
1 file /app/run #!
1 hardlink /app/again -> /app/run
2 opaque /etc
2 file /etc/new 1
";

fn error(text: &str) -> String {
    match source(text).resolve(&Platform::default()) {
        Ok(_) => panic!("{text} was found"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_local_transport_gives_the_same_entries() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample();
    let at = |name: &str| folder.path().join(name);
    oci::write_layout(&at("layout"), &[(&image, Some("v1"))]);
    let mut files = oci::layout_files(&[(&image, Some("v1"))]);
    std::fs::write(at("first.tar"), oci::tar_of(&files)).unwrap();
    files.reverse();
    std::fs::write(at("last.tar"), oci::tar_of(&files)).unwrap();
    let tags = ["registry.example/a/b:v1", "ubuntu:latest"];
    for (name, old) in [("old.tar", true), ("new.tar", false)] {
        std::fs::write(at(name), oci::tar_of(&oci::docker_archive_files(&image, &tags, old))).unwrap();
    }
    let folder = folder.path().display();
    for text in [
        format!("oci:{folder}/layout"),
        format!("oci:{folder}/layout:v1"),
        format!("oci-archive:{folder}/first.tar"),
        format!("oci-archive:{folder}/last.tar:v1"),
        format!("docker-archive:{folder}/old.tar"),
        format!("docker-archive:{folder}/old.tar:ubuntu"),
        format!("docker-archive:{folder}/new.tar:registry.example/a/b:v1"),
    ] {
        let (image, outcomes, entries) = scan(&*source(&text), 2);
        assert_eq!(entries, LISTING, "{text}");
        for outcome in &outcomes {
            assert!(outcome.complete && outcome.problems.is_empty(), "{text}: {:?}", outcome.problems);
        }
        assert_eq!(image.config.env_value("NVIDIA_VISIBLE_DEVICES"), Some("all"));
        let steps: Vec<_> = image.layers.iter().map(|layer| layer.created_by.as_deref().unwrap()).collect();
        assert_eq!(steps, ["ADD rootfs.tar /", "RUN make install", "COPY etc /etc"]);
        assert!(image.layers.iter().all(|layer| layer.diff_id.is_some() && layer.id().is_some()));
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let image = (0..12).fold(ImageBuilder::new(), |image, number| {
        let content = vec![b'a' + number; 40_000 * usize::from(12 - number)];
        let tar = LayerBuilder::new().file(&format!("f{number}"), &content).build();
        image.layer(tar, Packing::Gzip, &format!("RUN {number}"))
    });
    oci::write_layout(folder.path(), &[(&image.build(), None)]);
    let text = format!("oci:{}", folder.path().display());
    let one = scan(&*source(&text), 1).2;
    for jobs in [2, 5, 64] {
        assert_eq!(scan(&*source(&text), jobs).2, one);
    }
}

#[test]
fn an_unpacked_root_is_walked_without_following_links() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("usr/lib")).unwrap();
    std::fs::write(folder.path().join("outside"), "secret").unwrap();
    std::fs::write(root.join("usr/lib/a"), "a").unwrap();
    std::fs::hard_link(root.join("usr/lib/a"), root.join("usr/lib/b")).unwrap();
    std::os::unix::fs::symlink("../../../outside", root.join("usr/lib/c")).unwrap();
    std::os::unix::fs::symlink(folder.path(), root.join("out")).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    let (_, outcomes, entries) = scan(&*source(&format!("dir:{}", root.display())), 1);
    let expected = format!(
        "0 symlink /out -> {}\n0 device /socket\n0 dir /usr\n0 dir /usr/lib\n0 file /usr/lib/a a\n\
         0 hardlink /usr/lib/b -> /usr/lib/a\n0 symlink /usr/lib/c -> ../../../outside\n",
        folder.path().display()
    );
    assert_eq!(entries, expected);
    assert!(outcomes[0].complete);
}

#[test]
fn the_platform_is_found_through_nested_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let amd =
        ImageBuilder::new().layer(LayerBuilder::new().file("amd", b"").build(), Packing::Gzip, "a").build();
    let arm = ImageBuilder::new()
        .platform("linux", "arm64", Some("v8"))
        .layer(LayerBuilder::new().file("arm", b"").build(), Packing::Gzip, "a")
        .build();
    oci::write_layout(folder.path(), &[(&amd, None), (&arm, None)]);
    let attestation = serde_json::json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": format!("sha256:{}", "0".repeat(64)), "size": 1,
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    });
    let inner = oci::index(&[attestation, amd.descriptor(None), arm.descriptor(None)]);
    let digest = cudalint::image::Digest::sha256(&inner);
    std::fs::write(folder.path().join("blobs/sha256").join(digest.hex()), &inner).unwrap();
    let outer = oci::index(&[serde_json::json!({
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest.to_string(), "size": inner.len(),
    })]);
    std::fs::write(folder.path().join("index.json"), outer).unwrap();
    let text = format!("oci:{}", folder.path().display());
    let found = |platform: &str| source(&text).resolve(&Platform::parse(platform).unwrap());
    assert_eq!(found("linux/amd64").unwrap().digest.unwrap().to_string(), amd.digest);
    assert_eq!(found("linux/arm64").unwrap().platform.to_string(), "linux/arm64/v8");
    let message = found("linux/s390x").unwrap_err().to_string();
    assert!(
        message.ends_with(
            "has no image for linux/s390x; there is linux/amd64, linux/arm64/v8; choose one with --platform"
        ),
        "{message}"
    );
}

#[test]
fn an_index_that_contains_itself_ends() {
    let folder = tempfile::tempdir().unwrap();
    oci::write_layout(folder.path(), &[]);
    // A digest cannot contain itself; a long chain of indexes is the same attack.
    let mut entry = serde_json::json!({"digest": format!("sha256:{}", "0".repeat(64)), "size": 1});
    for _ in 0..40 {
        let bytes = oci::index(&[entry]);
        let digest = cudalint::image::Digest::sha256(&bytes);
        std::fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        std::fs::write(folder.path().join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        entry = serde_json::json!({"digest": digest.to_string(), "size": bytes.len()});
    }
    std::fs::write(folder.path().join("index.json"), oci::index(&[entry])).unwrap();
    assert!(error(&format!("oci:{}", folder.path().display())).contains("more than 16 manifests in a row"));
}

#[test]
fn what_is_not_there_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample();
    let at = |name: &str| folder.path().join(name);
    oci::write_layout(&at("two"), &[(&image, Some("a")), (&image, Some("b"))]);
    std::fs::create_dir(at("empty")).unwrap();
    std::fs::write(at("text"), "FROM ubuntu\n").unwrap();
    std::fs::write(at("packed.tar"), oci::gzip(b"x")).unwrap();
    let show = |path: &Path| path.display().to_string();
    let here = show(folder.path());
    for (text, expected) in [
        (format!("oci:{here}/two"), format!("{here}/two holds a, b; name one of them behind a colon")),
        (format!("oci:{here}/two:c"), format!("{here}/two holds a, b; name one of them behind a colon")),
        (
            format!("oci:{here}/empty"),
            format!("{here}/empty is no OCI image layout: there is no index.json in it"),
        ),
        (
            format!("oci:{here}/none"),
            format!(
                "cannot read {here}/none: No such file or directory (os error 2); check that it exists and is readable"
            ),
        ),
        (
            format!("oci-archive:{here}/text"),
            format!("{here}/text is no OCI archive: it ends inside an entry"),
        ),
        (
            format!("docker-archive:{here}/packed.tar"),
            format!(
                "{here}/packed.tar is no docker archive: it is compressed as a whole; decompress it first (`gunzip`, `zstd -d`)"
            ),
        ),
        (format!("dir:{here}/text"), format!("{here}/text is no root file system: it is no folder")),
    ] {
        assert_eq!(error(&text), expected);
    }
}

#[test]
fn broken_manifests_and_configs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample();
    let text = format!("oci:{}", folder.path().display());
    let blob = |digest: &str| folder.path().join("blobs").join(digest.replace(':', "/"));
    oci::write_layout(folder.path(), &[(&image, None)]);
    std::fs::write(blob(&image.digest), b"{}").unwrap();
    assert!(error(&text).contains("has the wrong digest: expected sha256:"), "{}", error(&text));
    oci::write_layout(folder.path(), &[(&image, None)]);
    let config = cudalint::image::Digest::sha256(&image.config).to_string();
    std::fs::write(blob(&config), vec![b' '; 9 << 20]).unwrap();
    assert!(error(&text).contains("larger than 8388608 bytes; raise it with --limit config_bytes=BYTES"));
    std::fs::remove_file(blob(&config)).unwrap();
    assert!(error(&text).contains(&format!("does not hold {config}")));
    let traversal = br#"{"manifests":[{"digest":"sha256:../../../etc/passwd","size":1}]}"#;
    std::fs::write(folder.path().join("index.json"), traversal).unwrap();
    assert!(error(&text).contains("malformed digest: `sha256:../../../etc/passwd`"));
    std::fs::write(folder.path().join("index.json"), vec![b' '; 5 << 20]).unwrap();
    assert!(error(&text).contains("--limit manifest_bytes"));
    std::fs::write(folder.path().join("index.json"), "not json").unwrap();
    assert!(error(&text).contains("its index.json is broken"));
}

/// Gives a connection each answer, in order, once its request was read; returns the requests.
fn answering(listener: UnixListener, answers: Vec<Vec<u8>>) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(&answer).unwrap();
            requests.push(String::from_utf8(request).unwrap());
        }
        requests
    })
}

#[test]
fn the_docker_engine_is_asked_in_http_1_0() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let archive = oci::tar_of(&oci::docker_archive_files(&sample(), &["docker.io/library/x:1"], false));
    let engine = answering(
        listener,
        vec![
            [b"HTTP/1.0 200 OK\r\nContent-Type: application/x-tar\r\n\r\n".to_vec(), archive].concat(),
            b"HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"No such image: x:2\"}".to_vec(),
        ],
    );
    let options = SourceOptions { docker_socket: Some(socket.clone()), ..SourceOptions::default() };
    let open = |text: &str| image::open(&ImageSource::parse(text).unwrap(), &options).unwrap();
    let (_, outcomes, entries) = scan(&*open("docker-daemon:x:1"), 2);
    assert_eq!(entries, LISTING);
    assert!(outcomes.iter().all(|outcome| outcome.complete));
    let missing = open("docker-daemon:x:2").resolve(&Platform::default()).unwrap_err().to_string();
    assert!(missing.contains("No such image: x:2; pull or build it first"), "{missing}");
    let requests = engine.join().unwrap();
    assert!(requests[0].starts_with("GET /images/docker.io/library/x:1/get HTTP/1.0\r\n"), "{}", requests[0]);
    let gone = folder.path().join("none.sock");
    let options = SourceOptions { docker_socket: Some(gone), ..SourceOptions::default() };
    let error = image::open(&ImageSource::parse("docker-daemon:x").unwrap(), &options)
        .unwrap()
        .resolve(&Platform::default())
        .unwrap_err();
    assert!(matches!(error, ImageError::Daemon { .. }));
    assert!(error.to_string().contains("check that the engine runs"), "{error}");
}

#[test]
fn a_layer_that_is_missing_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let image = sample();
    oci::write_layout(folder.path(), &[(&image, None)]);
    let lost = image.layer_digests()[1].clone();
    std::fs::remove_file(folder.path().join("blobs").join(lost.replace(':', "/"))).unwrap();
    let (_, outcomes, entries) = scan(&*source(&format!("oci:{}", folder.path().display())), 2);
    assert_eq!(entries, listing(LISTING, |layer| layer != 1));
    assert!(outcomes[0].complete && outcomes[2].complete && !outcomes[1].complete);
    let message = outcomes[1].problems[0].to_string();
    assert!(message.starts_with("layer 1 (sha256:") && message.contains("does not hold"), "{message}");
}

#[test]
fn too_many_layers_and_too_large_streams_stop_at_their_limit() {
    let folder = tempfile::tempdir().unwrap();
    oci::write_layout(folder.path(), &[(&sample(), None)]);
    let limits = cudalint::limits::Limits { layers: 2, spool_bytes: 1_000, ..Default::default() };
    let socket = folder.path().join("docker.sock");
    let options = SourceOptions { limits, docker_socket: Some(socket.clone()), ..SourceOptions::default() };
    let error = |text: &str| {
        let source = image::open(&ImageSource::parse(text).unwrap(), &options).unwrap();
        source.resolve(&Platform::default()).unwrap_err().to_string()
    };
    let message = error(&format!("oci:{}", folder.path().display()));
    assert!(
        message.ends_with(
            "has 3 layers, more than 2; raise it with --limit layers=NUMBER if the image is trusted"
        )
    );
    let listener = UnixListener::bind(&socket).unwrap();
    let engine = answering(listener, vec![[b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &[b'x'; 5_000]].concat()]);
    let message = error("docker-daemon:x:1");
    assert!(message.contains("larger than 1000 bytes; raise it with --limit spool_bytes=BYTES"), "{message}");
    engine.join().unwrap();
}

#[test]
fn a_stopped_scan_says_so_for_every_layer() {
    let folder = tempfile::tempdir().unwrap();
    oci::write_layout(folder.path(), &[(&sample(), None)]);
    let source = source(&format!("oci:{}", folder.path().display()));
    let found = source.resolve(&Platform::default()).unwrap();
    let options = image::ScanOptions {
        limits: &cudalint::limits::Limits::default(),
        jobs: std::num::NonZeroUsize::MIN,
        cancel: &std::sync::atomic::AtomicBool::new(true),
        progress: &image::NoProgress,
    };
    let outcomes = image::for_each_layer(&found, &*source, &options, |layer| layer.walk(&mut |_| {}));
    let problems: Vec<String> = outcomes.iter().map(|outcome| outcome.problems[0].to_string()).collect();
    assert_eq!(problems.len(), 3);
    assert!(problems.iter().all(|problem| problem.ends_with("the scan was stopped before its end")));
}
