//! An unpacked root file system as if it were one layer. Links are reported, never followed.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Entry, EntryKind, LayerDescriptor, LayerOutcome, LayerPath, LayerProblem, LayerProblemKind};
use crate::limits::Limits;

/// Problems of single files that are named; further ones only make the outcome incomplete.
const MAX_PROBLEMS: usize = 100;

/// Hands every entry below `root` to `visit`, in path order of each folder.
pub(super) fn walk_folder(
    root: &Path,
    layer: &LayerDescriptor,
    limits: &Limits,
    cancel: &AtomicBool,
    visit: &mut dyn FnMut(Entry<'_>),
) -> LayerOutcome {
    let mut outcome = LayerOutcome {
        problems: Vec::new(),
        complete: true,
        entries: 0,
        compressed_bytes: 0,
        inflated_bytes: 0,
    };
    let mut inodes: HashMap<(u64, u64), LayerPath> = HashMap::new();
    // Folders that are still to be read; a stack of our own, so depth costs no call stack.
    let mut folders: Vec<(PathBuf, LayerPath)> = vec![(root.to_owned(), LayerPath::root())];
    let stop = |outcome: &mut LayerOutcome, kind| {
        outcome.complete = false;
        if outcome.problems.len() < MAX_PROBLEMS {
            outcome.problems.push(LayerProblem::new(layer, kind));
        }
    };
    while let Some((folder, inside)) = folders.pop() {
        let names = match sorted_names(&folder) {
            Ok(names) => names,
            Err(error) => {
                stop(&mut outcome, entry_problem(&inside, &error));
                continue;
            }
        };
        let mut deeper = Vec::new();
        for name in names {
            if cancel.load(Ordering::Relaxed) {
                stop(&mut outcome, LayerProblemKind::Cancelled);
                return outcome;
            }
            if outcome.entries >= limits.layer_entries {
                let limit = limits.layer_entries;
                stop(&mut outcome, LayerProblemKind::Limit { name: "layer_entries", limit, unit: "entries" });
                return outcome;
            }
            let on_disk = folder.join(&name);
            let path = inside.join(name.as_bytes());
            if path.as_bytes().len() as u64 > limits.path_bytes {
                let limit = limits.path_bytes;
                stop(
                    &mut outcome,
                    LayerProblemKind::Limit { name: "path_bytes", limit, unit: "bytes in one path" },
                );
                continue;
            }
            match entry_of(&on_disk, &path, &mut inodes) {
                Ok((kind, metadata, file)) => {
                    outcome.entries += 1;
                    if kind == EntryKind::Directory {
                        deeper.push((on_disk, path.clone()));
                    }
                    let size = if file.is_some() { metadata.len() } else { 0 };
                    outcome.inflated_bytes = outcome.inflated_bytes.saturating_add(size);
                    let mut reader: Box<dyn Read> = match file {
                        Some(file) => Box::new(file.take(size)),
                        None => Box::new(io::empty()),
                    };
                    let mode = metadata.mode() & 0o7777;
                    visit(Entry { path, kind, size, mode, reader: &mut *reader });
                }
                Err(error) => stop(&mut outcome, entry_problem(&path, &error)),
            }
        }
        deeper.reverse();
        folders.append(&mut deeper);
    }
    outcome
}

fn sorted_names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn entry_of(
    on_disk: &Path,
    path: &LayerPath,
    inodes: &mut HashMap<(u64, u64), LayerPath>,
) -> io::Result<(EntryKind, Metadata, Option<File>)> {
    let metadata = fs::symlink_metadata(on_disk)?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(on_disk)?;
        return Ok((EntryKind::Symlink(target.as_os_str().as_bytes().to_vec()), metadata, None));
    }
    if kind.is_dir() {
        return Ok((EntryKind::Directory, metadata, None));
    }
    if !kind.is_file() {
        return Ok((EntryKind::Device, metadata, None));
    }
    let inode = (metadata.dev(), metadata.ino());
    if metadata.nlink() > 1
        && let Some(first) = inodes.get(&inode)
    {
        return Ok((EntryKind::Hardlink(first.clone()), metadata, None));
    }
    let file = File::open(on_disk)?;
    // What was looked at must be what was opened, or a link put there meanwhile would lead out of the root.
    let opened = file.metadata()?;
    if (opened.dev(), opened.ino()) != inode {
        return Err(io::Error::other("it changed while it was read"));
    }
    if metadata.nlink() > 1 {
        inodes.insert(inode, path.clone());
    }
    Ok((EntryKind::File, opened, Some(file)))
}

fn entry_problem(path: &LayerPath, error: &io::Error) -> LayerProblemKind {
    LayerProblemKind::Entry { entry: path.to_string(), reason: error.to_string() }
}
