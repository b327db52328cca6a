//! The arrows between the rooms of `src/`, as docs/architecture.md draws them: a `use crate::…` (or an inline
//! `crate::…` path) that the table does not allow fails here, in tests as well; I/O in a pure room fails in what is shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The ground that every room stands on; it uses nothing.
const GROUND: &[&str] = &["date", "limits", "nearest", "span"];

/// Room -> rooms it may use besides the ground.
const ARROWS: &[(&str, &[&str])] = &[
    ("dockerfile", &[]),
    ("image", &[]),
    ("elf", &[]),
    ("compat", &[]),
    ("facts", &["dockerfile", "image", "elf", "compat"]),
    ("diagnostics", &[]),
    ("rules", &["facts", "compat", "diagnostics"]),
    ("report", &["diagnostics", "rules"]),
    ("config", &["diagnostics"]),
    ("engine", &["dockerfile", "image", "elf", "facts", "compat", "rules", "diagnostics"]),
    ("cli", &["engine", "config", "report", "compat", "facts", "rules", "diagnostics"]),
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

/// Files that are compiled for tests only: those below a module that is declared under `#[cfg(test)]`.
fn test_only(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[cfg(test)]") {
            let item = lines[at + 1..].iter().find(|line| !line.starts_with("#[")).unwrap();
            let Some((_, name)) = item.strip_suffix(';').and_then(|item| item.rsplit_once("mod ")) else {
                continue;
            };
            let folder = match file.file_stem().unwrap().to_str().unwrap() {
                "mod" | "lib" | "main" => file.parent().unwrap().to_owned(),
                _ => file.with_extension(""),
            };
            out.push(folder.join(name));
        }
    }
    out
}

/// Code without the items under `#[cfg(test)]`, by the indentation that rustfmt gives.
fn shipped(code: &str) -> String {
    let mut out = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("#[cfg(test)]") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let end = format!("{indent}}}");
        let item = lines.by_ref().find(|line| !line.trim_start().starts_with("#[")).unwrap_or_default();
        if !item.ends_with(';') && !item.ends_with('}') {
            lines.by_ref().find(|line| line.trim_end() == end);
        }
    }
    out
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
    let rooms: BTreeSet<&str> = allowed.keys().chain(GROUND).copied().collect();
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20, "the source files were not found");
    let mut wrong = Vec::new();
    for file in files {
        let room = room(&file);
        if room == "lib" || room == "main" {
            continue;
        }
        let ground = GROUND.contains(&room.as_str()).then_some(&[][..]);
        let Some(may) = allowed.get(room.as_str()).copied().or(ground) else {
            wrong.push(format!("{}: room `{room}` is not in the table", file.display()));
            continue;
        };
        let text = std::fs::read_to_string(&file).unwrap();
        for used in named_rooms(&code(&text), &rooms) {
            let stands_on = GROUND.contains(&used.as_str()) && ground.is_none();
            if used != room && !stands_on && !may.contains(&used.as_str()) {
                wrong.push(format!("{}: `{room}` must not use `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden arrows:\n{}", wrong.join("\n"));
}

#[test]
fn the_document_draws_the_same_arrows() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap();
    let mut rows = 0;
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let room = cells[0].trim_matches('`').trim_end_matches('/');
        let said: Vec<&str> = cells[2].split(", ").filter(|word| *word != "–").collect();
        let arrow = ARROWS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("room `{room}`"));
        assert_eq!(said, arrow.1, "what `{room}` may use");
        rows += 1;
    }
    assert_eq!(rows, ARROWS.len());
    for ground in GROUND {
        assert!(text.contains(&format!("`{ground}` (")), "`{ground}` is not explained");
    }
}

#[test]
fn pure_rooms_do_no_io() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let tests = test_only(&files);
    assert!(tests.len() > 3, "the test modules were not found");
    let mut wrong = Vec::new();
    for file in files {
        let of_tests = tests.iter().any(|test| file.starts_with(test) || file.with_extension("") == *test);
        if of_tests || !(NO_IO.contains(&room(&file).as_str()) || GROUND.contains(&room(&file).as_str())) {
            continue;
        }
        let shipped = shipped(&code(&std::fs::read_to_string(&file).unwrap()));
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

#[test]
fn test_code_is_told_from_what_is_shipped() {
    let text = "use a;\n#[cfg(test)]\nmod tests;\nfn b() {\n    #[cfg(test)]\n    {\n        std::fs::x();\n    }\n    c();\n}\n\
                #[cfg(test)]\n#[allow(x)]\nmod more {\n    fn d() {\n    }\n}\nfn e() {}\n";
    assert_eq!(shipped(text), "use a;\nfn b() {\n    c();\n}\nfn e() {}\n");
}
