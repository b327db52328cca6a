//! CU106: a Jetson image of a release that the target board does not run.

use super::shown;
use crate::compat::tables::GpuClass;
use crate::compat::tables::gpu::L4tRelease;
use crate::compat::{ComputeCapability, Gpu};
use crate::diagnostics::RuleId;
use crate::facts::{Base, BaseKind};
use crate::rules::{Context, Rule, Sink};

pub(super) struct L4tReleaseMismatch;

impl Rule for L4tReleaseMismatch {
    fn id(&self) -> RuleId {
        RuleId::new("CU106")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU106-l4t-release-mismatch.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let gpus = cx.target.gpus();
        // A stage that only builds for a board runs nowhere.
        let Some(base) = cx.facts.final_base() else { return };
        match base.kind {
            BaseKind::Jetson => jetson_image(cx, base, &gpus, out),
            BaseKind::Cuda => server_image(cx, base, &gpus, out),
            _ => {}
        }
    }
}

fn jetson_image(cx: &Context<'_>, base: &Base, gpus: &[&Gpu], out: &mut Sink<'_>) {
    let release = release(base);
    let releases = cx.tables.gpus().l4t_releases().iter();
    let rows: Vec<&L4tRelease> =
        releases.filter(|row| release.is_some_and(|number| covers(row, number))).collect();
    let (Some(release), false) = (release, rows.is_empty()) else {
        // Of an unknown release, and still for no other boards than Jetson's.
        let others: Vec<&str> =
            gpus.iter().filter(|gpu| never_tegra(cx, gpu)).map(|gpu| gpu.name.as_str()).collect();
        if !others.is_empty() {
            out.finding(
                &base.origin,
                format!(
                    "{} is an image for Jetson boards: it does not run on {}",
                    shown(base),
                    others.join(", ")
                ),
            )
            .help("use an nvidia/cuda image, or the framework's image for servers")
            .emit();
        }
        return;
    };
    let fits = |gpu: &Gpu| gpu.is_tegra(cx.tables) && rows.iter().any(|row| row.cc.contains(&gpu.cc));
    let others: Vec<&str> = gpus.iter().filter(|gpu| !fits(gpu)).map(|gpu| gpu.name.as_str()).collect();
    if others.is_empty() {
        return;
    }
    let mut capabilities: Vec<_> = rows.iter().flat_map(|row| row.cc.iter().copied()).collect();
    capabilities.sort();
    capabilities.dedup();
    let boards: Vec<String> = capabilities.iter().map(ToString::to_string).collect();
    out.finding(
        &base.origin,
        format!(
            "{} is of L4T r{release}, which runs on Jetson boards of compute capability {}, not on {}",
            shown(base),
            boards.join(" and "),
            others.join(", ")
        ),
    )
    .help("use an image of the board's own release")
    .emit();
}

/// The arm64 images of nvidia/cuda are for servers (SBSA); of the Jetson boards, Orin's driver is the first to run them.
fn server_image(cx: &Context<'_>, base: &Base, gpus: &[&Gpu], out: &mut Sink<'_>) {
    if cx.target.architecture() != "arm64" {
        return;
    }
    let orin = ComputeCapability::new(8, 7);
    let older: Vec<&str> = gpus
        .iter()
        .filter(|gpu| gpu.is_tegra(cx.tables) && gpu.cc < orin)
        .map(|gpu| gpu.name.as_str())
        .collect();
    if older.is_empty() {
        return;
    }
    out.finding(
        &base.origin,
        format!(
            "the arm64 image {} is for Arm servers: it does not run on {}",
            shown(base),
            older.join(", ")
        ),
    )
    .help("use an l4t image of the board's own release, such as nvcr.io/nvidia/l4t-jetpack")
    .emit();
}

/// Whether a GPU is certainly not a Jetson's.
fn never_tegra(cx: &Context<'_>, gpu: &Gpu) -> bool {
    match gpu.class {
        Some(class) => class != GpuClass::Tegra,
        None => cx.tables.gpus().sm(gpu.cc).is_some_and(|row| !row.tegra),
    }
}

/// Major of the L4T release in a tag: `r32.6.1`, `2.1-r36.2.0`; without the letter where the tag is the release alone.
fn release(base: &Base) -> Option<u16> {
    let tag = base.tag.as_deref()?;
    let number = |text: &str| -> Option<u16> {
        let (major, minor) = text.split_once('.')?;
        minor.starts_with(|c: char| c.is_ascii_digit()).then(|| major.parse().ok()).flatten()
    };
    let lettered = tag.split('-').find_map(|part| number(part.strip_prefix('r')?));
    lettered.or_else(|| {
        let of_release = base
            .repository
            .as_deref()
            .is_some_and(|name| name.ends_with("/l4t-base") || name.ends_with("/l4t-jetpack"));
        tag.split('-').next().filter(|_| of_release).and_then(number)
    })
}

fn covers(row: &L4tRelease, release: u16) -> bool {
    row.l4t.split(',').map(str::trim).any(|name| {
        name.trim_start_matches(['R', 'r']).split('.').next().and_then(|major| major.parse().ok())
            == Some(release)
    })
}
