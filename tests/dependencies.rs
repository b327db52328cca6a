//! What the project stands on: every direct dependency is explained in docs/dependencies.md, and every crate of the
//! lock file has a licence that deny.toml allows and is not one that it bans. Needs no network.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn deny() -> toml::Table {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap().parse().unwrap()
}

/// Whether an SPDX expression can be satisfied from the allowed licences: OR, AND, WITH and parentheses.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let fine = or(&tokens, &mut at, allowed);
    assert_eq!(at, tokens.len(), "cannot read licence expression `{expression}`");
    fine
}

fn or(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut fine = and(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        fine |= and(tokens, at, allowed);
    }
    fine
}

fn and(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut fine = term(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        fine &= term(tokens, at, allowed);
    }
    fine
}

fn term(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    if tokens.get(*at) == Some(&"(") {
        *at += 1;
        let fine = or(tokens, at, allowed);
        assert_eq!(tokens.get(*at), Some(&")"));
        *at += 1;
        return fine;
    }
    let mut name = tokens[*at].to_owned();
    *at += 1;
    if tokens.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", tokens[*at + 1]);
        *at += 2;
    }
    allowed.contains(&name)
}

#[test]
fn licences_are_allowed_and_no_crate_is_banned() {
    let deny = deny();
    let allowed: BTreeSet<String> = deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect();
    let banned: BTreeSet<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|row| row["crate"].as_str().unwrap()).collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        if banned.contains(name) {
            wrong.push(format!("{name} is banned"));
        }
        match package["license"].as_str() {
            Some(licence) if satisfied(licence, &allowed) => {}
            other => wrong.push(format!("{name}: licence {other:?} is not allowed")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_direct_dependency_is_explained() {
    let manifest: toml::Table =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .unwrap()
            .parse()
            .unwrap();
    let doc =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dependencies.md")).unwrap();
    let mut missing = Vec::new();
    for table in ["dependencies", "dev-dependencies"] {
        for name in manifest[table].as_table().unwrap().keys() {
            if !doc.contains(&format!("| `{name}` |")) {
                missing.push(name.clone());
            }
        }
    }
    assert!(missing.is_empty(), "docs/dependencies.md has no row for: {}", missing.join(", "));
}

#[test]
fn licence_expressions_are_read_right() {
    let allowed: BTreeSet<String> = ["MIT", "Zlib"].map(str::to_owned).into();
    assert!(satisfied("MIT OR Apache-2.0", &allowed));
    assert!(satisfied("(MIT OR Apache-2.0) AND Zlib", &allowed));
    assert!(!satisfied("MIT AND Apache-2.0", &allowed));
    assert!(satisfied("MIT/Apache-2.0", &allowed));
    assert!(!satisfied("Apache-2.0 WITH LLVM-exception", &allowed));
}
