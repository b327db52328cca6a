//! conda's environment.yml, and the spec files that `conda install --file` and `conda create --file` take.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::span::{Span, Spanned};

use super::{CondaSpec, ManifestError, parse_match_spec};

/// What an environment file declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CondaEnvironment {
    /// Channels in order.
    pub channels: Vec<String>,
    /// Conda packages.
    pub conda: Vec<CondaSpec>,
    /// Entries of `pip:`, as lines of a requirement file.
    pub pip: Vec<Spanned<String>>,
}

/// A node of `dependencies`.
enum Dependency {
    Spec(String),
    Pip(Vec<serde_saphyr::Spanned<String>>),
    Other,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    channels: Option<Vec<Text>>,
    #[serde(default)]
    dependencies: Option<Vec<serde_saphyr::Spanned<Dependency>>>,
}

/// A scalar text; anything else is passed over.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Dependency::deserialize(deserializer)? {
            Dependency::Spec(text) => Self(Some(text)),
            Dependency::Pip(_) | Dependency::Other => Self(None),
        })
    }
}

impl<'de> Deserialize<'de> for Dependency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Dependency;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a package or a `pip:` list")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Dependency::Spec(text.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Dependency::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Dependency::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Dependency::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Dependency::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Dependency::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Dependency::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Dependency::Other;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "pip" {
                        let list = map.next_value::<Option<Vec<serde_saphyr::Spanned<String>>>>()?;
                        found = Dependency::Pip(list.unwrap_or_default());
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(found)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// Reads an environment.yml.
///
/// # Errors
/// When it is no YAML, or its lists are none.
pub fn read_environment_yml(source: &str) -> Result<CondaEnvironment, ManifestError> {
    let file: Option<File> = serde_saphyr::from_str(source).map_err(|error| ManifestError {
        message: error.to_string(),
        span: error.location().map_or_else(|| Span::new(0, 0), |location| span_of(source, location)),
    })?;
    let Some(file) = file else {
        return Ok(CondaEnvironment::default());
    };
    let mut environment = CondaEnvironment {
        channels: file.channels.into_iter().flatten().filter_map(|Text(text)| text).collect(),
        ..CondaEnvironment::default()
    };
    for dependency in file.dependencies.into_iter().flatten() {
        let span = span_of(source, dependency.referenced);
        match dependency.value {
            Dependency::Spec(text) => environment.conda.extend(parse_match_spec(&text, span)),
            Dependency::Pip(lines) => {
                let lines =
                    lines.into_iter().map(|line| Spanned::new(line.value, span_of(source, line.referenced)));
                environment.pip.extend(lines);
            }
            Dependency::Other => {}
        }
    }
    Ok(environment)
}

/// Bytes of a node, without quotes around a scalar.
fn span_of(source: &str, location: serde_saphyr::Location) -> Span {
    let place = location.span();
    let start =
        place.byte_offset().and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0).min(source.len());
    let len = place.byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    let end = start.saturating_add(len).min(source.len());
    let raw = source.get(start..end).unwrap_or_default();
    let trimmed = raw.trim_end();
    for quote in ['"', '\''] {
        if trimmed.len() >= 2 && trimmed.starts_with(quote) && trimmed.ends_with(quote) {
            return Span::new(start + 1, start + trimmed.len() - 1);
        }
    }
    Span::new(start, start + trimmed.len())
}

/// Reads a spec file: a match spec a line, or after `@EXPLICIT` a package URL a line.
#[must_use]
pub fn read_conda_spec_file(source: &str) -> Vec<CondaSpec> {
    let explicit = source.lines().any(|line| line.trim() == "@EXPLICIT");
    let mut specs = Vec::new();
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim();
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        if text.is_empty() || text.starts_with(['#', '@']) {
            continue;
        }
        let span = Span::new(start, start + text.len());
        if explicit || text.contains("://") {
            specs.extend(explicit_url(text, span));
        } else {
            specs.extend(parse_match_spec(text, span));
        }
    }
    specs
}

/// `https://…/linux-64/pytorch-2.5.1-cuda126_py311.conda#md5`.
fn explicit_url(url: &str, span: Span) -> Option<CondaSpec> {
    let path = url.split('#').next().unwrap_or(url);
    let (folder, file) = path.rsplit_once('/')?;
    let stem = file.strip_suffix(".conda").or_else(|| file.strip_suffix(".tar.bz2"))?;
    let (rest, build) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let channel =
        folder.rsplit_once('/').map(|(channel, _)| channel.rsplit('/').next().unwrap_or(channel).to_owned());
    Some(CondaSpec {
        name: name.to_ascii_lowercase(),
        version: Some(version.to_owned()),
        build: Some(build.to_owned()),
        channel,
        explicit: true,
        span,
    })
}

#[cfg(test)]
mod tests {
    use super::super::slice;
    use super::*;

    #[test]
    fn environment_files() {
        let text = "name: app\nchannels:\n  - pytorch\n  - nvidia\n  - 3\ndependencies:\n  - python=3.11\n  - 'pytorch==2.1.0'\n  - pytorch-cuda=12.1  # gpu\n  - pip\n  - pip:\n    - vllm==0.6.3\n    - --extra-index-url https://x.example/whl/cu121\nprefix: /opt\n";
        let environment = read_environment_yml(text).unwrap();
        assert_eq!(environment.channels, ["pytorch", "nvidia"]);
        let specs: Vec<(&str, Option<&str>, &str)> = environment
            .conda
            .iter()
            .map(|spec| (spec.name.as_str(), spec.version.as_deref(), slice(text, spec.span)))
            .collect();
        assert_eq!(
            specs,
            [
                ("python", Some("3.11"), "python=3.11"),
                ("pytorch", Some("2.1.0"), "pytorch==2.1.0"),
                ("pytorch-cuda", Some("12.1"), "pytorch-cuda=12.1"),
                ("pip", None, "pip"),
            ]
        );
        let pip: Vec<&str> = environment.pip.iter().map(|line| slice(text, line.span)).collect();
        assert_eq!(pip, ["vllm==0.6.3", "--extra-index-url https://x.example/whl/cu121"]);
    }

    #[test]
    fn empty_broken_and_hostile_files() {
        assert_eq!(read_environment_yml("").unwrap(), CondaEnvironment::default());
        assert!(read_environment_yml("dependencies: [a, b").is_err());
        let deep = format!("dependencies: {}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(read_environment_yml(&deep).is_err());
        let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
        for level in 0..12 {
            let (this, next) = (char::from(b'a' + level), char::from(b'b' + level));
            bomb.push_str(&format!("{next}: &{next} [{}]\n", vec![format!("*{this}"); 9].join(",")));
        }
        bomb.push_str("dependencies: *m\n");
        assert!(read_environment_yml(&bomb).is_err());
    }

    #[test]
    fn explicit_files() {
        let text = "# platform: linux-64\n@EXPLICIT\nhttps://conda.anaconda.org/conda-forge/linux-64/pytorch-2.5.1-cuda126_py311h1.conda#aa\n";
        let specs = read_conda_spec_file(text);
        assert_eq!(specs.len(), 1);
        assert_eq!(specs[0].name, "pytorch");
        assert_eq!(specs[0].build.as_deref(), Some("cuda126_py311h1"));
        assert_eq!(specs[0].channel.as_deref(), Some("conda-forge"));
        assert!(specs[0].explicit);
        let plain = read_conda_spec_file("pytorch=2.5\n\nnumpy\n");
        assert_eq!(plain.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["pytorch", "numpy"]);
    }
}
