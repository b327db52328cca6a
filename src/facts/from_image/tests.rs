//! Facts of images that the tests put together from layers and configs.

use std::io::Read;

use super::*;
use crate::facts::DriverLibraryKind;
use crate::image::{Entry, EntryKind};

/// A layer of files and links, written by hand.
fn layer(entries: &[(&str, EntryKind, &[u8])]) -> CollectedLayer {
    let limits = Limits::default();
    let mut collector = LayerCollector::new(&limits);
    for (path, kind, bytes) in entries {
        let mut reader: &[u8] = bytes;
        collector.entry(Entry {
            path: LayerPath::from(*path),
            kind: kind.clone(),
            size: u64::try_from(bytes.len()).unwrap(),
            mode: 0o644,
            reader: &mut reader as &mut dyn Read,
        });
    }
    collector.finish()
}

fn facts(env: &[(&str, &str)], layers: Vec<CollectedLayer>) -> Facts {
    facts_of(env, layers, true)
}

fn facts_of(env: &[(&str, &str)], collected: Vec<CollectedLayer>, complete: bool) -> Facts {
    let config = ImageConfig {
        env: env.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect(),
        cmd: Some(vec!["nvidia-smi".to_owned()]),
        ..ImageConfig::default()
    };
    let layer =
        LayerFacts { digest: "".into(), diff_id: None, created_by: Some("RUN x".into()), size: 0, complete };
    let layers = vec![layer; collected.len()];
    let platform = Platform::default();
    let input = ImageInput { config: &config, layers, collected, platform: &platform };
    from_image(input, Tables::builtin(), &Limits::default())
}

const FILE: EntryKind = EntryKind::File;

#[test]
fn packages_are_dated_by_the_layer_that_brought_them() {
    let first = layer(&[(
        "var/lib/dpkg/status",
        FILE,
        b"Package: libc6\nVersion: 2.35\nStatus: install ok installed\n\n",
    )]);
    let second = layer(&[(
        "var/lib/dpkg/status",
        FILE,
        b"Package: libc6\nVersion: 2.35\nStatus: install ok installed\n\nPackage: libcublas-12-4\nVersion: 12.4.5.8-1\nStatus: install ok installed\n\n",
    )]);
    let facts = facts(&[], vec![first, second]);
    let layers: Vec<(&str, &Origin)> =
        facts.packages.iter().map(|package| (package.name.as_str(), &package.origin)).collect();
    let at = |layer| Origin::Layer { layer, path: "/var/lib/dpkg/status".into() };
    assert_eq!(layers, [("libc6", &at(0)), ("libcublas-12-4", &at(1))]);
    assert_eq!(facts.payload[0].what, "libcublas-12-4");
    assert_eq!((facts.cuda[0].version, facts.cuda[0].kind), (CudaVersion::new(12, 4), CudaUseKind::Package));
    assert_eq!(facts.stages[0].root.flavour, Some(Flavour::Runtime));
}

#[test]
fn python_distributions_and_what_they_bring() {
    let site = "usr/lib/python3/site-packages";
    let torch = format!("{site}/torch-2.5.1+cu121.dist-info/METADATA");
    let numpy = format!("{site}/numpy-1.26.4.dist-info/METADATA");
    let facts = facts(&[], vec![layer(&[(&torch, FILE, b"Name: torch"), (&numpy, FILE, b"")])]);
    let shown = facts.image.as_ref().unwrap();
    let names: Vec<&str> = shown.python.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["numpy", "torch"]);
    assert_eq!(facts.cuda.len(), 1);
    assert_eq!(facts.cuda[0].version, CudaVersion::new(12, 1));
    assert_eq!(facts.python[1].tool, PythonTool::Installed);
}

#[test]
fn whiteouts_take_facts_away() {
    let below = layer(&[
        ("x/torch-2.5.1.dist-info/METADATA", FILE, b""),
        ("etc/ld.so.conf.d/cuda.conf", FILE, b"/usr/local/cuda/lib64/stubs\n"),
    ]);
    let above = layer(&[
        ("x/torch-2.5.1.dist-info", EntryKind::Whiteout, b""),
        ("etc/ld.so.conf.d/cuda.conf", EntryKind::Whiteout, b""),
    ]);
    let facts = facts(&[], vec![below, above]);
    assert!(facts.python.is_empty() && facts.loader.is_empty());
}

#[test]
fn environment_loader_and_commands() {
    let conf = layer(&[("etc/ld.so.conf.d/z.conf", FILE, b"# c\n/opt/lib\ninclude /etc/other/*.conf\n")]);
    let facts = facts(
        &[("LD_LIBRARY_PATH", "/a:/b"), ("CUDA_VERSION", "12.4.1"), ("NVIDIA_VISIBLE_DEVICES", "all")],
        vec![conf],
    );
    let shown: Vec<(&str, LoaderVia)> =
        facts.loader.iter().map(|entry| (entry.directory.as_str(), entry.via)).collect();
    assert_eq!(
        shown,
        [("/a", LoaderVia::Environment), ("/b", LoaderVia::Environment), ("/opt/lib", LoaderVia::ConfFile)]
    );
    assert_eq!(facts.final_env().and_then(|env| env.value("CUDA_VERSION")), Some("12.4.1"));
    assert_eq!(
        facts.final_env().unwrap().get("CUDA_VERSION").unwrap().origin,
        Origin::config_env("CUDA_VERSION")
    );
    assert_eq!(facts.stages[0].root.cuda.unwrap().to_string(), "12.4.1");
    assert_eq!(facts.commands[0].program.as_deref(), Some("nvidia-smi"));
    assert_eq!(facts.payload[0].kind, PayloadKind::Environment);
    assert!(facts.image.as_ref().unwrap().complete);
}

#[test]
fn distributions_and_c_libraries() {
    let alpine = layer(&[
        ("etc/os-release", FILE, b"ID=alpine\nVERSION_ID=3.20.1\n"),
        ("lib/ld-musl-x86_64.so.1", FILE, b"x"),
        ("lib/apk/db/installed", FILE, b"P:musl\nV:1\n\n"),
    ]);
    let found = facts(&[], vec![alpine]);
    let os = found.stages[0].root.os.clone().unwrap();
    assert!(os.musl);
    assert_eq!(found.image.as_ref().unwrap().libc, Some(Libc::Musl));
    let ubuntu = layer(&[
        ("usr/lib/os-release", FILE, b"ID=ubuntu\nVERSION_ID=\"22.04\"\n"),
        ("etc/os-release", EntryKind::Symlink(b"../usr/lib/os-release".to_vec()), b""),
        ("usr/lib64/ld-linux-x86-64.so.2", FILE, b"x"),
        ("usr/bin/gcc", EntryKind::Symlink(b"gcc-11".to_vec()), b""),
    ]);
    let found = facts(&[], vec![ubuntu]);
    let root = &found.stages[0].root;
    assert_eq!(root.os.as_ref().map(|os| (os.id.as_str(), os.glibc)), Some(("ubuntu22.04", Some((2, 35)))));
    assert_eq!((root.has_c_compiler, root.has_nvcc), (Some(true), Some(false)));
    assert_eq!(found.image.as_ref().unwrap().libc, Some(Libc::Glibc));
}

#[test]
fn empty_driver_files_and_dangling_links() {
    let found = facts(
        &[],
        vec![layer(&[
            ("usr/lib/x86_64-linux-gnu/libcuda.so.535.104.05", FILE, b""),
            (
                "usr/lib/x86_64-linux-gnu/libcuda.so.1",
                EntryKind::Symlink(b"libcuda.so.535.104.05".to_vec()),
                b"",
            ),
            (
                "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
                EntryKind::Symlink(b"libnvidia-ml.so.550.54.14".to_vec()),
                b"",
            ),
            ("usr/local/cuda/lib64/stubs/libcuda.so.1", EntryKind::Symlink(b"nowhere.so".to_vec()), b""),
        ])],
    );
    let shown: Vec<(&str, DriverLibraryKind, Option<String>, bool)> = found
        .image
        .as_ref()
        .unwrap()
        .driver_libraries
        .iter()
        .map(|library| {
            let version = library.version.as_ref().map(ToString::to_string);
            (library.path.as_ref(), library.kind, version, library.dangling_link)
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                "/usr/lib/x86_64-linux-gnu/libcuda.so.535.104.05",
                DriverLibraryKind::Empty,
                Some("535.104.05".to_owned()),
                false
            ),
            (
                "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
                DriverLibraryKind::Real,
                Some("550.54.14".to_owned()),
                true
            ),
        ]
    );
}

#[test]
fn a_cut_layer_makes_the_image_incomplete() {
    let found = facts_of(&[], vec![layer(&[("a", FILE, b"")])], false);
    let shown = found.image.as_ref().unwrap();
    assert!(!shown.complete && !shown.layers[0].complete);
    assert_eq!(found.stages[0].root.has_nvcc, None);
}
