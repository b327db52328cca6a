//! CU4xx: package sources and toolkit packages.

mod cu401_deprecated_apt_key;
mod cu402_revoked_cuda_repo_key;
mod cu403_insecure_cuda_repo;
mod cu404_retired_machine_learning_repo;
mod cu405_unversioned_cuda_toolkit;
mod cu406_distro_cuda_toolkit;
mod cu407_redundant_cuda_install;
mod cu408_cuda_repo_mismatch;
mod cu409_unheld_cuda_upgrade;
mod cu410_mixed_cuda_versions;
mod cu411_unpinned_cudnn_nccl;
mod names;

use super::Rule;

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu401_deprecated_apt_key::DeprecatedAptKey,
    &cu402_revoked_cuda_repo_key::RevokedCudaRepoKey,
    &cu403_insecure_cuda_repo::InsecureCudaRepo,
    &cu404_retired_machine_learning_repo::RetiredMachineLearningRepo,
    &cu405_unversioned_cuda_toolkit::UnversionedCudaToolkit,
    &cu406_distro_cuda_toolkit::DistroCudaToolkit,
    &cu407_redundant_cuda_install::RedundantCudaInstall,
    &cu408_cuda_repo_mismatch::CudaRepoMismatch,
    &cu409_unheld_cuda_upgrade::UnheldCudaUpgrade,
    &cu410_mixed_cuda_versions::MixedCudaVersions,
    &cu411_unpinned_cudnn_nccl::UnpinnedCudnnNccl,
];
