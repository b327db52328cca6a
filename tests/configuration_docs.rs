//! What docs/configuration.md shows works: the configuration with all the rules there are, the ignores as they are written.

use std::sync::Arc;

use cudalint::config::ConfigFile;
use cudalint::diagnostics::{Selection, Suppressions};
use cudalint::dockerfile::Dockerfile;
use cudalint::limits::Limits;
use cudalint::rules::rule_infos;
use cudalint::span::Span;

fn block(language: &str) -> String {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_configuration_is_valid() {
    let file = ConfigFile::parse("cudalint.toml", block("toml").into_bytes()).unwrap();
    let rules = rule_infos();
    let layer = file.select_layer(rules).unwrap();
    let selection = Selection::resolve(rules, &file.severities(rules).unwrap(), &[layer]);
    assert!(rules.iter().any(|rule| selection.is_on(rule.id)));
    assert_eq!(file.per_paths(rules).unwrap().len(), 1);
    assert_eq!(file.config.fleet["prod"].pool.len(), 2);
}

#[test]
fn the_ignores_are_valid() {
    let source = block("dockerfile");
    let tree = Dockerfile::parse(source.as_bytes(), &Limits::default());
    let comments: Vec<Span> = tree.comments.iter().map(|comment| comment.span).collect();
    let instructions: Vec<Span> = tree.instructions.iter().map(|instruction| instruction.span).collect();
    let mut suppressions = Suppressions::new(rule_infos(), "2026-11-25".parse().unwrap());
    suppressions.add_file(&Arc::from("Dockerfile"), source.as_bytes(), &comments, &instructions);
    assert_eq!(comments.len(), 2);
    assert_eq!(suppressions.finish(|_| false).kept, []);
}
