//! The driver of this machine, for `--driver host`: the kernel's own files, else nvidia-smi.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::compat::DriverVersion;

/// Bytes read of a file or an answer.
const MOST_BYTES: u64 = 64 << 10;
/// How long nvidia-smi may take; on a machine whose driver hangs it never ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// No driver was found on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`host` means the NVIDIA driver of this machine, and none was found: /proc/driver/nvidia/version is not there and \
     {why}; give --driver a branch (525) or a version (525.60.13)"
)]
pub(super) struct NoDriver {
    why: String,
}

/// The driver of this machine as a driver specification: `535.104.05`, or `l4t:36.4.0` on a Jetson.
///
/// # Errors
/// Where it was looked for in vain.
pub(super) fn host_driver() -> Result<String, NoDriver> {
    if let Some(release) = read("/etc/nv_tegra_release").as_deref().and_then(jetson_release) {
        return Ok(format!("l4t:{release}"));
    }
    if let Some(version) = read("/proc/driver/nvidia/version").as_deref().and_then(kernel_version) {
        return Ok(version.to_string());
    }
    ask(Path::new("nvidia-smi"), PATIENCE).map(|version| version.to_string()).map_err(|why| NoDriver { why })
}

fn read(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 …`, or the same with `Open Kernel Module for
/// x86_64`.
fn kernel_version(text: &str) -> Option<DriverVersion> {
    let line = text.lines().find(|line| line.starts_with("NVRM version:"))?;
    let (_, after) = line.split_once("Kernel Module")?;
    after.split_whitespace().find_map(full_version)
}

/// A version with at least two numbers.
fn full_version(word: &str) -> Option<DriverVersion> {
    word.parse().ok().filter(|version: &DriverVersion| version.part_count() > 1)
}

/// `# R36 (release), REVISION: 4.0, GCID: …` is 36.4.0.
fn jetson_release(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains("REVISION:"))?;
    let digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let major = line.trim_start_matches('#').split_whitespace().next()?.strip_prefix('R')?;
    let revision = line.split_once("REVISION:")?.1.split(',').next()?.trim();
    (digits(major) && digits(revision)).then(|| format!("{major}.{revision}"))
}

/// Asks nvidia-smi, which asks NVML. The program is started directly, without a shell.
fn ask(program: &Path, patience: Duration) -> Result<DriverVersion, String> {
    let name = program.display();
    let spawned = Command::new(program)
        .args(["--query-gpu=driver_version", "--format=csv,noheader"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("there is no {name}"));
        }
        Err(error) => return Err(format!("{name} cannot be started: {error}")),
    };
    let stdout = child.stdout.take();
    let (send, receive) = std::sync::mpsc::channel();
    // Reading has a thread of its own, so that a program that neither answers nor ends can be given up.
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.map(|stdout| stdout.take(MOST_BYTES).read_to_end(&mut bytes));
        drop(send.send(read.map(|_| bytes)));
    });
    let started = Instant::now();
    let answer = receive.recv_timeout(patience);
    let rest = patience.saturating_sub(started.elapsed()).max(Duration::from_millis(100));
    let Ok(Some(bytes)) = answer else {
        end(&mut child);
        return Err(format!("{name} gave no answer within {} seconds", patience.as_secs()));
    };
    if !ended(&mut child, rest) {
        end(&mut child);
    }
    let text = String::from_utf8_lossy(&bytes);
    let version = text.lines().find_map(|line| full_version(line.trim()));
    version.ok_or_else(|| match text.lines().next().map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => format!("{name} says: {}", line.chars().take(200).collect::<String>()),
        None => format!("{name} says nothing"),
    })
}

/// Whether the program ends by itself in time; its output has ended already.
fn ended(child: &mut std::process::Child, patience: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < patience {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Ok(Some(_)) | Err(_) => return true,
        }
    }
    false
}

fn end(child: &mut std::process::Child) {
    // A program that has ended meanwhile cannot be ended; there is nothing to do about it.
    drop(child.kill());
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_files() {
        let version = |text: &str| kernel_version(text).map(|version| version.to_string());
        assert_eq!(
            version("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc 12\n").as_deref(),
            Some("535.104.05")
        );
        assert_eq!(
            version(
                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  565.77  Release Build  (root)\n"
            )
            .as_deref(),
            Some("565.77")
        );
        assert_eq!(version("NVRM version: something else 12.3\n"), None);
        assert_eq!(version(""), None);
        let jetson = |text: &str| jetson_release(text);
        assert_eq!(
            jetson("# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic\n").as_deref(),
            Some("36.4.0")
        );
        assert_eq!(
            jetson("# R35 (release), REVISION: 4.1, GCID: 33958178\n# KERNEL_VARIANT: oot\n").as_deref(),
            Some("35.4.1")
        );
        assert_eq!(jetson("# nothing\n"), None);
    }

    #[cfg(unix)]
    fn program(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smi");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (folder, path)
    }

    #[cfg(unix)]
    #[test]
    fn nvidia_smi_is_asked_and_given_up() {
        let answer = |text: &str, patience: u64| {
            let (_folder, path) = program(text);
            let name = path.display().to_string();
            ask(&path, Duration::from_millis(patience))
                .map(|version| version.to_string())
                .map_err(|why| why.replace(&name, "smi"))
        };
        assert_eq!(
            answer("[ \"$1\" = --query-gpu=driver_version ] && echo 550.54.15 && echo 550.54.15", 20_000),
            Ok("550.54.15".to_owned())
        );
        assert_eq!(
            answer(
                "echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\"; exit 9",
                20_000
            ),
            Err("smi says: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
                .to_owned())
        );
        assert_eq!(answer("exit 0", 20_000), Err("smi says nothing".to_owned()));
        assert_eq!(answer("exec sleep 600", 50), Err("smi gave no answer within 0 seconds".to_owned()));
        let missing = ask(Path::new("/nonexistent/smi"), PATIENCE);
        assert_eq!(missing, Err("there is no /nonexistent/smi".to_owned()));
    }
}
