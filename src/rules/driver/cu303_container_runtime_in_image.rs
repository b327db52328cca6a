//! CU303: the NVIDIA container runtime is installed in the image.

use crate::diagnostics::{RuleId, Safety};
use crate::facts::{CommandRole, Facts};
use crate::rules::support::delete_word;
use crate::rules::{Context, Rule, Sink};

const PACKAGES: &[&str] = &[
    "nvidia-docker",
    "nvidia-docker2",
    "nvidia-container-runtime",
    "nvidia-container-runtime-hook",
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container1",
    "libnvidia-container-tools",
];

pub(super) struct ContainerRuntimeInImage;

impl Rule for ContainerRuntimeInImage {
    fn id(&self) -> RuleId {
        RuleId::new("CU303")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU303-container-runtime-in-image.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        if runs_containers(facts) {
            return;
        }
        for package in &facts.packages {
            if package.removed
                || !facts.in_final_lineage(package.stage)
                || !PACKAGES.contains(&package.name.as_str())
            {
                continue;
            }
            let note =
                if package.name == "nvidia-docker2" { " (and `nvidia-docker2` is deprecated)" } else { "" };
            let mut draft = out
                .finding(&package.origin, format!("`{}` belongs on the host, not in the image{note}", package.name))
                .help("install it on the host and run `nvidia-ctk runtime configure` there; the image needs nothing of it");
            if let Some(edit) = delete_word(facts, &package.origin) {
                draft = draft.fix(Safety::Unsafe, "delete it from the list", &[edit]);
            }
            draft.emit();
        }
        for command in &facts.commands {
            let configures = command.program.as_deref() == Some("nvidia-ctk")
                && command.args.first().and_then(|word| word.text.as_deref()) == Some("runtime")
                && command.args.get(1).and_then(|word| word.text.as_deref()) == Some("configure");
            if configures && command.role == CommandRole::Run && facts.in_final_lineage(command.stage) {
                out.finding(&command.origin, "`nvidia-ctk runtime configure` changes the engine of the machine it runs on; here that is the image")
                    .help("run it on the host")
                    .emit();
            }
        }
    }
}

/// Whether the image runs containers itself: an engine is installed or the base is one. Nested runtimes need the toolkit.
fn runs_containers(facts: &Facts) -> bool {
    let engines = [
        "docker-ce",
        "docker.io",
        "moby-engine",
        "containerd",
        "containerd.io",
        "podman",
        "buildah",
        "cri-o",
        "kubelet",
        "k3s",
    ];
    let installed = facts
        .packages
        .iter()
        .any(|package| facts.in_final_lineage(package.stage) && engines.contains(&package.name.as_str()));
    let base = facts.final_base().and_then(|base| base.repository.as_deref()).is_some_and(|repository| {
        ["docker", "kindest/node", "rancher/k3s", "rancher/rancher"].contains(&repository)
            || repository.starts_with("rancher/")
            || repository.starts_with("nvcr.io/nvidia/k8s/")
    });
    installed || base
}
