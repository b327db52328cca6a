//! CU1xx: base images.

mod cu101_unknown_cuda_tag;
mod cu102_untagged_cuda_base;
mod cu103_eol_cuda_image;
mod cu104_deprecated_cuda_repository;
mod cu105_musl_base_image;
mod cu106_l4t_release_mismatch;
mod cu107_gpu_image_latest;
mod cu108_base_drops_driver_path;

use super::Rule;
use crate::facts::{Base, BaseKind, CopyFrom, Facts};

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu101_unknown_cuda_tag::UnknownCudaTag,
    &cu102_untagged_cuda_base::UntaggedCudaBase,
    &cu103_eol_cuda_image::EolCudaImage,
    &cu104_deprecated_cuda_repository::DeprecatedCudaRepository,
    &cu105_musl_base_image::MuslBaseImage,
    &cu106_l4t_release_mismatch::L4tReleaseMismatch,
    &cu107_gpu_image_latest::GpuImageLatest,
    &cu108_base_drops_driver_path::BaseDropsDriverPath,
];

/// Images that FROM names, one a stage that does not start from another stage.
fn bases(facts: &Facts) -> impl Iterator<Item = &Base> {
    facts.stages.iter().filter_map(|stage| stage.base.as_ref())
}

/// Images that are pulled: those of FROM, of `COPY --from=IMAGE` and of `RUN --mount=from=IMAGE`.
fn pulled(facts: &Facts) -> impl Iterator<Item = &Base> {
    let copied = facts.copies.iter().filter_map(|copy| match &copy.from {
        CopyFrom::Image(base) => Some(&**base),
        _ => None,
    });
    bases(facts).chain(copied).chain(facts.mounted_images.iter().map(|(_, base)| base))
}

/// A base image for a message: its reference, expanded where known.
fn shown(base: &Base) -> String {
    if base.kind == BaseKind::Built {
        return "the image".to_owned();
    }
    format!("`{}`", base.reference.as_deref().unwrap_or(&base.written))
}
