//! CU603: native code built against a newer glibc is copied to an older one.

use super::paths::{looks_native, maker};
use crate::diagnostics::RuleId;
use crate::facts::{CopyFrom, Facts, PackageManager, StageId};
use crate::rules::{Context, Rule, Sink};

pub(super) struct GlibcDowngrade;

impl Rule for GlibcDowngrade {
    fn id(&self) -> RuleId {
        RuleId::new("CU603")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU603-glibc-downgrade.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for copy in facts.copies.iter().filter(|copy| facts.is_shipped(copy.stage)) {
            // Single tools taken from an image of their own are static more often than not.
            let CopyFrom::Stage(stage) = copy.from else { continue };
            let native = copy.sources.iter().find_map(|word| {
                let path = word.text.as_deref().filter(|path| looks_native(path))?;
                Some((word, path, maker(facts, stage, path)))
            });
            let Some((word, path, stage)) = native else { continue };
            let (Some(from), Some(to)) = (facts.base_of(stage), facts.base_of(copy.stage)) else {
                continue;
            };
            let (Some(from_os), Some(to_os)) = (&from.os, &to.os) else { continue };
            let (Some(built), Some(run)) = (from_os.glibc, to_os.glibc) else { continue };
            if built <= run || (static_or_foreign(facts, stage) && !is_packaged(facts, stage, path)) {
                continue;
            }
            out.finding(
                &word.origin,
                format!(
                    "built on {} (glibc {}.{}), run on {} (glibc {}.{}): `version 'GLIBC_{}.{}' not found` is likely",
                    from_os.id, built.0, built.1, to_os.id, run.0, run.1, built.0, built.1
                ),
            )
            .help(format!("use the same distribution in both stages: build on {}", to_os.id))
            .related(&to.origin, "the image it runs on")
            .emit();
        }
    }
}

/// Whether the source stage makes no code that needs its glibc: static Go or musl builds, pure web assets, single static
/// or nothing compiled at all.
fn static_or_foreign(facts: &Facts, stage: StageId) -> bool {
    let go_or_node =
        facts.base_of(stage).and_then(|base| base.repository.as_deref()).is_some_and(|repository| {
            ["node", "oven/bun", "ghcr.io/astral-sh/uv", "busybox"].contains(&repository)
        });
    let static_env = facts.stage(stage).is_some_and(|stage| stage.env.value("CGO_ENABLED") == Some("0"));
    let static_command = facts.commands.iter().any(|command| {
        facts.inherits(stage, command.stage)
            && (command
                .assignments
                .iter()
                .any(|(name, value)| name == "CGO_ENABLED" && value.as_deref() == Some("0"))
                || command.args.iter().any(|word| {
                    word.text.as_deref().is_some_and(|text| text.contains("-musl") || text == "-static")
                }))
    });
    // A stage that only downloads or makes Python wheels of manylinux kind needs no glibc of its own.
    let compiles = facts.compiles.iter().any(|signal| facts.inherits(stage, signal.stage));
    go_or_node || static_env || static_command || !compiles
}

/// Whether a path is the program of a package that the stage installs from its distribution: `/usr/bin/ffmpeg`.
fn is_packaged(facts: &Facts, stage: StageId, path: &str) -> bool {
    let Some(name) = path.strip_prefix("/usr/bin/") else { return false };
    facts.packages.iter().any(|package| {
        package.manager != PackageManager::File
            && package.name == name
            && !package.open_ended
            && facts.inherits(stage, package.stage)
    })
}
