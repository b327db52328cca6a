//! A rule's page: front matter, sections, and the Bad and Good blocks that the tests run.

use crate::diagnostics::Severity;

/// The page of a rule, parsed. The page is the single source of the rule's name, severity and manual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `CU301`.
    pub id: String,
    /// `driver-package-in-image`.
    pub name: String,
    /// Severity of a finding unless the rule says otherwise.
    pub severity: Severity,
    /// Off unless selected by name.
    pub opt_in: bool,
    /// Group of the rule (`meta`, `base`, `env`, `driver`, `packages`, `frameworks`, `stages`, `loader`, `target`, `hygiene`).
    pub group: String,
    /// What it reads: `dockerfile`, `config`, `layers`, `elf`.
    pub inspects: Vec<String>,
    /// What it needs to be told: `driver`, `gpu`, `host`, or nothing.
    pub target: Vec<String>,
    /// `safe`, `unsafe` or `none`.
    pub fix: String,
    /// Version of cudalint that brought it.
    pub since: String,
    /// One line for lists.
    pub summary: String,
    /// The Markdown after the front matter.
    pub body: String,
}

/// A page that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule page line {line}: {what}")]
pub struct PageError {
    /// Line in the page, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Page {
    /// Reads a page: a front matter of `key: value` lines between two `---` lines, then Markdown.
    ///
    /// # Errors
    /// A missing front matter, an unknown or missing key, a word that is no severity.
    pub fn parse(text: &str) -> Result<Self, PageError> {
        let error = |line: usize, what: &str| PageError { line, what: what.to_owned() };
        let rest = text.strip_prefix("---\n").ok_or_else(|| error(1, "the page begins with `---`"))?;
        let (front, body) =
            rest.split_once("\n---\n").ok_or_else(|| error(1, "the front matter ends with `---`"))?;
        let mut keys = std::collections::BTreeMap::new();
        for (at, line) in front.lines().enumerate() {
            let (key, value) = line
                .split_once(':')
                .ok_or_else(|| error(at + 2, "expected `key: value` in the front matter"))?;
            if keys.insert(key.trim().to_owned(), (at + 2, value.trim().to_owned())).is_some() {
                return Err(error(at + 2, &format!("`{}` is given twice", key.trim())));
            }
        }
        let mut take = |key: &str| keys.remove(key).ok_or_else(|| error(1, &format!("`{key}` is missing")));
        let list = |value: &str| -> Vec<String> {
            value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let id = take("id")?.1;
        let name = take("name")?.1;
        let (severity_line, severity) = take("severity")?;
        let opt_in = severity == "off";
        let severity = if opt_in {
            Severity::Info
        } else {
            severity.parse().map_err(|_| error(severity_line, "severity is error, warning, info or off"))?
        };
        let page = Self {
            id,
            name,
            severity,
            opt_in,
            group: take("group")?.1,
            inspects: list(&take("inspects")?.1),
            target: list(&take("target")?.1),
            fix: take("fix")?.1,
            since: take("since")?.1,
            summary: take("summary")?.1,
            body: body.to_owned(),
        };
        match keys.into_iter().next() {
            None => Ok(page),
            Some((key, (line, _))) => Err(error(line, &format!("`{key}` is no key of a rule page"))),
        }
    }
}
