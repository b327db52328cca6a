//! Ordered version types, ranges, the NVIDIA_REQUIRE language, the knowledge tables and the verdict. Pure: no I/O, no findings.

pub mod nearest;
pub mod tables;
pub mod version;

pub use tables::Tables;
pub use version::{
    ComputeCapability, CudaVersion, CudnnVersion, DriverBranch, DriverVersion, PtxIsa, SmSuffix, SmTarget, VersionError,
};
