//! NVIDIA_REQUIRE_*: the requirement language of libnvidia-container, the Go dialect of Tegra, and what the container
//! toolkit's hook makes of an environment. Exact by construction: both evaluators stop and fail where the originals do.
//!
//! Sources: libnvidia-container `src/cli/dsl.c` and `configure.c`; nvidia-container-toolkit `internal/config/image`,
//! `internal/requirements` (table of sources: lnc-dsl, lnc-configure, ctk-image, ctk-hook, ctk-csv).

mod csv;
mod environment;
mod eval;
mod over;
mod semver;
mod tree;

pub use csv::{CsvHost, CsvOutcome, evaluate_csv};
pub use environment::{Devices, HookOptions, HookReading, read_environment};
pub use eval::{Deciding, GpuFacts, HostFacts, Outcome, Verdict, evaluate, evaluate_expression};
pub use over::{Over, OverDrivers, brands_of, evaluate_drivers, evaluate_over, reported_cuda};
pub use tree::{Alternative, Expression, Operator, Property, Term, TermError, TermProblem};
