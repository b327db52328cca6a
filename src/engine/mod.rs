//! The order of work: inputs to facts, facts to findings, filters, outcome. Reads files and images; prints nothing.

mod base_configs;
mod cache;
mod check;
mod context;
mod dockerfile;
mod image;
mod input;
mod inspect;
mod progress;
mod source_lines;

pub use crate::dockerfile::{BuildOptions, Platform};
pub use cache::{Cache, CacheContent};
pub use check::{Options, check, check_dockerfile};
pub use context::FolderContext;
pub use image::ImageOptions;
pub use input::{Input, InputError, resolve};
pub use inspect::{Inspection, facts, inspect};
