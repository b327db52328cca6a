//! The command line as its users meet it: exit statuses, one clear message for bad input, formats.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn cudalint(folder: &Path, args: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("cudalint"))
        .current_dir(folder)
        .args(args)
        .env_remove("GITHUB_STEP_SUMMARY")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

const BAD: &[u8] = b"FROM debian:12-slim\nENV NVIDIA_VISIBLE_DEVICES=all\nRUN apt-get update && apt-get install -y libnvidia-ml1\n";
const GOOD: &[u8] = b"FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nCOPY app /app\n";

#[test]
fn exit_statuses() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "bad/Dockerfile", BAD);
    write(folder.path(), "good/Dockerfile", GOOD);
    write(folder.path(), "none/readme.txt", b"x");
    let run = |args: &[&str]| status(&cudalint(folder.path(), args));
    assert_eq!(run(&["good"]), 0);
    assert_eq!(run(&["bad"]), 1);
    assert_eq!(run(&["bad", "--fail-on", "never"]), 0);
    assert_eq!(run(&["bad", "--exit-zero"]), 0);
    assert_eq!(run(&["bad", "--ignore", "CU301"]), 0);
    assert_eq!(run(&["good", "--nonsense"]), 2);
    assert_eq!(run(&["none"]), 3);
    assert_eq!(run(&["good", "oci:missing"]), 4);
    assert_eq!(run(&["bad", "oci:missing"]), 1, "findings win over an incomplete scan");
}

/// Arguments, exit status, and words that the message must have.
const BAD_INPUT: &[(&[&str], i32, &[&str])] = &[
    (&["Nginx::latest"], 2, &["neither a file or folder", "reference"]),
    (&["./missing/Dockerfile"], 2, &["neither a file or folder"]),
    (&["good/Dockerfile", "--driver", "five"], 2, &["five"]),
    (&["good/Dockerfile", "--driver", ">=580, <525"], 2, &["exclude"]),
    (&["good/Dockerfile", "--driver", "524"], 2, &["524", "525"]),
    (&["good/Dockerfile", "--gpu", "h10"], 2, &["h10", "did you mean"]),
    (&["good/Dockerfile", "--fleet", "prod"], 2, &["prod"]),
    (&["good/Dockerfile", "--limit", "layer=1"], 2, &["there is no limit"]),
    (&["good/Dockerfile", "--select", "CU9999"], 2, &["CU9999"]),
    (&["good/Dockerfile", "--target", "nope"], 4, &["no stage `nope`"]),
    (&["elf"], 4, &["ELF file", "inspect"]),
    (&["binary"], 4, &["no text"]),
    (&["prose"], 4, &["no Dockerfile"]),
    (&["oci:empty"], 4, &["empty"]),
    (&["127.0.0.1:1/a/b:c"], 4, &["127.0.0.1:1"]),
    (&["registry.example.org/a/b:c", "--offline"], 4, &["--offline"]),
    (&[], 2, &["no input"]),
];

#[test]
fn bad_input_gives_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "good/Dockerfile", GOOD);
    write(folder.path(), "elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0");
    write(folder.path(), "binary", b"FR\0M x");
    write(folder.path(), "prose", b"Dear all,\n\nthis is a letter.\n");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let mut wrong = Vec::new();
    for (args, wanted, words) in BAD_INPUT {
        let output = cudalint(folder.path(), args);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        let told =
            words.iter().all(|word| said.split_whitespace().collect::<Vec<_>>().join(" ").contains(word));
        if status(&output) != *wanted || !told || said.contains("panicked") {
            wrong.push(format!(
                "{args:?}: status {} (wanted {wanted}), words {words:?}\n{said}",
                status(&output)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn json_has_the_promised_shape() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "Dockerfile", BAD);
    let output =
        cudalint(folder.path(), &["Dockerfile", "--driver", "525", "--gpu", "t4", "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema"], "cudalint/1");
    assert_eq!(json["fleet"]["drivers"], serde_json::json!(["525"]));
    let input = &json["inputs"][0];
    assert_eq!(
        (&input["input"], &input["kind"], &input["complete"]),
        (&"Dockerfile".into(), &"dockerfile".into(), &true.into())
    );
    let finding =
        input["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "CU301").unwrap();
    assert_eq!(finding["name"], "driver-package-in-image");
    assert_eq!(finding["severity"], "error");
    assert_eq!(
        (finding["location"]["line"].as_u64(), finding["location"]["column"].as_u64()),
        (Some(3), Some(42))
    );
    assert!(finding["fingerprint"].as_str().unwrap().len() >= 16);
    assert_eq!(json["summary"]["error"], 1);
}

#[test]
fn a_dockerfile_on_standard_input() {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("cudalint"))
        .args(["-", "--format", "concise"])
        .write_stdin(BAD)
        .output()
        .unwrap();
    assert_eq!(status(&output), 1);
    assert!(text(&output.stdout).starts_with("<stdin>:3:42: error CU301"), "{}", text(&output.stdout));
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let run = |threads: &str| {
        Command::new(assert_cmd::cargo::cargo_bin!("cudalint"))
            .current_dir(repository())
            .env("RAYON_NUM_THREADS", threads)
            .args([
                "fixtures",
                "oci:fixtures/images/leaked-driver",
                "--driver",
                "470..=580",
                "--format",
                "json",
                "--jobs",
                threads,
            ])
            .output()
            .unwrap()
            .stdout
    };
    let one = run("1");
    assert!(!one.is_empty());
    assert_eq!(one, run("4"));
}

#[test]
fn fixes_are_applied_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = b"FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nENV NVIDIA_DRIVER_CAPABILITIES=utility\n";
    write(folder.path(), "Dockerfile", dockerfile);
    let shown = cudalint(folder.path(), &["Dockerfile", "--fix", "--diff"]);
    assert!(
        text(&shown.stdout).contains("+ENV NVIDIA_DRIVER_CAPABILITIES=utility,compute"),
        "{}",
        text(&shown.stdout)
    );
    assert_eq!(std::fs::read(folder.path().join("Dockerfile")).unwrap(), dockerfile);
    assert_eq!(status(&cudalint(folder.path(), &["Dockerfile", "--fix"])), 0);
    let mended = std::fs::read_to_string(folder.path().join("Dockerfile")).unwrap();
    assert!(mended.contains("NVIDIA_DRIVER_CAPABILITIES=utility,compute"), "{mended}");
    assert_eq!(status(&cudalint(folder.path(), &["Dockerfile"])), 0);
}

#[test]
fn a_baseline_holds_back_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "Dockerfile", BAD);
    assert_eq!(
        status(&cudalint(folder.path(), &["Dockerfile", "--write-baseline", "--baseline", "base.json"])),
        0
    );
    assert_eq!(status(&cudalint(folder.path(), &["Dockerfile", "--baseline", "base.json"])), 0);
    let mut moved = b"# a comment\n\n".to_vec();
    moved.extend_from_slice(BAD);
    write(folder.path(), "Dockerfile", &moved);
    assert_eq!(
        status(&cudalint(folder.path(), &["Dockerfile", "--baseline", "base.json"])),
        0,
        "moved lines keep their fingerprint"
    );
    moved.extend_from_slice(b"RUN apt-get install -y nvidia-utils-535\n");
    write(folder.path(), "Dockerfile", &moved);
    assert_eq!(
        status(&cudalint(folder.path(), &["Dockerfile", "--baseline", "base.json"])),
        1,
        "new findings are not"
    );
}

#[test]
fn github_annotations_and_the_step_summary() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "docker/Dockerfile", BAD);
    let summary = folder.path().join("summary.md");
    let output = Command::new(assert_cmd::cargo::cargo_bin!("cudalint"))
        .current_dir(folder.path())
        .env("GITHUB_STEP_SUMMARY", &summary)
        .args(["docker", "--format", "github"])
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert!(said.contains("::error file=docker/Dockerfile,line=3"), "{said}");
    assert!(std::fs::read_to_string(summary).unwrap().contains("CU301"));
}

#[test]
fn inspect_shows_what_an_image_holds() {
    let output =
        cudalint(repository(), &["inspect", "oci:fixtures/images/leaked-driver", "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["cuda_runtimes"][0]["path"], "/usr/local/cuda-12.8/lib64/libcudart.so.12.8.90");
    assert_eq!(json["cuda_runtimes"][0]["version"], "12.8");
    assert_eq!(json["cuda_runtimes"][0]["layer"], 1);
    assert_eq!(json["cuda_runtimes"][0]["linkage"], "shared");
    let drivers = json["driver_libraries"].as_array().unwrap();
    let nvml = drivers.iter().find(|file| file["version"] == "535.104.05").unwrap();
    assert_eq!((&nvml["kind"], &nvml["layer"]), (&"real".into(), &2.into()));
    assert_eq!(json["device_code"][0]["sass"], serde_json::json!(["8.0", "8.6"]));
    assert_eq!(json["device_code"][0]["ptx"], serde_json::json!([{"target": "8.6", "isa": "8.7"}]));
    assert_eq!(json["least_driver"], "525.60.13");
}

#[test]
fn an_images_findings_at_the_lines_that_made_them() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "Dockerfile", b"FROM ubuntu:22.04\nRUN ./install-monitoring.sh\n");
    let layout = format!("oci:{}", repository().join("fixtures/images/leaked-driver").display());
    let output = cudalint(folder.path(), &[&layout, "--dockerfile", "Dockerfile", "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = json["inputs"][0]["findings"].as_array().unwrap();
    let nvml = findings.iter().find(|finding| finding["rule"] == "CU304").unwrap();
    assert_eq!((&nvml["location"]["file"], &nvml["location"]["line"]), (&"Dockerfile".into(), &2.into()));
}

#[test]
fn a_pattern_of_dockerignore_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "Dockerfile", b"FROM scratch\n");
    write(folder.path(), ".dockerignore", b"[z-a]\n");
    let said = text(&cudalint(folder.path(), &["Dockerfile", "--isolated"]).stderr);
    assert!(said.starts_with("warning: ") && said.contains("[z-a]"), "{said}");
    assert_eq!(text(&cudalint(folder.path(), &["Dockerfile", "--isolated", "-q"]).stderr), "");
}
