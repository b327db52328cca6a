//! What several test files share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod blocks;
pub mod image;
pub mod labels;

use std::collections::BTreeMap;
use std::sync::Arc;

use cudalint::compat::{HostProfile, Tables, Target};
use cudalint::diagnostics::{Date, PathBase, Selection};
use cudalint::dockerfile::BuildOptions;
use cudalint::engine::{ImageOptions, Options};
use cudalint::limits::Limits;
use cudalint::rules::rule_infos;

/// Options without target or configuration.
pub fn options() -> Options {
    Options {
        tables: Arc::new(Tables::builtin().clone()),
        target: Target::new(Vec::new(), HostProfile::Docker, "amd64"),
        limits: Limits::default(),
        build: BuildOptions::default(),
        context: None,
        images: ImageOptions::default(),
        selection: Selection::resolve(rule_infos(), &BTreeMap::new(), &[]),
        per_path: Vec::new(),
        paths: PathBase::default(),
        config_paths: PathBase::default(),
        baseline: None,
        today: Date::new(2026, 1, 1).unwrap(),
    }
}
