//! Names for findings that survive moved lines.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Finding, Location, PathBase, Reported};

/// SHA-256 (64 hex digits) over what makes a finding itself: rule, file, the words it points at, and its number among
/// findings that are equal in all that. No line number goes in, nor the message, which depends on the target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives the findings of one input their fingerprints.
#[derive(Debug)]
pub struct Fingerprinter<'a> {
    /// How file names are written.
    pub paths: &'a PathBase,
    /// The input as the user named it; an image's findings are told from another image's by its name, tag and
    /// digest left out.
    pub input: &'a str,
    /// Texts that locations point into.
    pub sources: &'a BTreeMap<Arc<str>, Arc<[u8]>>,
}

impl Fingerprinter<'_> {
    /// Fingerprints for all findings of one input. Equal findings are numbered in order of their places, so call this
    /// once, before ignores and baselines take findings out.
    #[must_use]
    pub fn assign(&self, mut findings: Vec<Finding>) -> Vec<Reported> {
        findings.sort_by(|a, b| (&a.location, a.rule, &a.message).cmp(&(&b.location, b.rule, &b.message)));
        let mut seen: BTreeMap<[u8; 32], u64> = BTreeMap::new();
        findings
            .into_iter()
            .map(|finding| {
                let base = self.base(&finding);
                let number = seen.entry(base).or_default();
                let mut hash = Sha256::new();
                hash.update(base);
                hash.update(number.to_be_bytes());
                *number = number.saturating_add(1);
                let fingerprint = Fingerprint(hex(&hash.finalize()));
                Reported { finding, fingerprint }
            })
            .collect()
    }

    /// What makes the finding itself, hashed.
    fn base(&self, finding: &Finding) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        field(b"cudalint-fingerprint/1");
        field(finding.rule.as_str().as_bytes());
        // A question that stayed open must not hide the failure that its answer may be.
        field(if finding.is_unknown() { b"unknown" } else { b"" });
        match &finding.location {
            Location::File(place) => {
                let text =
                    self.sources.get(&place.file).map(|bytes| place.span.slice(bytes)).unwrap_or_default();
                field(b"file");
                field(self.paths.relative(&place.file).as_bytes());
                field(&collapse(text));
            }
            Location::Layer { path, created_by, .. } => {
                field(b"layer");
                field(image_subject(self.input).as_bytes());
                field(path.as_deref().unwrap_or_default().as_bytes());
                field(&collapse(without_hashes(created_by.as_deref().unwrap_or_default()).as_bytes()));
            }
            Location::Config { key, .. } => {
                field(b"config");
                field(image_subject(self.input).as_bytes());
                field(key.as_bytes());
            }
        }
        hash.finalize().into()
    }
}

/// Lower-case hex digits of bytes.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes with every run of white space as one space, and none at the ends.
fn collapse(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    for word in bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out
}

/// A history line without the content hashes that classic `docker build` writes (`COPY file:3fa9… in /app`): they
/// change with the copied bytes.
fn without_hashes(created_by: &str) -> String {
    let words: Vec<&str> = created_by
        .split_whitespace()
        .map(|word| match word.split_once(':') {
            Some((kind @ ("file" | "dir" | "multi"), rest))
                if rest.len() == 64 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
            {
                kind
            }
            _ => word,
        })
        .collect();
    words.join(" ")
}

/// The image's name without transport, folder, tag and digest, so that a new tag keeps its fingerprints.
fn image_subject(input: &str) -> &str {
    const LOCAL: [&str; 4] = ["oci:", "oci-archive:", "docker-archive:", "dir:"];
    let local = LOCAL.iter().find_map(|transport| input.strip_prefix(transport));
    let name = match local {
        // The path of an archive differs between machines; its last part is what people name it by.
        Some(path) => path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path),
        None => {
            input.strip_prefix("docker://").or_else(|| input.strip_prefix("docker-daemon:")).unwrap_or(input)
        }
    };
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::testing::file_finding;
    use crate::diagnostics::testing::place_in;
    use crate::diagnostics::{Severity, VerdictWord};
    use proptest::prelude::*;

    fn prints(source: &[u8], findings: Vec<Finding>) -> Vec<String> {
        let sources = BTreeMap::from([(Arc::from("Dockerfile"), Arc::from(source))]);
        let paths = PathBase::default();
        Fingerprinter { paths: &paths, input: "Dockerfile", sources: &sources }
            .assign(findings)
            .into_iter()
            .map(|reported| reported.fingerprint.to_string())
            .collect()
    }

    /// One finding at every occurrence of `word`.
    fn at_each(source: &str, word: &str) -> Vec<Finding> {
        source
            .match_indices(word)
            .map(|(at, _)| {
                let mut finding = file_finding("CU301", Severity::Error, "m");
                finding.location =
                    Location::File(place_in("Dockerfile", source.as_bytes(), at, at + word.len()));
                finding
            })
            .collect()
    }

    fn layer(created_by: &str, path: &str) -> Finding {
        let mut finding = file_finding("CU304", Severity::Error, "m");
        finding.location = Location::Layer {
            index: 2,
            digest: "sha256:aa".into(),
            path: Some(path.into()),
            created_by: Some(created_by.into()),
            place: None,
        };
        finding
    }

    fn image_print(input: &str, finding: Finding) -> String {
        let (paths, sources) = (PathBase::default(), BTreeMap::new());
        let mut all = Fingerprinter { paths: &paths, input, sources: &sources }.assign(vec![finding]);
        all.remove(0).fingerprint.to_string()
    }

    proptest! {
        #[test]
        fn moving_lines_keeps_fingerprints(above in "([a-z #]{0,20}\n){0,8}", between in "([a-z #]{0,20}\n){0,4}") {
            let before = "FROM a\nRUN x WORD y\nRUN WORD\n";
            let after = format!("{above}FROM a\nRUN x WORD y\n{between}RUN WORD\n");
            prop_assert_eq!(
                prints(before.as_bytes(), at_each(before, "WORD")),
                prints(after.as_bytes(), at_each(&after, "WORD"))
            );
        }

        #[test]
        fn white_space_inside_a_snippet_does_not_count(gap in "[ \t\r\n]{1,9}") {
            let text = format!("a{gap}b");
            prop_assert_eq!(collapse(text.as_bytes()), b"a b".to_vec());
        }
    }

    #[test]
    fn equal_findings_are_told_apart() {
        let source = "RUN WORD WORD WORD\n";
        let mut all = prints(source.as_bytes(), at_each(source, "WORD"));
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|print| print.len() == 64));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn rule_words_and_openness_count() {
        let source = b"WORD";
        let one = || at_each("WORD", "WORD");
        let mut other_rule = one();
        other_rule[0].rule = crate::diagnostics::RuleId::new("CU302");
        let mut open = one();
        open[0].verdict = Some(VerdictWord::Unknown);
        let mut message = one();
        message[0].message = "for another driver".into();
        assert_ne!(prints(source, one()), prints(source, other_rule));
        assert_ne!(prints(source, one()), prints(source, open));
        assert_eq!(prints(source, one()), prints(source, message));
    }

    #[test]
    fn an_image_keeps_its_fingerprints_over_tags_but_not_over_names() {
        let finding = || layer("RUN apt-get install libnvidia-ml", "/usr/lib/libnvidia-ml.so.1");
        let print = |input: &str| image_print(input, finding());
        assert_eq!(print("registry.example:5000/team/app:1.0"), print("registry.example:5000/team/app:2.0"));
        assert_eq!(print("app"), print(&format!("docker://app:1@sha256:{}", "a".repeat(64))));
        assert_eq!(print("oci:/tmp/a/layout:x"), print("oci:/srv/b/layout"));
        assert_ne!(print("app:1"), print("other:1"));
    }

    #[test]
    fn content_hashes_in_history_do_not_count() {
        let copy =
            |hash: &str| layer(&format!("/bin/sh -c #(nop) COPY file:{} in /x ", hash.repeat(64)), "/x");
        assert_eq!(image_print("app", copy("a")), image_print("app", copy("b")));
        assert_ne!(image_print("app", copy("a")), image_print("app", layer("COPY . /x", "/x")));
    }
}
