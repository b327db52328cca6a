//! CU6xx: what is copied between stages.

mod cu601_copy_cuda_tree;
mod cu602_copied_libs_without_ldconfig;
mod cu603_glibc_downgrade;
mod cu604_stage_cuda_version_skew;
mod cu605_final_stage_devel;
mod paths;

use super::Rule;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu601_copy_cuda_tree::CopyCudaTree,
    &cu602_copied_libs_without_ldconfig::CopiedLibsWithoutLdconfig,
    &cu603_glibc_downgrade::GlibcDowngrade,
    &cu604_stage_cuda_version_skew::StageCudaVersionSkew,
    &cu605_final_stage_devel::FinalStageDevel,
];
