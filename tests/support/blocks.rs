//! The fenced blocks of the rule pages, and how each is checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cudalint::compat::{DriverSpec, GpuList, HostProfile, Pool, Tables, Target};
use cudalint::diagnostics::{Date, InputOutcome, Selection};
use cudalint::dockerfile::{BuildOptions, Platform};
use cudalint::engine::{Options, check_dockerfile};
use cudalint::facts::from_dockerfile::{BuildContext, ContextFile};
use cudalint::limits::Limits;
use cudalint::rules::rule_infos;

/// A fenced block of a page.
#[derive(Debug)]
pub struct Block {
    pub page: String,
    /// Line of the fence in the page, from 1.
    pub line: usize,
    pub section: String,
    pub info: Vec<String>,
    pub text: String,
}

impl Block {
    pub fn values(&self, key: &str) -> Vec<&str> {
        self.info.iter().filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')).collect()
    }

    pub fn value(&self, key: &str) -> Option<&str> {
        self.values(key).first().copied()
    }

    pub fn place(&self) -> String {
        format!("{}:{} ({})", self.page, self.line, self.section)
    }
}

pub fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut section = String::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        if let Some(block) = &mut open {
            if line == "```" {
                blocks.extend(open.take());
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
        } else if let Some(info) = line.strip_prefix("```") {
            open = Some(Block {
                page: page.to_owned(),
                line: at + 1,
                section: section.clone(),
                info: info.split_whitespace().map(str::to_owned).collect(),
                text: String::new(),
            });
        } else if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        }
    }
    assert!(open.is_none(), "{page}: a fence is not closed");
    blocks
}

pub struct Files(pub BTreeMap<String, String>);

impl BuildContext for Files {
    fn read(&self, path: &str) -> ContextFile {
        match self.0.get(path.trim_start_matches("./")) {
            Some(text) => ContextFile::Found { name: path.to_owned(), bytes: text.clone().into_bytes() },
            None => ContextFile::Missing,
        }
    }
}

pub fn options(block: &Block) -> Options {
    let tables = Tables::builtin();
    let platform =
        block.value("platform").map_or_else(Platform::default, |text| Platform::parse(text).unwrap());
    let drivers = block
        .value("driver")
        .map(|spec| {
            DriverSpec::parse(spec, tables).unwrap_or_else(|error| panic!("{}: {error}", block.place()))
        })
        .map(|spec| spec.drivers().cloned().unwrap());
    let gpus = block
        .value("gpu")
        .map(|list| {
            GpuList::parse(list, tables).unwrap_or_else(|error| panic!("{}: {error}", block.place())).0
        })
        .unwrap_or_default();
    let host = match block.value("host") {
        None | Some("docker") => HostProfile::Docker,
        Some("cdi") => HostProfile::Cdi,
        Some("gke") => HostProfile::Gke,
        Some("jetson") => HostProfile::Jetson,
        Some(other) => panic!("{}: host `{other}`", block.place()),
    };
    let pools = if drivers.is_none() && gpus.is_empty() {
        Vec::new()
    } else {
        vec![Pool { drivers, gpus, ..Pool::default() }]
    };
    let build_args = block
        .values("build-arg")
        .into_iter()
        .map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect();
    Options {
        tables: Arc::new(tables.clone()),
        target: Target::new(pools, host, platform.architecture.clone())
            .with_platform_given(block.value("platform").is_some()),
        limits: Limits::default(),
        build: BuildOptions {
            build_args,
            target: block.value("target").map(str::to_owned),
            platform,
            ..BuildOptions::default()
        },
        selection: Selection::resolve(rule_infos(), &BTreeMap::new(), &[]),
        today: Date::new(2026, 1, 1).unwrap(),
        ..super::options()
    }
}

pub fn check(block: &Block, text: &str, files: &BTreeMap<String, String>) -> InputOutcome {
    check_dockerfile("Dockerfile", text.as_bytes(), &Files(files.clone()), &options(block))
}

pub fn pages() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut pages: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    pages.sort();
    pages
}
