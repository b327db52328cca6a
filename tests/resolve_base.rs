//! `--resolve-base`: the environment of a base image known by its config alone, the cache, and failing registries.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail loudly"
)]

#[path = "support/oci.rs"]
mod oci;
#[path = "support/registry.rs"]
mod registry;

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use oci::{BuiltImage, ImageBuilder};
use registry::{Answer, Request, Server};
use serde_json::{Value, json};

const CANARY: &str = "canary-password-123";
/// tester:canary-password-123
const BASIC: &str = "Basic dGVzdGVyOmNhbmFyeS1wYXNzd29yZC0xMjM=";

/// A private image on NVIDIA's, as its config shows it.
fn private(arch: &str) -> BuiltImage {
    ImageBuilder::new()
        .platform("linux", arch, None)
        .env("CUDA_VERSION", if arch == "amd64" { "12.4.1" } else { "11.8.0" })
        .env("NVIDIA_VISIBLE_DEVICES", "all")
        .env("NVIDIA_DRIVER_CAPABILITIES", "compute,utility")
        .env("NVIDIA_REQUIRE_CUDA", "cuda>=12.4 brand=tesla,driver>=470,driver<471")
        .env("LD_LIBRARY_PATH", "/usr/local/nvidia/lib:/usr/local/nvidia/lib64")
        .build()
}

/// What the registry has at `team/base:1`: an index of two platforms.
fn answer(images: &[BuiltImage], index: &[u8], request: &Request) -> Answer {
    if request.header("authorization") != Some(BASIC) {
        return Answer::ask("Basic realm=\"private\"");
    }
    let Some(rest) = request.path.strip_prefix("/v2/team/base/") else {
        return Answer::new(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#);
    };
    let (kind, name) = rest.split_once('/').unwrap();
    let digest = cudalint::image::Digest::sha256(index).to_string();
    if kind == "manifests" && (name == "1" || name == digest) {
        let body = if request.method == "HEAD" { Vec::new() } else { index.to_vec() };
        return Answer::ok(body).header("Docker-Content-Digest", digest);
    }
    match images.iter().find_map(|image| image.blobs.get(name)) {
        Some(blob) => Answer::ok(blob.clone()),
        None => Answer::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
    }
}

fn server() -> Server {
    let images = [private("amd64"), private("arm64")];
    let index = oci::index(&[images[0].descriptor(None), images[1].descriptor(None)]);
    Server::start(move |request, _| answer(&images, &index, request))
}

/// A folder with a Docker login for the registry and a Dockerfile on `from`.
fn folder(host: &str, dockerfile: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let login = BASIC.strip_prefix("Basic ").unwrap();
    let config = json!({"auths": {host: {"auth": login}}});
    std::fs::create_dir(folder.path().join("docker")).unwrap();
    std::fs::write(folder.path().join("docker/config.json"), config.to_string()).unwrap();
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    folder
}

fn cudalint(folder: &Path, args: &[&str]) -> Output {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("cudalint"))
        .current_dir(folder)
        .env("DOCKER_CONFIG", folder.join("docker"))
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env_remove("CUDALINT_CACHE_DIR")
        .env_remove("CUDALINT_FORMAT")
        .env_remove("GITHUB_STEP_SUMMARY")
        .args(args)
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains(CANARY) && !said.contains(BASIC.strip_prefix("Basic ").unwrap()), "{said}");
    output
}

fn check(folder: &Path, more: &[&str]) -> (Value, i32) {
    let mut args = vec!["Dockerfile", "--isolated", "--format", "json", "--resolve-base", "-vv"];
    args.extend(more);
    let output = cudalint(folder, &args);
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (json, output.status.code().unwrap())
}

fn rules(json: &Value) -> Vec<String> {
    let findings = json["inputs"][0]["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| format!("{}@{}", finding["rule"].as_str().unwrap(), finding["location"]["line"]))
        .collect()
}

fn problems(json: &Value) -> String {
    json["inputs"][0]["problems"].to_string()
}

fn dockerfile(host: &str) -> String {
    format!(
        "FROM {host}/team/base:1\nENV NVIDIA_DRIVER_CAPABILITIES=utility\nENV LD_LIBRARY_PATH=/opt/lib\nRUN pip install torch==2.5.1\n"
    )
}

#[test]
fn a_private_base_is_known_by_its_config() {
    let server = server();
    let folder = folder(&server.host, &dockerfile(&server.host));
    let (json, _) = check(folder.path(), &["--driver", "470"]);
    let found = rules(&json);
    for wanted in ["CU202@2", "CU701@3", "CU801@1"] {
        assert!(found.contains(&wanted.to_owned()), "{wanted} in {found:?}");
    }
    assert_eq!(problems(&json), "[]");
    assert_eq!(json["inputs"][0]["complete"], true);
    assert!(server.asked("/blobs/").len() <= 2, "a config, and a login before it");

    let output =
        cudalint(folder.path(), &["Dockerfile", "--isolated", "--format", "json", "--driver", "470"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = rules(&json);
    assert!(!found.contains(&"CU701@3".to_owned()) && !found.contains(&"CU801@1".to_owned()), "{found:?}");
}

#[test]
fn the_second_run_asks_for_the_digest_only() {
    let server = server();
    let folder = folder(&server.host, &dockerfile(&server.host));
    let (first, _) = check(folder.path(), &[]);
    let before = server.requests().len();
    let (second, _) = check(folder.path(), &[]);
    assert_eq!(first, second);
    let methods: Vec<String> =
        server.requests()[before..].iter().map(|request| request.method.clone()).collect();
    // The first of them meets the demand to log in.
    assert_eq!(methods, ["HEAD", "HEAD"]);

    let info = cudalint(folder.path(), &["cache", "info", "--format", "json"]);
    let info: Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(info["documents"], 3, "index, manifest, config");
    assert!(info["folder"].as_str().unwrap().ends_with("cache/cudalint"), "{info}");

    // Damage is a miss.
    let mut todo = vec![folder.path().join("cache")];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            std::fs::write(path, "{}").unwrap();
        }
    }
    let (third, _) = check(folder.path(), &[]);
    assert_eq!(first, third);

    let cleared = cudalint(folder.path(), &["cache", "clear"]);
    assert!(String::from_utf8(cleared.stdout).unwrap().starts_with("Deleted 3 documents"));
    let before = server.asked("/blobs/").len();
    let (fourth, _) = check(folder.path(), &["--no-cache"]);
    assert_eq!(first, fourth);
    assert!(server.asked("/blobs/").len() > before);
    let info = cudalint(folder.path(), &["cache", "info"]);
    assert!(String::from_utf8(info.stdout).unwrap().contains("holds 0 documents (0 bytes)"));
}

#[test]
fn a_reference_by_digest_asks_nothing_twice_and_platforms_differ() {
    let server = server();
    let images = [private("amd64"), private("arm64")];
    let index = oci::index(&[images[0].descriptor(None), images[1].descriptor(None)]);
    let digest = cudalint::image::Digest::sha256(&index);
    let text = format!("FROM {}/team/base@{digest}\nRUN pip install torch==2.5.1\n", server.host);
    let folder = folder(&server.host, &text);
    let (amd64, _) = check(folder.path(), &["--driver", "470"]);
    assert!(rules(&amd64).contains(&"CU801@1".to_owned()), "{:?}", rules(&amd64));
    let before = server.requests().len();
    check(folder.path(), &["--driver", "470"]);
    assert_eq!(server.requests().len(), before);
    let (arm64, _) = check(folder.path(), &["--driver", "470", "--platform", "linux/arm64"]);
    assert!(!rules(&arm64).contains(&"CU801@1".to_owned()), "CUDA 11.8 runs on 470: {:?}", rules(&arm64));
    assert!(server.requests().len() > before);
}

#[test]
fn each_base_is_asked_for_once_a_run() {
    let server = server();
    let folder = folder(&server.host, &dockerfile(&server.host));
    std::fs::write(
        folder.path().join("other.Dockerfile"),
        format!("FROM {0}/team/base:1 AS a\nFROM {0}/team/base:1\n", server.host),
    )
    .unwrap();
    cudalint(folder.path(), &["Dockerfile", "other.Dockerfile", "--isolated", "--resolve-base"]);
    let heads = server.requests().iter().filter(|request| request.method == "HEAD").count();
    assert_eq!(heads, 2, "one, and its login");
}

#[test]
fn what_cannot_be_read_is_a_problem_at_its_from() {
    let server = server();
    let text = format!("FROM {}/team/missing:1\nRUN pip install torch==2.5.1\n", server.host);
    let folder = folder(&server.host, &text);
    let (json, status) = check(folder.path(), &["--fail-on", "never"]);
    let said = problems(&json);
    assert!(
        said.contains("base image") && said.contains("could not be read") && said.contains("stays unknown"),
        "{said}"
    );
    assert_eq!((json["inputs"][0]["complete"].as_bool(), status), (Some(true), 0), "the registry answered");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(folder.path().join("Dockerfile"), format!("FROM {free}/nvidia/cuda:1\n")).unwrap();
    let (json, status) = check(folder.path(), &["--fail-on", "never"]);
    assert!(problems(&json).contains("cannot reach"), "{}", problems(&json));
    assert_eq!((json["inputs"][0]["complete"].as_bool(), status), (Some(false), 4));
}

#[test]
fn offline_and_resolve_base_exclude_each_other() {
    let folder = folder("localhost:1", "FROM scratch\n");
    let output = cudalint(folder.path(), &["Dockerfile", "--offline", "--resolve-base"]);
    assert_eq!(output.status.code(), Some(2));
}
