//! cudalint tells, before anything is deployed, whether a container's CUDA code will run on given NVIDIA
//! drivers and GPUs, and which Dockerfile line, image layer or file is the cause when it will not.
//!
//! ```text
//! Dockerfile ─> dockerfile ─┐
//!                           ├─> facts ─> compat ─> rules ─> diagnostics ─> report ─> exit code
//! image ──────> image ─> elf┘    ▲         ▲         ▲
//!                            provenance  tables    fleet, config
//! ```
//!
//! Each module is a room with one owner's job; `docs/architecture.md` says which room may use which, and
//! `tests/architecture.rs` enforces it.

// Input must not reach these; tests may.
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

pub mod cli;
pub mod compat;
pub mod config;
pub mod date;
pub mod diagnostics;
pub mod dockerfile;
pub mod elf;
pub mod engine;
pub mod facts;
pub mod image;
pub mod limits;
pub mod nearest;
pub mod report;
pub mod rules;
pub mod span;
