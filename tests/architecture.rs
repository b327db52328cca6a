//! The arrows between the rooms of `src/`, as docs/architecture.md draws them: a `use crate::…` (or an inline
//! `crate::…` path) that the table does not allow fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Room -> rooms it may use. `span` and `limits` are the ground that everybody stands on.
const ARROWS: &[(&str, &[&str])] = &[
    ("span", &[]),
    ("limits", &[]),
    ("dockerfile", &[]),
    ("image", &[]),
    ("elf", &[]),
    ("compat", &[]),
    ("facts", &["dockerfile", "image", "elf", "compat"]),
    ("diagnostics", &[]),
    ("rules", &["facts", "compat", "diagnostics"]),
    ("report", &["diagnostics", "rules"]),
    ("config", &["compat", "diagnostics"]),
    ("engine", &["dockerfile", "image", "elf", "facts", "compat", "rules", "diagnostics", "config"]),
    ("cli", &["engine", "config", "report", "compat", "rules", "diagnostics", "image", "facts"]),
];

/// What pure rooms must not touch.
const NO_IO: &[&str] = &["dockerfile", "elf", "compat", "facts", "rules", "diagnostics"];
const IO_WORDS: &[&str] =
    &["std::fs", "std::net", "std::process", "std::env", "std::time", "println!", "eprintln!"];

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// The room a source file belongs to: its first folder, or its own name at the top.
fn room(path: &Path) -> String {
    let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Code without line comments, so that prose may name other rooms.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Rooms that a text names after `crate::`, also inside `use crate::{a, b::c}`.
fn named_rooms(code: &str, rooms: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let names: Vec<String> = if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let end = group
                .find(|c| {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    depth == 0
                })
                .unwrap_or(group.len());
            group[..end].split(',').map(|part| first_word(part.trim())).collect()
        } else {
            vec![first_word(rest)]
        };
        found.extend(names.into_iter().filter(|name| rooms.contains(name.as_str())));
    }
    found
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let rooms: BTreeSet<&str> = allowed.keys().copied().collect();
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20, "the source files were not found");
    let mut wrong = Vec::new();
    for file in files {
        let room = room(&file);
        if room == "lib" || room == "main" {
            continue;
        }
        let Some(may) = allowed.get(room.as_str()) else {
            wrong.push(format!("{}: room `{room}` is not in the table", file.display()));
            continue;
        };
        let text = std::fs::read_to_string(&file).unwrap();
        for used in named_rooms(&code(&text), &rooms) {
            if used != room && used != "span" && used != "limits" && !may.contains(&used.as_str()) {
                wrong.push(format!("{}: `{room}` must not use `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden arrows:\n{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_do_no_io() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        if !NO_IO.contains(&room(&file).as_str()) {
            continue;
        }
        let text = code(&std::fs::read_to_string(&file).unwrap());
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in IO_WORDS {
            if shipped.contains(word) {
                wrong.push(format!("{}: uses `{word}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "I/O in a pure room:\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_this_table_sees_groups_and_paths() {
    let rooms: BTreeSet<&str> = ["facts", "image", "report"].into();
    let found =
        named_rooms("use crate::{facts::{Facts, Origin}, image::X};\nlet y = crate::report::z();", &rooms);
    assert_eq!(found, ["facts", "image", "report"].map(str::to_owned).into());
}
