//! Ordered version types, ranges, the NVIDIA_REQUIRE language, the knowledge tables and the verdict. Pure: no I/O, no findings.

pub mod cure;
pub mod drivers;
pub mod gpu;
pub mod image;
pub mod nodes;
pub mod range;
pub mod require;
pub mod tables;
pub mod target;
pub mod verdict;
pub mod version;

pub use drivers::{DriverPoint, DriverSet, DriverSpec, SpecError};
pub use gpu::{Gpu, GpuError, GpuList};
pub use range::{RangeVerdict, RangeWord, Truth};
pub use tables::Tables;
pub use target::{HostProfile, Pool, Target};
pub use verdict::{
    Answer, CompatLibrary, DeviceCode, HostDriver, Ptx, Question, Verdict, judge, least_driver,
};
pub use version::{
    ComputeCapability, CudaVersion, CudnnVersion, DriverBranch, DriverVersion, PtxIsa, SmSuffix, SmTarget,
    VersionError,
};
