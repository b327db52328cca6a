//! Which stages' compiled code reaches the shipped image.

use super::Extraction;
use crate::dockerfile::shell::tools::FileVerb;
use crate::dockerfile::shell::{self, Action};
use crate::dockerfile::stages::{LinkKind, LinkSource};
use crate::dockerfile::{Instruction, InstructionKind};
use crate::facts::{CopyFrom, Facts, StageId, may_be_code};

/// Fills [`crate::facts::Stage::ships_code`]: the target's lineage, and the lineages of stages from which something that
/// can be code is copied into it, or installed through a mount.
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let lineage = facts.target_stage().map(|target| target.lineage.clone()).unwrap_or_default();
    let mut sources = vec![facts.target];
    for copy in facts.copies.iter().filter(|copy| lineage.contains(&copy.stage)) {
        let CopyFrom::Stage(source) = copy.from else { continue };
        if copy.sources.iter().any(|word| word.text.as_deref().is_none_or(may_be_code)) {
            sources.push(source);
        }
    }
    for stage in &lineage {
        sources.extend(mounted(cx, *stage));
    }
    let mut ships = vec![false; facts.stages.len()];
    for source in sources {
        for stage in facts.stage(source).map(|stage| stage.lineage.as_slice()).unwrap_or_default() {
            if let Some(flag) = ships.get_mut(stage.0) {
                *flag = true;
            }
        }
    }
    for (stage, ships) in facts.stages.iter_mut().zip(ships) {
        stage.ships_code = ships;
    }
}

/// Stages whose files a RUN of `stage` installs or copies from a mount.
fn mounted(cx: &Extraction<'_>, stage: StageId) -> Vec<StageId> {
    let Some(found) = cx.graph.stages.get(stage.0) else { return Vec::new() };
    let mut out = Vec::new();
    for (index, instruction) in cx.instructions_of(stage.0) {
        if !matches!(instruction.kind, InstructionKind::Run(_)) {
            continue;
        }
        let links =
            found.links.iter().filter(|link| link.instruction == index && link.kind == LinkKind::Mount);
        for (link, target) in links.zip(targets(instruction)) {
            let (LinkSource::Stage(source), Some(target)) = (&link.source, target) else { continue };
            if !cx.spend(cx.executed.len()) {
                return out;
            }
            let texts = cx.executed.iter().filter(|text| text.stage == stage && text.instruction == index);
            let mut commands = texts.flat_map(|text| &text.commands);
            if commands.any(|command| takes(&command.action, &command.command, &target)) {
                out.push(StageId(*source));
            }
        }
    }
    out
}

/// The last part of the target of every mount that has a `from`, in order; `None` for one that is only a cache.
fn targets(instruction: &Instruction) -> Vec<Option<String>> {
    let mounts = instruction.flags.iter();
    mounts
        .filter(|flag| flag.mount_value("from").is_some_and(|from| !from.value.is_empty()))
        .map(|flag| {
            if flag.mount_value("type").is_some_and(|kind| kind.value != "bind") {
                return None;
            }
            let target = ["target", "dst", "destination"].iter().find_map(|key| flag.mount_value(key))?;
            let path = target.value.trim_end_matches('/');
            path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
        })
        .collect()
}

/// Whether a command brings something that can be code from below the mount into the image.
fn takes(action: &Action, command: &shell::Command, target: &str) -> bool {
    let brings = match action {
        Action::Python(_) | Action::Archive(_) | Action::Packages(_) => true,
        Action::Files(files) => {
            matches!(files.verb, FileVerb::Copy | FileVerb::Install)
                && files.sources.iter().any(|word| may_be_code(&word.text))
        }
        _ => false,
    };
    brings && command.words.iter().any(|word| word.text.split('/').any(|part| part == target))
}

#[cfg(test)]
mod tests {
    use super::super::testing::facts;

    fn ships(tail: &str) -> bool {
        let found = facts(&format!(
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS build\nRUN make -C /src\nFROM debian:12\n{tail}\n"
        ));
        assert!(found.stages[1].ships_code);
        found.stages[0].ships_code
    }

    #[test]
    fn copies_of_code_ship_it() {
        assert!(ships("COPY --from=build /src/app /usr/local/bin/"));
        assert!(ships("COPY --from=build /src/LICENSE /src/app /opt/"));
        assert!(!ships("COPY --from=build /src/LICENSE /src/config.yaml /opt/"));
        assert!(!ships("COPY app /app"));
    }

    #[test]
    fn mounts_that_are_installed_from_ship_it() {
        assert!(ships("RUN --mount=type=bind,from=build,src=/src/dist,target=/dist pip install /dist/*.whl"));
        assert!(ships("RUN --mount=from=build,source=/w,target=/w cp /w/app /usr/bin/"));
        assert!(!ships("RUN --mount=from=build,source=/w,target=/w cat /w/notes"));
        assert!(!ships("RUN --mount=type=cache,from=build,target=/w cp /w/app /usr/bin/"));
    }
}
