//! The JSON schema of the configuration, for editors.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::Config;

/// The JSON schema of `cudalint.toml`; `docs/schema/config.schema.json` is this text.
#[must_use]
pub fn schema() -> String {
    format!("{:#}\n", schemars::schema_for!(Config).to_value())
}

/// `[severity]`: any rule, one of four words.
pub(super) fn severities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "enum": ["error", "warning", "info", "off"] }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schema_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/config.schema.json");
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, schema()).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap() == schema(),
            "run the tests with UPDATE_SCHEMAS=1 and commit"
        );
    }

    #[test]
    fn the_schema_takes_what_the_program_takes() {
        let value: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        let validator = jsonschema::validator_for(&value).unwrap();
        for (text, valid) in [
            ("", true),
            (
                "baseline = \"b\"\n[lint]\nselect = [\"CU3\"]\nfail-on = \"never\"\n[severity]\nCU301 = \"off\"\n",
                true,
            ),
            ("[[fleet.a.pool]]\nname = \"x\"\ndriver = \"525\"\n", true),
            ("[lnt]\n", false),
            ("[severity]\nCU301 = \"of\"\n", false),
            ("[[fleet.a.pool]]\nname = \"x\"\n", false),
        ] {
            let instance = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
            assert_eq!(validator.is_valid(&instance), valid, "{text}");
        }
    }
}
