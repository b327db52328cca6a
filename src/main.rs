//! The `cudalint` program; everything it does is in the library.

use std::process::ExitCode;

/// Facts are many short strings: with the allocator of glibc a third of the time of a run was spent in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cudalint::cli::run()
}
