//! CU306: an installer that brings the driver along.

use crate::diagnostics::{RuleId, Severity};
use crate::facts::{CommandRole, Installer, StageId};
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
        let containers = super::names::DriverContainers::of(facts);
        let shipped = |stage: StageId| facts.in_final_lineage(stage) && !containers.has(facts, stage);
        for installer in facts.installers.iter().filter(|installer| shipped(installer.stage)) {
            judge_runfile(installer, out);
        }
        let commands = facts.commands.iter().filter(|command| {
            matches!(command.role, CommandRole::Run | CommandRole::BuildScript) && shipped(command.stage)
        });
        for command in commands {
            if command.program.as_deref() == Some("ubuntu-drivers")
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

fn judge_runfile(installer: &Installer, out: &mut Sink<'_>) {
    let run = &installer.name;
    if installer.is_driver() {
        if !installer.has("--extract-only") && !installer.has("-x") {
            out.finding(&installer.origin, format!("`{run}` installs the host driver into the image"))
                .help("leave it out: the runtime mounts the host's own driver")
                .emit();
        }
    } else if installer.has("--driver") {
        out.finding(&installer.origin, format!("`{run} --driver` installs the host driver into the image"))
            .help("use --toolkit without --driver")
            .emit();
    } else if installer.has("--silent")
        && !["--toolkit", "--samples", "--extract", "--toolkitpath", "--librarypath", "--help"]
            .iter()
            .any(|flag| installer.has(flag))
    {
        out.finding(
            &installer.origin,
            format!("`{run} --silent` without a component installs everything, the driver included"),
        )
        .help("name the component: --silent --toolkit")
        .emit();
    }
}
