//! What is kept of a layer while it streams past: a small payload for the files that matter, nothing for the rest.

use std::io::{Cursor, Read};

use serde::{Deserialize, Serialize};

use super::elf_file::ElfFile;
use super::packages::{self, Database, Package};
use crate::elf::{self, Scanner};
use crate::facts::manifest::normalize_name;
use crate::image::merge::LayerTree;
use crate::image::{Entry, EntryKind, LayerPath};
use crate::limits::Limits;

/// What is kept of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Payload {
    /// A file with CUDA facts.
    Elf(Box<ElfFile>),
    /// A small text: os-release, the loader's configuration.
    Text(String),
    /// A package database; its packages are in [`CollectedLayer::packages`].
    Packages(Database),
    /// The METADATA of an installed Python distribution: name and version from the folder's name.
    Python {
        /// Name, normalised.
        name: String,
        /// Version with its local part.
        version: String,
    },
    /// A kernel module of the driver.
    KernelModule,
    /// A program, or the C library's loader, whose presence says something.
    Present,
}

/// A layer after its walk.
#[derive(Debug, Default)]
pub struct CollectedLayer {
    /// Files with payload, links, and what the layer deletes.
    pub tree: LayerTree<Payload>,
    /// Package databases of the layer: path, packages, and whether the file was read whole.
    pub packages: Vec<(LayerPath, Vec<Package>, bool)>,
}

/// Takes the entries of one layer.
pub struct LayerCollector<'l> {
    limits: &'l Limits,
    scanner: Scanner<'l>,
    layer: CollectedLayer,
}

/// Programs that tell what an image can compile or is meant for.
const PROGRAMS: &[&str] = &["nvcc", "ptxas", "gcc", "cc", "g++", "c++", "clang", "tcc", "nvidia-smi"];
/// Largest configuration text that is kept, in bytes.
const SMALL_TEXT: u64 = 256 << 10;

impl<'l> LayerCollector<'l> {
    /// A collector for one layer.
    #[must_use]
    pub fn new(limits: &'l Limits) -> Self {
        Self { limits, scanner: Scanner::new(limits), layer: CollectedLayer::default() }
    }

    /// Takes an entry; call it for every entry of the layer in archive order.
    pub fn entry(&mut self, entry: Entry<'_>) {
        let Entry { path, kind, size, reader, .. } = entry;
        let payload = match kind {
            EntryKind::File => self.file(&path, size, reader),
            _ => None,
        };
        self.layer.tree.add(&path, &kind, payload);
    }

    /// The layer, all entries taken.
    #[must_use]
    pub fn finish(self) -> CollectedLayer {
        self.layer
    }

    fn file(&mut self, path: &LayerPath, size: u64, reader: &mut dyn Read) -> Option<Payload> {
        let full = String::from_utf8_lossy(path.as_bytes());
        if let Some(database) = Database::of_path(&full) {
            let (found, complete) = packages::read(database, reader, self.limits.text_bytes);
            self.layer.packages.push((path.clone(), found, complete));
            return Some(Payload::Packages(database));
        }
        if is_small_text(&full) {
            let mut bytes = Vec::new();
            reader.take(SMALL_TEXT).read_to_end(&mut bytes).ok()?;
            return Some(Payload::Text(String::from_utf8_lossy(&bytes).into_owned()));
        }
        if let Some((name, version)) = python_distribution(&full) {
            return Some(Payload::Python { name, version });
        }
        let name = full.rsplit('/').next().unwrap_or(&full);
        if is_kernel_module(name) {
            return Some(Payload::KernelModule);
        }
        let scanned = self.scan(name, size, reader);
        scanned
            .map(|file| Payload::Elf(Box::new(file)))
            .or_else(|| is_marker(&full, name).then_some(Payload::Present))
    }

    fn scan(&self, name: &str, size: u64, reader: &mut dyn Read) -> Option<ElfFile> {
        let mut first = [0_u8; 16];
        let mut have = 0;
        while let Some(rest) = first.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match reader.read(rest) {
                Ok(0) | Err(_) => break,
                Ok(bytes) => have += bytes,
            }
        }
        let start = first.get(..have).unwrap_or_default();
        if !elf::prefilter(start, size, name) {
            return None;
        }
        ElfFile::of(self.scanner.scan(Cursor::new(start).chain(reader), size, name))
    }
}

fn is_small_text(path: &str) -> bool {
    matches!(path, "etc/os-release" | "usr/lib/os-release" | "etc/ld.so.conf")
        || path
            .strip_prefix("etc/ld.so.conf.d/")
            .is_some_and(|file| file.ends_with(".conf") && !file.contains('/'))
}

/// Name and version of `…/NAME-VERSION.dist-info/METADATA`.
fn python_distribution(path: &str) -> Option<(String, String)> {
    let folder = path.strip_suffix(".dist-info/METADATA")?;
    let folder = folder.rsplit('/').next().unwrap_or(folder);
    let (name, version) = folder.rsplit_once('-')?;
    Some((normalize_name(name), version.to_owned()))
}

fn is_kernel_module(name: &str) -> bool {
    let stem =
        name.strip_suffix(".gz").or_else(|| name.strip_suffix(".xz")).or_else(|| name.strip_suffix(".zst"));
    stem.unwrap_or(name).strip_suffix(".ko").is_some_and(|module| module.starts_with("nvidia"))
}

/// Files whose presence alone counts: loaders of the C libraries, and some programs.
fn is_marker(path: &str, name: &str) -> bool {
    if name.starts_with("ld-linux") || name.starts_with("ld-musl-") || name == "libc.so.6" {
        return true;
    }
    let folder = path.strip_suffix(name).unwrap_or_default();
    let program = PROGRAMS.contains(&name)
        || ["gcc-", "x86_64-linux-gnu-gcc", "aarch64-linux-gnu-gcc", "clang-"]
            .iter()
            .any(|stem| name.starts_with(stem));
    program && folder.ends_with("bin/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_kept() {
        assert_eq!(
            python_distribution(
                "usr/lib/python3/site-packages/nvidia_cublas_cu12-12.4.5.8.dist-info/METADATA"
            ),
            Some(("nvidia-cublas-cu12".to_owned(), "12.4.5.8".to_owned()))
        );
        assert_eq!(python_distribution("x/torch-2.5.1+cu124.dist-info/METADATA").unwrap().1, "2.5.1+cu124");
        assert_eq!(python_distribution("x/torch-2.5.1.dist-info/RECORD"), None);
        assert!(
            is_kernel_module("nvidia-uvm.ko.zst")
                && is_kernel_module("nvidia.ko")
                && !is_kernel_module("ext4.ko")
        );
        assert!(
            is_marker("usr/local/cuda-12.4/bin/nvcc", "nvcc")
                && is_marker("lib64/ld-linux-x86-64.so.2", "ld-linux-x86-64.so.2")
        );
        assert!(!is_marker("usr/share/doc/gcc", "gcc"));
        assert!(is_small_text("etc/ld.so.conf.d/cuda.conf") && !is_small_text("etc/ld.so.conf.d/x"));
    }
}
