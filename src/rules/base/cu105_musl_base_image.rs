//! CU105: a GPU image on musl.

use super::shown;
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{Facts, GpuPayload, Libc, Origin, PayloadKind};
use crate::rules::{Context, Rule, Sink};

pub(super) struct MuslBaseImage;

impl Rule for MuslBaseImage {
    fn id(&self) -> RuleId {
        RuleId::new("CU105")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU105-musl-base-image.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(base) = facts.final_base() else { return };
        let by_layers = facts.image.as_ref().is_some_and(|image| image.libc == Some(Libc::Musl));
        if !by_layers && !base.os.as_ref().is_some_and(|os| os.musl) {
            return;
        }
        let Some(payload) = gpu_sign(facts) else { return };
        let (origin, subject): (&Origin, String) =
            if by_layers { (&payload.origin, "the image".to_owned()) } else { (&base.origin, shown(base)) };
        let glibc = brings_glibc(facts);
        out.finding(
            origin,
            format!("{subject} is built on musl; the driver files that the NVIDIA runtime mounts need glibc (`nvidia-smi: not found` though it is mounted)"),
        )
        .severity(if glibc { Severity::Warning } else { Severity::Error })
        .related(&payload.origin, "asks for a GPU")
        .help("use a glibc distribution: debian:…-slim, ubuntu, or the -slim-bookworm variant of the language image")
        .emit();
    }
}

/// What asks for a GPU; `void` and `none` alone do not.
fn gpu_sign(facts: &Facts) -> Option<&GpuPayload> {
    let off = facts
        .final_env()
        .and_then(|env| env.value("NVIDIA_VISIBLE_DEVICES"))
        .is_some_and(|value| ["", "void", "none"].contains(&value));
    facts.payload.iter().find(|payload| {
        facts.is_shipped(payload.stage)
            && payload.kind != PayloadKind::Base
            && !(off && payload.kind == PayloadKind::Environment)
    })
}

fn brings_glibc(facts: &Facts) -> bool {
    facts.packages.iter().any(|package| {
        facts.in_final_lineage(package.stage)
            && ["gcompat", "glibc", "libc6-compat"].contains(&package.name.as_str())
    }) || facts.commands.iter().any(|command| {
        facts.in_final_lineage(command.stage) && command.args.iter().any(|word| word.raw.contains("glibc"))
    }) || facts.copies.iter().any(|copy| {
        facts.in_final_lineage(copy.stage) && copy.sources.iter().any(|word| word.raw.contains("glibc"))
    })
}
