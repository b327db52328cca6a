//! What the tests of the families share: facts of a text, and the text that a fact points to.

use super::{BuildContext, ContextFile, DockerfileInput, Extracted, NoContext, from_dockerfile};
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

fn extract(source: &str, options: BuildOptions, context: &dyn BuildContext) -> Extracted {
    let input = DockerfileInput {
        name: "Dockerfile",
        source: source.as_bytes(),
        options,
        context,
        base_config: &|_, _| None,
    };
    from_dockerfile(input, Tables::builtin(), &Limits::default())
}

/// Facts and problems of a Dockerfile with a build context.
pub(super) fn extracted(source: &str, files: &[(&str, &str)]) -> Extracted {
    extract(source, BuildOptions::default(), &Files(files))
}

/// Facts of a Dockerfile with a build context.
pub(super) fn facts_in(source: &str, files: &[(&str, &str)]) -> Facts {
    extracted(source, files).facts
}

/// Facts of a Dockerfile without build context, by the built-in tables.
pub(in crate::facts) fn facts(source: &str) -> Facts {
    facts_with(source, BuildOptions::default())
}

/// The same with build options.
pub(in crate::facts) fn facts_with(source: &str, options: BuildOptions) -> Facts {
    extract(source, options, &NoContext).facts
}

/// The text at a place.
pub(in crate::facts) fn at<'a>(facts: &'a Facts, origin: &Origin) -> &'a str {
    let (file, span) = origin.as_file().unwrap();
    std::str::from_utf8(span.slice(&facts.sources[file.0].bytes)).unwrap()
}
