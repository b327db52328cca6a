//! System packages: installed, removed again in the same RUN, held; upgrades of the whole system.

use super::Extraction;
use super::executed::{Executed, Resolved};
use super::glob;
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::{
    PackageAction, PackageCommand, PackageManager as Program, PackageWord, RepositoryCommand,
};
use crate::facts::{Facts, PackageInstall, PackageManager, StageId, SystemUpgrade};

/// Fills [`Facts::packages`] and [`Facts::upgrades`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    // Whether upgrades are kept away from CUDA packages, at the end of each stage so far.
    let mut protected: Vec<bool> = vec![false; cx.graph.stages.len()];
    let mut current: Option<StageId> = None;
    for executed in cx.executed.iter().filter(|executed| executed.at_build()) {
        if current != Some(executed.stage) {
            current = Some(executed.stage);
            let parent = facts.stage(executed.stage).and_then(|stage| stage.parent);
            let inherited = parent.is_some_and(|parent| is_protected_below(facts, &protected, parent));
            if let Some(flag) = protected.get_mut(executed.stage.0) {
                *flag |= inherited;
            }
        }
        for (at, resolved) in executed.commands.iter().enumerate() {
            if protects(resolved)
                && let Some(flag) = protected.get_mut(executed.stage.0)
            {
                *flag = true;
            }
            let Action::Packages(call) = &resolved.action else { continue };
            if call.flags.iter().any(|flag| SIMULATES.contains(&flag.name.as_str())) {
                continue;
            }
            match call.action {
                PackageAction::Install => {
                    let installs = call.packages.iter().filter(|word| !word.inverted);
                    facts.packages.extend(installs.filter_map(|word| install(cx, executed, at, call, word)));
                }
                PackageAction::Upgrade | PackageAction::DistUpgrade if call.packages.is_empty() => {
                    if let Some(manager) = manager(call.manager) {
                        facts.upgrades.push(SystemUpgrade {
                            stage: executed.stage,
                            manager,
                            cuda_protected: leaves_cuda_alone(call)
                                || protected.get(executed.stage.0) == Some(&true),
                            instruction: executed.instruction,
                            origin: executed.command_origin(&resolved.command),
                        });
                    }
                }
                _ => {}
            }
        }
    }
}

/// Options that only show what would be done (apt-get(8), zypper(8), apk(8)).
const SIMULATES: &[&str] = &["--simulate", "--just-print", "--dry-run", "--recon", "--no-act"];

/// Whether a stage, or one that it stands on, has held CUDA packages back.
fn is_protected_below(facts: &Facts, protected: &[bool], stage: StageId) -> bool {
    let lineage = facts.stage(stage).map(|stage| stage.lineage.as_slice()).unwrap_or_default();
    lineage.iter().any(|stage| protected.get(stage.0) == Some(&true))
}

fn manager(program: Program) -> Option<PackageManager> {
    Some(match program {
        Program::AptGet | Program::Apt | Program::Aptitude => PackageManager::Apt,
        Program::Dnf | Program::Yum | Program::Microdnf | Program::Tdnf => PackageManager::Dnf,
        Program::Zypper => PackageManager::Zypper,
        Program::Apk => PackageManager::Apk,
        Program::Pacman => PackageManager::Pacman,
        Program::Dpkg | Program::Rpm => PackageManager::File,
        Program::AptMark => return None,
    })
}

fn install(
    cx: &Extraction<'_>,
    executed: &Executed,
    at: usize,
    call: &PackageCommand,
    word: &PackageWord,
) -> Option<PackageInstall> {
    let known: &str = word.name.split(['$', '`', '*', '?', '[']).next().unwrap_or_default();
    let open_ended = known.len() < word.name.len();
    // A dash left behind belongs to what was cut off.
    let name = if open_ended { known } else { word.name.as_str() };
    if name.is_empty() {
        return None;
    }
    let version = word.version.as_deref();
    let name = if !word.group {
        name.to_owned()
    } else if is_module(word) {
        // Its stream and profile are left out: `nvidia-driver:535-dkms/default`.
        name.split([':', '/']).next().unwrap_or(name).to_owned()
    } else {
        // `@development-tools`, whatever way the command writes the group.
        format!("@{}", name.trim_start_matches('@').to_lowercase().replace(' ', "-"))
    };
    Some(PackageInstall {
        stage: executed.stage,
        manager: if word.file_or_url { PackageManager::File } else { manager(call.manager)? },
        open_ended,
        version: version.filter(|version| !version.contains(['$', '`'])).map(str::to_owned),
        pinned: version.is_some() || word.release.is_some(),
        flags: call.flags.iter().map(|flag| executed.written(flag.span).to_owned()).collect(),
        removed: cx.any_later(executed, at, |later| removes(later, &name)),
        name,
        instruction: executed.instruction,
        origin: executed.origin_of(word.span),
        command: executed.command_origin(&executed.commands.get(at)?.command),
    })
}

/// Whether a command removes a package of this name.
pub(super) fn removes(resolved: &Resolved, name: &str) -> bool {
    let Action::Packages(call) = &resolved.action else { return false };
    let removing =
        matches!(call.action, PackageAction::Remove | PackageAction::Purge | PackageAction::Autoremove);
    let inverted = call.action == PackageAction::Install;
    (removing || inverted)
        && call
            .packages
            .iter()
            .any(|word| !word.unresolved && word.inverted == inverted && glob::matches(&word.name, name))
}

/// Whether a group is the driver's module of NVIDIA's repository (`@nvidia-driver:535`, `dnf module install nvidia-driver`).
fn is_module(word: &PackageWord) -> bool {
    word.name.starts_with("nvidia-driver")
}

fn about_cuda(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["cuda", "nvidia", "cudnn", "libnccl", "cublas"].iter().any(|word| text.contains(word))
}

/// Whether the options of an upgrade keep it away from CUDA packages.
fn leaves_cuda_alone(call: &PackageCommand) -> bool {
    // Only updates that an advisory of their repository names are taken; that one names CUDA packages is not known.
    call.has_flag(&["--security"])
        || call.flags.iter().any(|flag| {
            matches!(flag.name.as_str(), "-x" | "--exclude" | "--excludepkgs" | "--disablerepo")
                && flag.value.as_ref().is_some_and(|value| about_cuda(&value.text) || value.text == "*")
        })
}

/// Whether a command keeps later upgrades away from CUDA packages.
fn protects(resolved: &Resolved) -> bool {
    match &resolved.action {
        Action::Packages(call) => match call.action {
            PackageAction::Hold => call.packages.iter().any(|word| about_cuda(&word.text)),
            _ => false,
        },
        Action::Files(operation) => {
            use crate::dockerfile::shell::tools::FileVerb;
            matches!(operation.verb, FileVerb::Remove | FileVerb::Move)
                && operation.sources.iter().any(|path| {
                    let text = path.text.as_str();
                    let sources = text.contains("sources.list.d") || text.contains("yum.repos.d");
                    let all =
                        text.ends_with("sources.list.d") || text.ends_with("/*") || text.ends_with("/*.list");
                    sources && (about_cuda(text) || all || text.ends_with("/"))
                })
        }
        Action::Repository(RepositoryCommand::AddAptRepository { source, remove: true }) => {
            about_cuda(&source.text)
        }
        Action::Program | Action::Text => {
            // `dnf config-manager --set-disabled cuda-rhel9-x86_64`, and apt preferences written to a file.
            let words = resolved.command.words.iter().map(|word| word.text.as_str());
            let words: Vec<&str> = words.collect();
            words.iter().any(|word| matches!(*word, "--set-disabled" | "--disable"))
                && words.iter().any(|word| about_cuda(word))
        }
        _ => false,
    }
}

/// Stages whose commands come after those of `stage` in what is shipped: the rest of the target's lineage, or the stage
/// alone when it is not part of it.
pub(super) fn horizon(facts: &Facts, stage: StageId) -> Vec<StageId> {
    let lineage = facts.target_stage().map(|target| target.lineage.as_slice()).unwrap_or_default();
    match lineage.iter().position(|found| *found == stage) {
        Some(at) => lineage.get(at..).unwrap_or_default().to_vec(),
        None => vec![stage],
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts};
    use crate::facts::PackageManager;

    #[test]
    fn installs_have_names_versions_and_places() {
        let facts = facts(
            "FROM ubuntu:22.04\nARG V=12-4\nRUN apt-get update && apt-get install -y --no-install-recommends \\\n    # the toolkit\n    cuda-toolkit-$V libnccl2=2.21.5-1+cuda12.4 \\\n    libnvidia-compute-* libfoo:arm64\n",
        );
        let found: Vec<_> = facts
            .packages
            .iter()
            .map(|p| (p.name.as_str(), p.open_ended, p.version.as_deref(), at(&facts, &p.origin)))
            .collect();
        assert_eq!(
            found,
            [
                ("cuda-toolkit-12-4", false, None, "cuda-toolkit-$V"),
                ("libnccl2", false, Some("2.21.5-1+cuda12.4"), "libnccl2=2.21.5-1+cuda12.4"),
                ("libnvidia-compute-", true, None, "libnvidia-compute-*"),
                ("libfoo", false, None, "libfoo:arm64"),
            ]
        );
        assert_eq!(facts.packages[0].flags, ["-y", "--no-install-recommends"]);
        assert_eq!(facts.packages[0].manager, PackageManager::Apt);
    }

    #[test]
    fn unknown_parts_are_cut_off_and_unknown_words_left_out() {
        let facts =
            facts("FROM ubuntu:22.04\nARG V\nRUN apt-get install -y cuda-toolkit-$V $MORE libfoo=$V\n");
        let found: Vec<_> =
            facts.packages.iter().map(|p| (p.name.as_str(), p.open_ended, p.pinned)).collect();
        assert_eq!(found, [("cuda-toolkit-", true, false), ("libfoo", false, true)]);
    }

    #[test]
    fn removal_in_the_same_run_counts_and_in_another_does_not() {
        let facts = facts(
            "FROM ubuntu:22.04\nRUN apt-get install -y libnvidia-compute-535 && make && apt-get purge -y 'libnvidia-*'\nRUN apt-get install -y gcc\nRUN apt-get remove -y gcc\n",
        );
        assert_eq!(facts.packages.iter().map(|p| p.removed).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn loops_over_words_install_each() {
        let facts = facts("FROM ubuntu:22.04\nRUN for p in libcuda1 gcc; do apt-get install -y $p; done\n");
        let names: Vec<_> = facts.packages.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["libcuda1", "gcc"]);
    }

    #[test]
    fn modules_of_the_driver_are_packages() {
        let facts = facts(
            "FROM rockylinux:9\nRUN dnf -y module install nvidia-driver:535-dkms && dnf install -y @nvidia-driver:535 @development && dnf module enable -y nvidia-driver:535\nRUN dnf -y group install development\n",
        );
        let names: Vec<_> = facts.packages.iter().map(|p| (p.name.as_str(), at(&facts, &p.origin))).collect();
        assert_eq!(
            names,
            [
                ("nvidia-driver", "nvidia-driver:535-dkms"),
                ("nvidia-driver", "@nvidia-driver:535"),
                // Other groups keep their `@`: no rule takes them for a package.
                ("@development", "@development"),
                ("@development", "development"),
            ]
        );
    }

    #[test]
    fn text_that_is_only_printed_installs_nothing() {
        let facts = facts(
            "FROM ubuntu:22.04\nRUN echo apt-get install -y libcuda1 > /x\nRUN cat <<EOF > /y\napt-get install -y libcuda1\nEOF\nCOPY <<EOF /z\napt-get install -y libcuda1\nEOF\n",
        );
        assert_eq!(facts.packages, []);
    }

    #[test]
    fn heredocs_that_a_shell_reads_are_executed() {
        let text = "FROM ubuntu:22.04\nRUN <<EOF\nset -e\napt-get install -y libcuda1\nEOF\n";
        let facts = facts(text);
        assert_eq!(facts.packages.len(), 1);
        assert_eq!(at(&facts, &facts.packages[0].origin), "libcuda1");
    }

    #[test]
    fn exec_form_is_read_like_shell_form() {
        let facts = facts(
            "FROM ubuntu:22.04\nRUN [\"apt-get\", \"install\", \"-y\", \"libcuda1\"]\nRUN [\"sh\", \"-c\", \"apt-get install -y 'nvidia-utils-535'\"]\n",
        );
        let found: Vec<_> = facts.packages.iter().map(|p| (p.name.as_str(), at(&facts, &p.origin))).collect();
        assert_eq!(found, [("libcuda1", "libcuda1"), ("nvidia-utils-535", "'nvidia-utils-535'")]);
    }

    #[test]
    fn upgrades_know_whether_cuda_is_held() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nRUN apt-get update && apt-get -y dist-upgrade\nRUN rm -f /etc/apt/sources.list.d/cuda* && apt-get upgrade -y\nRUN apt-get upgrade -y curl\nFROM nvidia/cuda:12.9.1-base-amzn2023\nRUN dnf upgrade -y --security && dnf upgrade -y\n",
        );
        let found: Vec<_> = facts.upgrades.iter().map(|u| u.cuda_protected).collect();
        // An upgrade of one package is not an upgrade of the system.
        assert_eq!(found, [false, true, true, false]);
    }
}
