//! CU103: a CUDA image on a distribution past its standard support.

use super::shown;
use crate::compat::image::{TagStatus, cuda_tag};
use crate::compat::tables::CudaImage;
use crate::diagnostics::{RuleId, Severity};
use crate::facts::BaseKind;
use crate::rules::{Context, Rule, Sink};

pub(super) struct EolCudaImage;

impl Rule for EolCudaImage {
    fn id(&self) -> RuleId {
        RuleId::new("CU103")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU103-eol-cuda-image.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        // Only what is shipped: a stage that only builds may be old.
        let Some(base) = cx.facts.final_base().filter(|base| base.kind == BaseKind::Cuda) else { return };
        // A tag that never was is CU101's; of one newer than the table nothing is known.
        let known = base.tag.as_deref().is_some_and(|tag| {
            matches!(
                cuda_tag(tag, cx.tables).status,
                TagStatus::Published { .. } | TagStatus::NoLongerListed { .. }
            )
        });
        if !known {
            return;
        }
        let images = cx.tables.images();
        let (Some(os), Some(today)) = (&base.os, cx.tables.as_of()) else { return };
        if let Some(eol) = images.system(&os.id).and_then(|row| row.eol).filter(|eol| *eol < today) {
            out.finding(
                &base.origin,
                format!("{}: {} left standard support on {eol}; NVIDIA deletes such images six months after end of life", shown(base), os.id),
            )
            .help("use the same CUDA version on a supported distribution")
            .emit();
            return;
        }
        let Some(version) = base.cuda else { return };
        let newest = images
            .cuda_images()
            .iter()
            .filter(|row| row.version.minor_only() == version.minor_only() && row.os.contains(&os.id))
            .max_by_key(|row| row.version);
        if let Some(CudaImage { version: newest, .. }) = newest
            && *newest > version
            && version.patch.is_some()
        {
            out.finding(
                &base.origin,
                format!(
                    "{} is superseded by {newest}; only the newest point release of a minor is kept for long",
                    shown(base)
                ),
            )
            .severity(Severity::Info)
            .help(format!("use {newest}"))
            .emit();
        }
    }
}
