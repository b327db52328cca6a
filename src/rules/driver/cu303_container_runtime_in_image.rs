//! CU303: the NVIDIA container runtime is installed in the image.

use crate::diagnostics::{RuleId, Safety};
use crate::facts::{Base, CommandRole, CopyFrom, Facts, Word};
use crate::rules::support::{delete_word, mentions};
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
    let scripted = facts.commands.iter().any(|command| {
        matches!(command.role, CommandRole::Run | CommandRole::BuildScript)
            && facts.in_final_lineage(command.stage)
            && SCRIPTS.iter().any(|script| mentions(command, script))
    });
    let brought = facts.copies.iter().filter(|copy| facts.in_final_lineage(copy.stage)).any(|copy| {
        let image = match &copy.from {
            CopyFrom::Image(base) => Some(&**base),
            CopyFrom::Stage(stage) => facts.base_of(*stage),
            CopyFrom::Context | CopyFrom::Unknown(_) => None,
        };
        // The client alone talks to the engine of the host.
        let client = |word: &Word| {
            word.text
                .as_deref()
                .is_some_and(|path| path.ends_with("/docker") || path.contains("/cli-plugins"))
        };
        (image.is_some_and(is_engine) && !copy.sources.iter().all(client))
            || copy.sources.iter().any(|word| SCRIPTS.iter().any(|script| word.raw.contains(script)))
    });
    installed || scripted || brought || facts.final_base().is_some_and(is_engine)
}

/// Addresses of scripts that install an engine.
const SCRIPTS: &[&str] = &[
    "get.docker.com",
    "test.docker.com",
    "get.k3s.io",
    "get.rke2.io",
    "get.k0s.sh",
    "releases.rancher.com/install-docker",
];

/// Whether an image is made to run containers.
fn is_engine(base: &Base) -> bool {
    let Some(repository) = base.repository.as_deref() else { return false };
    let below = ["rancher/", "kindest/", "quay.io/podman/", "quay.io/buildah/", "quay.io/containers/"];
    repository == "docker"
        || below.iter().any(|owner| repository.starts_with(owner))
        || repository.starts_with("nvcr.io/nvidia/k8s/")
        || repository.contains("dind")
        || base.tag.as_deref().is_some_and(|tag| tag.contains("dind"))
}
