//! CU301: a package of the host driver is installed.

use super::names::{DriverContainers, is_driver_package};
use crate::diagnostics::{RuleId, Safety, Severity};
use crate::facts::{InputKind, PackageInstall};
use crate::rules::support::delete_word;
use crate::rules::{Context, Rule, Sink};

pub(super) struct DriverPackageInImage;

impl Rule for DriverPackageInImage {
    fn id(&self) -> RuleId {
        RuleId::new("CU301")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU301-driver-package-in-image.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let found: Vec<&PackageInstall> = facts
            .packages
            .iter()
            .filter(|package| {
                !package.removed && facts.in_final_lineage(package.stage) && is_driver_package(&package.name)
            })
            .collect();
        let help = "leave it out: the NVIDIA runtime mounts the host's own driver files (capabilities compute and utility)";
        if facts.kind == InputKind::Image {
            // One database lists a whole driver's packages; one finding names them all.
            let Some(first) = found.first() else { return };
            let names: Vec<String> = found.iter().map(|package| format!("`{}`", package.name)).collect();
            out.finding(
                &first.origin,
                format!(
                    "{} put host driver files into the image; they shadow or clash with the ones the runtime mounts",
                    names.join(", ")
                ),
            )
            .help(help)
            .emit();
            return;
        }
        let containers = DriverContainers::of(facts);
        for package in found {
            let name = if package.open_ended { format!("{}*", package.name) } else { package.name.clone() };
            let mut draft = out
                .finding(
                    &package.origin,
                    format!("`{name}` puts host driver files into the image; they shadow or clash with the ones the runtime mounts"),
                )
                .help(help);
            if containers.has(facts, package.stage) {
                draft = draft.severity(Severity::Info);
            }
            if let Some(edit) = delete_word(facts, &package.origin) {
                draft = draft.fix(Safety::Unsafe, format!("delete `{name}` from the list"), &[edit]);
            }
            draft.emit();
        }
    }
}
