//! A configuration file that was read, and what its words mean to the rules.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Config, ConfigError};
use crate::diagnostics::{PerPath, RuleId, RuleInfo, SelectLayer, Selector, SeverityOverride};
use crate::limits::Limits;
use crate::nearest::nearest;
use crate::span::{Span, Spanned};

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Name as messages show it.
    pub name: Arc<str>,
    /// Its text.
    pub source: Arc<[u8]>,
    /// What it says.
    pub config: Config,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, is longer than [`Limits::text_bytes`], or is no valid configuration.
    pub fn load(path: &Path, limits: &Limits) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(limits.text_bytes.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|error| {
                let message = format!("the configuration {name} cannot be read: {error}");
                ConfigError::whole(message, "give another with --config, or none with --isolated")
            })?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits.text_bytes {
            let message = format!("the configuration {name} has more than {} bytes", limits.text_bytes);
            return Err(ConfigError::whole(
                message,
                "is it the right file? --limit text_bytes=N raises the limit",
            ));
        }
        Self::parse(&name, bytes)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The text is no UTF-8, no TOML, or says something that a configuration does not have.
    pub fn parse(name: &str, text: impl Into<Arc<[u8]>>) -> Result<Self, ConfigError> {
        let (name, source): (Arc<str>, Arc<[u8]>) = (name.into(), text.into());
        let text = std::str::from_utf8(&source).map_err(|error| {
            let at = error.valid_up_to();
            ConfigError::at(&name, &source, Span::new(at, at.saturating_add(1)), "this is no UTF-8", None)
        })?;
        let config = toml::from_str(text).map_err(|error| ConfigError::toml(&name, &source, &error))?;
        Ok(Self { name, source, config })
    }

    /// An error that points at a value of this file.
    #[must_use]
    pub fn error_at(&self, span: Span, message: impl Into<String>, help: Option<String>) -> ConfigError {
        ConfigError::at(&self.name, &self.source, span, message, help)
    }

    /// A path that this file gives, relative to the file's folder.
    #[must_use]
    pub fn resolve(&self, path: &str) -> PathBuf {
        Path::new(&*self.name).parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
    }

    /// What `[lint]` chooses.
    ///
    /// # Errors
    /// A selector stands for no rule.
    pub fn select_layer(&self, rules: &[RuleInfo]) -> Result<SelectLayer, ConfigError> {
        let lint = &self.config.lint;
        Ok(SelectLayer {
            select: lint.select.as_deref().map(|words| self.selectors(words, rules)).transpose()?,
            extend_select: self.selectors(&lint.extend_select, rules)?,
            ignore: self.selectors(&lint.ignore, rules)?,
        })
    }

    fn selectors(&self, words: &[Spanned<String>], rules: &[RuleInfo]) -> Result<Vec<Selector>, ConfigError> {
        words
            .iter()
            .map(|word| {
                Selector::parse(&word.value, rules)
                    .map_err(|error| self.error_at(word.span, error.to_string(), None))
            })
            .collect()
    }

    /// What `[severity]` says.
    ///
    /// # Errors
    /// A key is no rule, is given twice (by id and by name), or a value is no severity.
    pub fn severities(&self, rules: &[RuleInfo]) -> Result<BTreeMap<RuleId, SeverityOverride>, ConfigError> {
        let mut map = BTreeMap::new();
        for (rule, severity) in &self.config.severity.0 {
            let Some(info) = rules.iter().find(|info| info.is_called(&rule.value)) else {
                let near = nearest(&rule.value, rules.iter().flat_map(|info| [info.id.as_str(), info.name]));
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let help = "a severity is given rule by rule, by id or name; `cudalint rules` lists them";
                return Err(self.error_at(
                    rule.span,
                    format!("`{}` is no rule{near}", rule.value),
                    Some(help.into()),
                ));
            };
            let word: SeverityOverride = severity.value.parse().map_err(|_| {
                let near = nearest(&severity.value, ["error", "warning", "info", "off"]);
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let message = format!("`{}` is no severity{near}", severity.value);
                self.error_at(severity.span, message, Some("use `error`, `warning`, `info` or `off`".into()))
            })?;
            if map.insert(info.id, word).is_some() {
                let message = format!("the severity of {} is given twice, by id and by name", info.id);
                return Err(self.error_at(rule.span, message, None));
            }
        }
        Ok(map)
    }

    /// What `[[per-path]]` says.
    ///
    /// # Errors
    /// A pattern is no glob, or a selector stands for no rule.
    pub fn per_paths(&self, rules: &[RuleInfo]) -> Result<Vec<PerPath>, ConfigError> {
        self.config
            .per_path
            .iter()
            .map(|table| {
                let globs: Vec<_> = table
                    .paths
                    .iter()
                    .map(|pattern| {
                        PerPath::glob(&pattern.value).map_err(|error| {
                            let message = format!("`{}` is no glob: {}", pattern.value, error.kind());
                            self.error_at(pattern.span, message, None)
                        })
                    })
                    .collect::<Result<_, _>>()?;
                let whole = table.paths.first().map(|pattern| pattern.span).unwrap_or_default();
                PerPath::new(globs, self.selectors(&table.ignore, rules)?)
                    .map_err(|error| self.error_at(whole, error.to_string(), None))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostName;
    use crate::diagnostics::{FailOn, Severity, meta};

    fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
        ConfigFile::parse("conf/cudalint.toml", text.as_bytes())
    }

    /// The error as `line:column message`, and the text it points at.
    fn error(text: &str) -> (String, String) {
        let file = parse(text);
        let error = file
            .and_then(|file| {
                file.select_layer(&meta::ALL)?;
                file.severities(&meta::ALL)?;
                file.per_paths(&meta::ALL)?;
                Ok(())
            })
            .unwrap_err();
        let place = error.problem.location.as_ref().unwrap().place().unwrap();
        let words = String::from_utf8_lossy(place.span.slice(text.as_bytes())).into_owned();
        (format!("{}:{} {}", place.start.line, place.start.column, error.problem.message), words)
    }

    #[test]
    fn reads_everything_a_configuration_may_say() {
        let file = parse(
            r#"
baseline = "base.json"
data = ["extra.toml"]
[lint]
select = ["ALL"]
extend-select = ["CU001"]
ignore = ["expired-ignore"]
fail-on = "warning"
strict = true
[severity]
CU003 = "off"
dockerfile-syntax = "error"
[[per-path]]
paths = ["ci/**", "*.test"]
ignore = ["meta"]
[target]
driver = "525"
gpu = "a100,l4"
host = "gke"
platform = "linux/arm64"
[[fleet.prod.pool]]
name = "old"
driver = "470"
gpus = ["v100"]
[[fleet.prod.pool]]
name = "new"
driver = "550"
[build.args]
CUDA = "12.4"
"#,
        )
        .unwrap();
        let config = &file.config;
        assert_eq!(config.lint.fail_on, Some(FailOn::Warning));
        assert_eq!(config.target.host, Some(HostName::Gke));
        assert_eq!(config.target.driver.as_ref().unwrap().value, "525");
        assert_eq!(config.target.driver.as_ref().unwrap().span.slice(&file.source), b"\"525\"");
        let pools = &config.fleet["prod"].pool;
        assert_eq!((pools.len(), pools[0].gpus[0].value.as_str(), pools[1].gpus.len()), (2, "v100", 0));
        assert_eq!(config.build.args["CUDA"], "12.4");
        assert_eq!(file.resolve("base.json"), Path::new("conf/base.json"));
        let severities = file.severities(&meta::ALL).unwrap();
        assert_eq!(severities[&meta::INVALID_IGNORE.id], SeverityOverride::Off);
        assert_eq!(severities[&meta::DOCKERFILE_SYNTAX.id], SeverityOverride::To(Severity::Error));
        assert_eq!(file.select_layer(&meta::ALL).unwrap().select, Some(vec![Selector::All]));
        assert_eq!(file.per_paths(&meta::ALL).unwrap().len(), 1);
        assert_eq!(parse("").unwrap().config, Config::default());
    }

    #[test]
    fn unknown_keys_and_values_name_the_nearest() {
        for (text, message, words) in [
            ("[lnt]\n", "1:2 `lnt` is no key here; did you mean `lint`?", "lnt"),
            ("[lint]\nselct = []\n", "2:1 `selct` is no key here; did you mean `select`?", "selct"),
            ("[lint]\nfail-on = \"warn\"\n", "2:11 `warn` is no value here", "\"warn\""),
            (
                "[lint]\nfail-on = \"warnin\"\n",
                "2:11 `warnin` is no value here; did you mean `warning`?",
                "\"warnin\"",
            ),
            (
                "[lint]\nignore = [\"CU01\"]\n",
                "2:11 `CU01` names no rule, group or prefix; did you mean `CU001`?",
                "\"CU01\"",
            ),
            ("[severity]\nCU01 = \"off\"\n", "2:1 `CU01` is no rule; did you mean `CU001`?", "CU01"),
            ("[severity]\nCU001 = \"of\"\n", "2:9 `of` is no severity; did you mean `off`?", "\"of\""),
            (
                "[severity]\nCU001 = \"off\"\nunused-ignore = \"off\"\n",
                "3:1 the severity of CU001 is given twice, by id and by name",
                "unused-ignore",
            ),
            (
                "[[per-path]]\npaths = [\"a{\"]\nignore = []\n",
                "2:10 `a{` is no glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
                "\"a{\"",
            ),
            ("[target]\nhost = \"podman\"\n", "2:8 `podman` is no value here", "\"podman\""),
        ] {
            assert_eq!(error(text), (message.to_owned(), words.to_owned()));
        }
    }

    #[test]
    fn broken_toml_and_wrong_types_have_a_place() {
        for (text, start) in [
            ("[lint\n", "1:6 "),
            ("[lint]\nstrict = \"yes\"\n", "2:10 invalid type"),
            ("[[fleet.a.pool]]\nname = \"x\"\n", "1:1 `driver` is missing"),
            ("a = 1\na = 2\n", "2:1 "),
            ("[lint]\nselect = [3]\n", "2:11 invalid type"),
        ] {
            let (message, _) = error(text);
            assert!(message.starts_with(start), "{message}");
        }
        assert!(
            ConfigFile::parse("x", &b"a = \"\xff\""[..])
                .unwrap_err()
                .to_string()
                .starts_with("x:1:6: this is no UTF-8")
        );
    }

    #[test]
    fn files_that_cannot_be_read_say_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cudalint.toml");
        let missing = ConfigFile::load(&path, &Limits::default()).unwrap_err().to_string();
        assert!(missing.contains("cannot be read") && missing.contains("--isolated"), "{missing}");
        std::fs::write(&path, "[lint]\n").unwrap();
        assert!(ConfigFile::load(&path, &Limits::default()).is_ok());
        let limits = Limits { text_bytes: 3, ..Limits::default() };
        let long = ConfigFile::load(&path, &limits).unwrap_err().to_string();
        assert!(long.contains("more than 3 bytes") && long.contains("--limit text_bytes"), "{long}");
    }
}
