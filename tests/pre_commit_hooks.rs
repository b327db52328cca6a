//! The hooks offered to pre-commit look at the files that cudalint itself takes for Dockerfiles.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use cudalint::dockerfile::DOCKERFILE_PATTERN;

#[test]
fn hooks_use_the_pattern_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    let hooks: Vec<std::collections::BTreeMap<String, serde_json::Value>> =
        serde_saphyr::from_str(&std::fs::read_to_string(path).expect("the file")).expect("YAML");
    let ids: Vec<_> = hooks.iter().filter_map(|hook| hook.get("id")?.as_str()).collect();
    assert_eq!(ids, ["cudalint", "cudalint-system"]);
    for hook in &hooks {
        assert_eq!(hook.get("files").and_then(serde_json::Value::as_str), Some(DOCKERFILE_PATTERN));
        // Files named on the command line must pass the same filters as files found in folders, without a network.
        assert_eq!(
            hook.get("entry").and_then(serde_json::Value::as_str),
            Some("cudalint --offline --force-exclude")
        );
    }
}
