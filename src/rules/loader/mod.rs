//! CU7xx: the loader's path.

mod cu701_ld_library_path_clobbered;
mod cu702_stubs_on_runtime_path;
mod cu703_compat_on_runtime_path;
mod cu704_empty_ld_path_element;
mod cu705_stub_symlink_left_behind;
mod cu707_cuda_path_nonexistent;

use super::Rule;
use crate::facts::{Facts, LoaderEntry, LoaderVia};

/// Rules of this group, in order of their ids.
pub(super) const RULES: &[&dyn Rule] = &[
    &cu701_ld_library_path_clobbered::LdLibraryPathClobbered,
    &cu702_stubs_on_runtime_path::StubsOnRuntimePath,
    &cu703_compat_on_runtime_path::CompatOnRuntimePath,
    &cu704_empty_ld_path_element::EmptyLdPathElement,
    &cu705_stub_symlink_left_behind::StubSymlinkLeftBehind,
    &cu707_cuda_path_nonexistent::CudaPathNonexistent,
];

/// Directories on the loader's path of the shipped image that the author put there.
fn shipped_entries(facts: &Facts) -> impl Iterator<Item = &LoaderEntry> {
    facts
        .loader
        .iter()
        .filter(|entry| entry.survives && !entry.from_base && facts.in_final_lineage(entry.stage))
}

/// How a directory got onto the path, for a message.
fn via(entry: &LoaderEntry) -> &'static str {
    match entry.via {
        LoaderVia::Environment => "by LD_LIBRARY_PATH",
        LoaderVia::ConfFile => "by a file under /etc/ld.so.conf.d",
        LoaderVia::LdconfigArgument => "by ldconfig, in the loader's cache",
    }
}
