//! The commands that answer questions, through the built program: every recorded requirement case, a table of
//! compatibility questions, configuration and data files, and what is printed for people.

use std::collections::BTreeMap;
use std::path::Path;

use assert_cmd::Command;
use serde::Deserialize;
use serde_json::Value;

/// The program, away from this repository's and this machine's settings.
fn cudalint() -> Command {
    let mut command = Command::cargo_bin("cudalint").unwrap();
    for name in ["CUDALINT_CONFIG", "CUDALINT_FORMAT", "NO_COLOR", "FORCE_COLOR", "COLUMNS"] {
        command.env_remove(name);
    }
    command.current_dir(std::env::temp_dir());
    command
}

/// Exit status, standard output and standard error.
fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> (i32, String, String) {
    let output = cudalint().args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn json(args: &[String]) -> (i32, Value) {
    let (status, out, errors) = run(args);
    let value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out}{errors}"));
    (status, value)
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[derive(Deserialize)]
struct Cases {
    text: BTreeMap<String, String>,
    dsl: Vec<Case>,
    env: Vec<Case>,
    csv: Vec<Case>,
}

/// All kinds of cases; the recorded file is checked for unknown keys by another test.
#[derive(Deserialize)]
struct Case {
    id: String,
    expr: Option<String>,
    exprs: Option<Vec<String>>,
    expr_text: Option<String>,
    reqs: Option<Vec<String>>,
    driver: Option<String>,
    cuda: Option<String>,
    brand: Option<String>,
    arch: Option<String>,
    result: Option<String>,
    message: Option<String>,
    #[serde(default)]
    env: Vec<String>,
    accept_envvar_unprivileged: Option<bool>,
    #[serde(default)]
    privileged: bool,
    #[serde(default)]
    accept_volume_mounts: bool,
    #[serde(default)]
    config_disable_require: bool,
    swarm_resource: Option<String>,
    #[serde(default)]
    mounts: Vec<String>,
    legacy: Option<bool>,
    gpu: Option<bool>,
    devices: Option<Vec<String>>,
    capabilities: Option<String>,
    requirements: Option<Vec<String>>,
    #[serde(default)]
    panic: bool,
}

fn cases() -> Cases {
    toml::from_str(include_str!("data/require_cases.toml")).unwrap()
}

fn host(case: &Case, args: &mut Vec<String>) {
    for (flag, value) in
        [("--driver", &case.driver), ("--cuda", &case.cuda), ("--brand", &case.brand), ("--arch", &case.arch)]
    {
        if let Some(value) = value {
            args.extend([flag.to_owned(), value.clone()]);
        }
    }
    args.extend(words("--format json"));
}

#[test]
fn requirements_get_the_recorded_answers() {
    let cases = cases();
    assert_eq!(cases.dsl.len(), 77);
    for case in &cases.dsl {
        let mut args = words("require");
        match (&case.expr, &case.exprs, &case.expr_text) {
            (Some(one), _, _) => args.push(one.clone()),
            (_, Some(several), _) => args.extend(several.iter().cloned()),
            (_, _, Some(name)) => args.push(cases.text[name].clone()),
            _ => panic!("{}: no requirement", case.id),
        }
        host(case, &mut args);
        let (status, answer) = json(&args);
        let result = case.result.as_deref().unwrap();
        assert_eq!(answer["result"], result, "{}", case.id);
        assert_eq!(answer["error"].as_str(), case.message.as_deref(), "{}", case.id);
        assert!(answer["deciding"].is_string(), "{}", case.id);
        assert_eq!(status, i32::from(result != "satisfied"), "{}", case.id);
    }
}

#[test]
fn environments_get_the_recorded_readings() {
    let cases = cases();
    assert_eq!(cases.env.len(), 37);
    for case in &cases.env {
        let mut args = words("require");
        for pair in &case.env {
            args.extend(["--env".to_owned(), pair.clone()]);
        }
        if case.env.is_empty() {
            args.push("--env".to_owned());
        }
        for (flag, given) in [
            ("--privileged", case.privileged),
            ("--accept-volume-mounts", case.accept_volume_mounts),
            ("--config-disable-require", case.config_disable_require),
        ] {
            if given {
                args.push(flag.to_owned());
            }
        }
        if let Some(accept) = case.accept_envvar_unprivileged {
            args.push(format!("--accept-envvar-unprivileged={accept}"));
        }
        if let Some(resource) = &case.swarm_resource {
            args.extend(["--swarm-resource".to_owned(), resource.clone()]);
        }
        for mount in &case.mounts {
            args.extend(["--mount".to_owned(), mount.clone()]);
        }
        args.extend(words("--format json"));
        let (status, answer) = json(&args);
        let expected = serde_json::json!({
            "schema": "cudalint/1",
            "legacy": case.legacy,
            "gpu": case.gpu,
            "devices": case.devices,
            "capabilities": case.capabilities,
            "requirements": case.requirements,
            "panic": case.panic,
            "message": case.message,
        });
        assert_eq!(answer, expected, "{}", case.id);
        assert_eq!(status, i32::from(case.panic), "{}", case.id);
    }
}

#[test]
fn jetson_gets_the_recorded_answers() {
    let cases = cases();
    assert_eq!(cases.csv.len(), 17);
    for case in &cases.csv {
        let mut args = words("require --host jetson");
        args.extend(case.reqs.iter().flatten().cloned());
        host(case, &mut args);
        let (status, answer) = json(&args);
        let refused = case.result.as_deref() == Some("refused");
        assert_eq!(answer["csv_result"].as_str(), case.result.as_deref(), "{}", case.id);
        assert_eq!(answer["result"] != "satisfied", refused, "{}", case.id);
        assert_eq!(answer["error"].as_str(), case.message.as_deref(), "{}", case.id);
        assert_eq!(status, i32::from(refused), "{}", case.id);
    }
}

/// Arguments after `compat`, verdict, satisfied. NVIDIA's CUDA Compatibility guide answers each.
const QUESTIONS: &[(&str, &str, Option<bool>)] = &[
    ("--cuda 12.4.1 --driver 550 --gpu a100", "ok", Some(true)),
    ("--cuda 11.8 --driver 550", "ok", Some(true)),
    ("--cuda 12.4.1 --driver 525 --gpu a100", "ok-minor-compat", Some(true)),
    ("--cuda 12.4.1 --driver 525.60.13", "ok-minor-compat", Some(true)),
    ("--cuda 12.4 --driver 470 --gpu a10", "fails", Some(false)),
    ("--cuda 12.4 --driver 470 --gpu a10 --compat-package 12-4", "needs-forward-compat", Some(true)),
    ("--cuda 12.4 --driver 470 --gpu rtx3090", "fails", Some(false)),
    ("--cuda 12.4 --driver 470 --gpu rtx3090 --compat-package 12-4", "fails", Some(false)),
    ("--cuda 12.4 --driver 535 --gpu a10 --compat-package 12-4", "ok-minor-compat", Some(true)),
    ("--cuda 13.0 --driver 535 --gpu a100", "needs-forward-compat", Some(false)),
    ("--cuda 13.0 --driver 535 --gpu a100 --compat-package 13-0", "needs-forward-compat", Some(true)),
    ("--cuda 13.0 --driver 535 --gpu rtx4090 --compat-package 13-0", "fails", Some(false)),
    ("--cuda 13.0 --driver 535 --compat-package 13-0", "needs-forward-compat", None),
    ("--cuda 12.4 --driver 550 --gpu h100 --sass 8.0", "no-kernel-image", Some(false)),
    ("--cuda 12.4 --driver 550 --gpu h100 --sass 9.0a", "ok", Some(true)),
    ("--cuda 12.4 --driver 550 --gpu a10 --sass sm_80", "ok", Some(true)),
    ("--cuda 12.4 --driver 525 --gpu h100 --ptx 8.0:8.4", "ptx-jit-fails", Some(false)),
    ("--cuda 12.4 --driver 525 --gpu h100 --ptx 8.0:7.0", "ok-minor-compat", Some(true)),
    ("--cuda 12.4 --driver 550 --gpu h100 --ptx 8.0", "ok", Some(true)),
    ("--cuda 12.8 --driver 470..=550 --gpu rtx4090", "fails", Some(false)),
    ("--cuda 12.4 --driver 999", "unknown", None),
    ("--cuda 99.0 --driver 550", "unknown", None),
    ("--cuda 12.6 --driver l4t:36.4", "ok", Some(true)),
    ("--sass 8.0 --driver 550 --gpu a100", "ok", Some(true)),
];

#[test]
fn compatibility_questions() {
    for (line, verdict, satisfied) in QUESTIONS {
        let mut args = words("compat --isolated --format json");
        args.extend(words(line));
        let (status, answer) = json(&args);
        assert_eq!(
            (answer["verdict"].as_str(), answer["satisfied"].as_bool()),
            (Some(*verdict), *satisfied),
            "{line}"
        );
        assert!(!answer["reasons"].as_array().unwrap().is_empty(), "{line}");
        assert_eq!(answer["schema"], "cudalint/1");
        assert_eq!(status, i32::from(*satisfied == Some(false)), "{line}");
    }
}

#[test]
fn the_answer_for_people_begins_with_one_line() {
    let (status, out, _) = run(&words("compat --isolated --cuda 13.0 --driver 535 --gpu a10"));
    assert_eq!(status, 1);
    assert!(out.starts_with("CUDA 13.0 on driver 535 with A10: fails, it needs a compat package\n"), "{out}");
    assert!(out.contains("What would help (each checked):"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colour into a pipe");
    let (_, out, _) = run(&words("compat --isolated --cuda 13.0 --driver 535 --gpu a10 --color always"));
    assert!(out.contains('\u{1b}'));
}

#[test]
fn configuration_fleets_and_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "cudalint.toml",
        "[target]\ndriver = \"470\"\n[[fleet.prod.pool]]\nname = \"old\"\ndriver = \"470\"\ngpus = [\"a10\"]\n\
         [[fleet.prod.pool]]\nname = \"new\"\ndriver = \"550\"\n",
    );
    let ask = |line: &str| {
        let output = cudalint().current_dir(folder.path()).args(words(line)).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (status, out, _) = ask("compat --cuda 12.4");
    assert!(status == 1 && out.starts_with("CUDA 12.4 on driver 470: "), "{out}");
    let (_, out, _) = ask("compat --cuda 12.4 --fleet prod");
    assert!(out.starts_with("old: CUDA 12.4 on driver 470 with A10: fails"), "{out}");
    assert!(out.contains("\nnew: CUDA 12.4 on driver 550: runs\n"), "{out}");
    let (status, _, errors) = ask("compat --cuda 12.4 --fleet prud");
    assert_eq!((status, errors.as_str()), (2, "error: there is no fleet `prud`; did you mean `prod`?\n"));
    write("bad.toml", "[target]\ndriver = \"5x5\"\n");
    let (status, _, errors) = ask("compat --cuda 12.4 --config bad.toml");
    assert!(
        status == 2 && errors.starts_with("bad.toml:2:10: error: driver specification `5x5`"),
        "{errors}"
    );
    assert!(errors.contains("driver = \"5x5\""), "the line is shown: {errors}");
    let nodes = r#"{"items":[{"metadata":{"name":"n1","labels":{"nvidia.com/gpu.product":"Tesla-T4","nvidia.com/cuda.driver-version.full":"470.57.02"}}}]}"#;
    write("nodes.json", nodes);
    let (status, out, _) = ask("compat --cuda 11.4 --nodes nodes.json");
    assert!(status == 0 && out.starts_with("n1: CUDA 11.4 on driver 470.57.02 with Tesla T4: runs"), "{out}");
    let piped = cudalint()
        .args(words("compat --isolated --cuda 11.4 --nodes -"))
        .write_stdin(nodes)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), out);
}

#[test]
fn data_files_extend_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("more.toml");
    std::fs::write(
        &file,
        "[table]\nsource = [\"drivers\"]\nas_of = \"2026-12-01\"\n[[branch]]\nbranch = 999\ncuda_max = \"19.0\"\n\
         ptx_max = \"19.0\"\nsm_min = 75\nsm_max = 90\nreleases = [[\"999.10\", \"\", \"datacenter\"]]\n",
    )
    .unwrap();
    let file = file.display().to_string();
    let mut args = words("compat --isolated --cuda 12.4 --driver 999 --format json --data");
    args.push(file.clone());
    assert_eq!(json(&args).1["verdict"], "ok");
    let (status, out, _) = run(&["data".to_owned(), "--data".to_owned(), file.clone()]);
    assert!(status == 0 && out.contains("Extended by "), "{out}");
    std::fs::write(&file, "[[branch]]\nbranch = \"x\"\n").unwrap();
    let (status, _, errors) = run(&["data".to_owned(), "--data".to_owned(), file]);
    assert!(status == 2 && errors.contains("more.toml:2:10"), "{errors}");
}

#[cfg(unix)]
#[test]
fn the_driver_of_this_machine_is_asked_or_missed() {
    use std::os::unix::fs::PermissionsExt;
    if Path::new("/proc/driver/nvidia/version").exists() || Path::new("/etc/nv_tegra_release").exists() {
        let (status, out, _) = run(&words("compat --isolated --cuda 10.0 --driver host --format json"));
        assert!(status < 2 && out.contains("\"verdict\""), "{out}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ask = || {
        let mut command = cudalint();
        command.env("PATH", folder.path()).args(words("compat --isolated --cuda 12.4 --driver host"));
        let output = command.output().unwrap();
        (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    let (status, _, errors) = ask();
    assert_eq!(status, 2);
    let errors = errors.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(errors.contains("there is no nvidia-smi; give --driver a branch"), "{errors}");
    let smi = folder.path().join("nvidia-smi");
    std::fs::write(&smi, "#!/bin/sh\necho 550.54.15\n").unwrap();
    std::fs::set_permissions(&smi, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (status, out, errors) = ask();
    assert_eq!(status, 0, "{errors}");
    assert!(out.starts_with(b"CUDA 12.4 on driver 550.54.15: runs"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("cudalint"))
        .args(["rules", "--format", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn scripts_and_manual() {
    let (status, out, _) = run(&words("completions bash"));
    assert!(status == 0 && out.contains("--compat-package"));
    let (status, out, _) = run(&words("man"));
    assert!(status == 0 && out.contains(".TH cudalint"));
    assert_eq!(run(&words("completions nosuch")).0, 2);
}

#[test]
fn pages_errors_and_the_catalogue() {
    let (status, out, _) = run(&words("explain cu801"));
    assert!(status == 0 && out.starts_with("CU801 driver-too-old [error]\n"), "{out}");
    let pasted = "RuntimeError: CUDA error: no kernel image is available for execution on the device";
    let (status, out, _) = run(&["explain", pasted]);
    assert!(status == 0 && out.contains("CU805 no-kernel-image") && out.contains("On the host"), "{out}");
    let (status, _, errors) = run(&words("explain driver-to-old"));
    assert!(status == 2 && errors.contains("near rules: CU801 driver-too-old"), "{errors}");
    let (status, rules) = json(&words("rules --format json"));
    assert!(
        status == 0 && rules["rules"].as_array().unwrap().iter().any(|rule| rule["name"] == "driver-too-old")
    );
}

#[test]
fn a_matrix_of_a_dockerfile() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Dockerfile");
    std::fs::write(&file, "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\n").unwrap();
    let mut args = words("matrix --isolated --driver 470,545,550 --gpu t4,rtx3090 --reasons");
    args.push(file.display().to_string());
    let (status, out, errors) = run(&args);
    assert_eq!(status, 0, "{errors}");
    assert!(out.lines().next().unwrap().ends_with("Dockerfile: CUDA 12.4.1"), "{out}");
    assert!(
        out.contains("545     ! refused  ! refused\n"),
        "the image's requirement has no exception for 545: {out}"
    );
    assert!(out.contains("550     ✓ ok       ✓ ok\n"), "{out}");
    assert!(out.contains("NVIDIA_REQUIRE_CUDA refuses driver 545"), "{out}");
    args.extend(words("--format json"));
    let (_, grid) = json(&args);
    assert_eq!(grid["rows"][2]["cells"][0]["verdict"], "ok");
}
