//! CU8xx: against a target of drivers and GPUs.

mod cu801_driver_too_old;
mod cu802_require_cuda_unsatisfied;
mod cu803_forward_compat_unsupported_gpu;
mod cu805_no_kernel_image;
mod cu806_ptx_too_new;
mod cu808_toolkit_gpu_mismatch;
mod cu809_arch_list_without_ptx;
mod cu810_arch_native_in_build;
mod device_code;
mod requirements;

use super::judgement::Judged;
use super::{Context, Rule};
use crate::compat::require::evaluate_drivers;
use crate::compat::tables::image::Arch;
use crate::compat::{Gpu, Pool, RangeWord};
use crate::facts::BaseKind;

pub(super) use requirements::read as read_requirements;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu801_driver_too_old::DriverTooOld,
    &cu802_require_cuda_unsatisfied::RequireCudaUnsatisfied,
    &cu803_forward_compat_unsupported_gpu::ForwardCompatUnsupportedGpu,
    &cu805_no_kernel_image::NoKernelImage,
    &cu806_ptx_too_new::PtxTooNew,
    &cu808_toolkit_gpu_mismatch::ToolkitGpuMismatch,
    &cu809_arch_list_without_ptx::ArchListWithoutPtx,
    &cu810_arch_native_in_build::ArchNativeInBuild,
];

/// What would help a CUDA version that fails.
fn cures(_cx: &Context<'_>, judged: &Judged<'_>) -> String {
    let why = judged.failing.first().map(|failure| failure.why.clone()).unwrap_or_default();
    format!("{why}; use an older CUDA image or wheel, or a newer driver")
}

/// The newest nvidia/cuda tag of the same flavour and OS whose requirement accepts everything that was refused.
fn accepted_tag(cx: &Context<'_>, refused: &[(&Pool, Option<&Gpu>)]) -> Option<String> {
    let base = cx.facts.final_base().filter(|base| base.kind == BaseKind::Cuda)?;
    let (tag, os) = (base.tag.as_deref()?, base.os.as_ref()?);
    let arch = Arch::from_word(cx.target.architecture())?;
    let images = cx.tables.images();
    let row = images.cuda_images().iter().rev().find(|row| {
        base.cuda.is_some_and(|own| row.version < own)
            && !row.listed_eol
            && row.os.contains(&os.id)
            && images.require_for(row.version, arch, &os.id).is_some_and(|text| {
                refused.iter().all(|(pool, gpu)| {
                    pool.drivers.as_ref().is_some_and(|drivers| {
                        evaluate_drivers(&[&text], drivers, *gpu, cx.tables).range.word == RangeWord::All
                    })
                })
            })
    })?;
    let (_, rest) = tag.split_once('-')?;
    Some(format!(
        "the newest tag that accepts them is `{}-{rest}`, or use another driver branch",
        row.version
    ))
}
