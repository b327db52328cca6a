//! CU306: an installer that brings the driver along.

use crate::diagnostics::{RuleId, Severity};
use crate::facts::{Command, CommandRole};
use crate::rules::support::mentions;
use crate::rules::{Context, Rule, Sink};

pub(super) struct InstallerMayInstallDriver;

impl Rule for InstallerMayInstallDriver {
    fn id(&self) -> RuleId {
        RuleId::new("CU306")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU306-installer-may-install-driver.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let commands = facts.commands.iter().filter(|command| {
            matches!(command.role, CommandRole::Run | CommandRole::BuildScript)
                && facts.in_final_lineage(command.stage)
        });
        let containers = super::names::DriverContainers::of(facts);
        for command in commands {
            if containers.has(facts, command.stage) {
                continue;
            }
            if let Some(run) = runfile(command) {
                judge_runfile(command, &run, out);
            } else if command.program.as_deref() == Some("ubuntu-drivers")
                && command
                    .args
                    .iter()
                    .any(|word| matches!(word.text.as_deref(), Some("autoinstall" | "install")))
            {
                out.finding(&command.origin, "`ubuntu-drivers` installs the host driver into the image")
                    .help("leave it out: the runtime mounts the host's own driver")
                    .emit();
            } else if matches!(command.program.as_deref(), Some("curl" | "wget"))
                && mentions(command, "ollama.com/install.sh")
            {
                out.finding(
                    &command.origin,
                    "Ollama's install script installs `cuda-drivers` when it finds a GPU without a driver",
                )
                .severity(Severity::Warning)
                .help("unpack Ollama's archive instead, or use the image ollama/ollama")
                .emit();
            }
        }
    }
}

/// Name of the `.run` file that a command starts, directly or through a shell.
fn runfile(command: &Command) -> Option<String> {
    let base = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let is_run = |name: &String| name.ends_with(".run");
    let program = command.program.as_deref()?;
    if is_run(&program.to_owned()) {
        return Some(base(program));
    }
    if !matches!(program, "sh" | "bash" | "dash") {
        return None;
    }
    command
        .args
        .iter()
        .filter_map(|word| word.text.as_deref())
        .find(|text| !text.starts_with('-'))
        .map(base)
        .filter(is_run)
}

fn judge_runfile(command: &Command, run: &str, out: &mut Sink<'_>) {
    let has = |flag: &str| {
        command
            .args
            .iter()
            .filter_map(|word| word.text.as_deref())
            .any(|text| text == flag || text.starts_with(&format!("{flag}=")))
    };
    let driver_installer = run.starts_with("NVIDIA-Linux");
    let toolkit_installer = run.starts_with("cuda_");
    if driver_installer && !has("--extract-only") && !has("-x") {
        out.finding(&command.origin, format!("`{run}` installs the host driver into the image"))
            .help("leave it out: the runtime mounts the host's own driver")
            .emit();
    } else if toolkit_installer && has("--driver") {
        out.finding(&command.origin, format!("`{run} --driver` installs the host driver into the image"))
            .help("use --toolkit without --driver")
            .emit();
    } else if toolkit_installer
        && has("--silent")
        && !["--toolkit", "--samples", "--extract", "--toolkitpath", "--librarypath", "--help"]
            .iter()
            .any(|flag| has(flag))
    {
        out.finding(
            &command.origin,
            format!("`{run} --silent` without a component installs everything, the driver included"),
        )
        .help("name the component: --silent --toolkit")
        .emit();
    }
}
