//! What the tests of extractors share: facts of a text, with a build context of texts.

use super::{BuildContext, ContextFile, DockerfileInput, Extracted, from_dockerfile};
use crate::compat::Tables;
use crate::dockerfile::BuildOptions;
use crate::facts::{Facts, Origin};
use crate::limits::Limits;

/// A build context of texts by path.
pub(super) struct Files<'a>(pub &'a [(&'a str, &'a str)]);

impl BuildContext for Files<'_> {
    fn read(&self, path: &str) -> ContextFile {
        match self.0.iter().find(|(name, _)| *name == path) {
            Some((name, text)) => {
                ContextFile::Found { name: (*name).to_owned(), bytes: text.as_bytes().to_vec() }
            }
            None => ContextFile::Missing,
        }
    }
}

/// Facts of a Dockerfile with a build context.
pub(super) fn extracted(text: &str, files: &[(&str, &str)]) -> Extracted {
    let input = DockerfileInput {
        name: "Dockerfile",
        source: text.as_bytes(),
        options: BuildOptions::default(),
        context: &Files(files),
        base_config: &|_| None,
    };
    from_dockerfile(input, Tables::builtin(), &Limits::default())
}

/// Facts of a Dockerfile with a build context.
pub(super) fn facts_with(text: &str, files: &[(&str, &str)]) -> Facts {
    extracted(text, files).facts
}

/// Facts of a Dockerfile alone.
pub(super) fn facts(text: &str) -> Facts {
    facts_with(text, &[])
}

/// The text that an origin points at.
pub(super) fn at<'f>(facts: &'f Facts, origin: &Origin) -> &'f str {
    let Some((file, span)) = origin.as_file() else { return "no file" };
    let bytes = facts.sources.get(file.0).map_or(&[][..], |source| span.slice(&source.bytes));
    std::str::from_utf8(bytes).unwrap_or("no text")
}
