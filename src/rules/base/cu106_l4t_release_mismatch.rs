//! CU106: a Jetson image of a release that the target board does not run.

use super::shown;
use crate::compat::Gpu;
use crate::compat::tables::gpu::L4tRelease;
use crate::diagnostics::RuleId;
use crate::facts::BaseKind;
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
        if let Some(base) = cx.facts.final_base().filter(|base| base.kind == BaseKind::Jetson) {
            let Some(release) = base.tag.as_deref().and_then(release) else { return };
            let rows: Vec<&L4tRelease> =
                cx.tables.gpus().l4t_releases().iter().filter(|row| covers(row, release)).collect();
            if rows.is_empty() {
                return;
            }
            let fits = |gpu: &Gpu| gpu.is_tegra(cx.tables) && rows.iter().any(|row| row.cc.contains(&gpu.cc));
            let others: Vec<&str> =
                gpus.iter().filter(|gpu| !fits(gpu)).map(|gpu| gpu.name.as_str()).collect();
            if others.is_empty() {
                return;
            }
            let mut capabilities: Vec<_> = rows.iter().flat_map(|row| row.cc.iter().copied()).collect();
            capabilities.sort();
            capabilities.dedup();
            let boards: Vec<String> = capabilities.iter().map(ToString::to_string).collect();
            out.finding(
                &base.origin,
                format!("{} is of L4T r{release}, which runs on Jetson boards of compute capability {}, not on {}", shown(base), boards.join(" and "), others.join(", ")),
            )
            .help("use an image of the board's own release")
            .emit();
        }
    }
}

/// Major of the L4T release in a tag: `r32.6.1`, `2.1-r36.2.0`.
fn release(tag: &str) -> Option<u16> {
    tag.split('-').find_map(|part| {
        let (major, minor) = part.strip_prefix('r')?.split_once('.')?;
        minor.starts_with(|c: char| c.is_ascii_digit()).then(|| major.parse().ok()).flatten()
    })
}

fn covers(row: &L4tRelease, release: u16) -> bool {
    row.l4t.split(',').map(str::trim).any(|name| {
        name.trim_start_matches(['R', 'r']).split('.').next().and_then(|major| major.parse().ok())
            == Some(release)
    })
}
