//! The package indexes that an install command asks: options, environment, pip's configuration.

use std::collections::HashMap;

use crate::dockerfile::shell::tools::PythonInstall;
use crate::dockerfile::shell::{self};
use crate::facts::manifest::{IndexRole, classify_index, classify_torch_backend};
use crate::facts::{Origin, PythonIndex, StageId};

use super::super::Extraction;
use super::super::steps::{Step, Variable};

/// One index with its place.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub role: IndexRole,
    /// `None` when the URL cannot be known.
    pub url: Option<String>,
    pub origin: Origin,
}

/// The indexes of one install.
#[derive(Debug, Clone, Default)]
pub(super) struct Indexes {
    pub list: Vec<Index>,
    /// `--no-index`: the default index is not asked.
    pub no_default: bool,
    /// `--torch-backend`, with the value where known.
    pub torch_backend: Option<(Option<String>, Origin)>,
}

/// Members of torch's family, to which `--torch-backend` applies.
const TORCH_BACKEND: &[&str] =
    &["torch", "torchvision", "torchaudio", "torchtext", "torchdata", "triton", "pytorch-triton"];

impl Indexes {
    /// What is in force for a distribution, and the place of the index that names a CUDA version.
    pub fn for_distribution(&self, name: &str) -> (Vec<PythonIndex>, Option<Origin>) {
        if let Some((backend, origin)) = &self.torch_backend
            && TORCH_BACKEND.contains(&name)
        {
            let index = classify_torch_backend(backend.as_deref());
            let place = names_cuda(&index).then(|| origin.clone());
            return (vec![index], place);
        }
        self.all()
    }

    /// The places that name what is asked.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        let backend = self.torch_backend.iter().map(|(_, origin)| origin);
        self.list.iter().map(|index| &index.origin).chain(backend)
    }

    fn all(&self) -> (Vec<PythonIndex>, Option<Origin>) {
        let mut found = Vec::new();
        let mut place = None;
        let primary = self.list.iter().rev().find(|index| index.role == IndexRole::Primary);
        let others = self.list.iter().filter(|index| index.role != IndexRole::Primary);
        match primary {
            Some(primary) if !self.no_default => {
                let index = classify_index(primary.url.as_deref(), IndexRole::Primary);
                if names_cuda(&index) {
                    place = Some(primary.origin.clone());
                }
                found.push(index);
            }
            None if !self.no_default && self.list.iter().any(|index| index.role != IndexRole::Primary) => {
                found.push(PythonIndex::Default);
            }
            _ => {}
        }
        for other in others {
            let index = classify_index(other.url.as_deref(), other.role);
            if names_cuda(&index) && place.is_none() {
                place = Some(other.origin.clone());
            }
            found.push(index);
        }
        if self.no_default && found.is_empty() {
            found.push(PythonIndex::Other);
        }
        (found, place)
    }

    /// Adds an index that a line of a requirement file names: another `--index-url` takes the place of the one before.
    pub fn push(&mut self, role: IndexRole, url: Option<String>, origin: Origin) {
        self.list.push(Index { role, url, origin });
    }
}

pub(super) fn names_cuda(index: &PythonIndex) -> bool {
    matches!(index, PythonIndex::Cuda { .. } | PythonIndex::Nightly(Some(_)))
}

/// pip's configuration as `pip config set` changes it, by stage.
#[derive(Default)]
pub(super) struct PipConfig {
    by_stage: HashMap<StageId, Vec<Index>>,
}

impl PipConfig {
    /// Takes note of `pip config set global.index-url URL`.
    pub fn set(&mut self, step: &Step<'_>, key: &shell::Word, value: &shell::Word) {
        let key = key.text.rsplit('.').next().unwrap_or(&key.text).replace('_', "-");
        let role = match key.as_str() {
            "index-url" => IndexRole::Primary,
            "extra-index-url" => IndexRole::Extra,
            "find-links" => IndexRole::FindLinks,
            _ => return,
        };
        let urls = split_urls(value.literal());
        let origin = step.executed.origin_of(value.span);
        let list = self.by_stage.entry(step.stage()).or_default();
        list.extend(urls.into_iter().map(|url| Index { role, url, origin: origin.clone() }));
    }

    fn of(&self, lineage: &[StageId]) -> impl Iterator<Item = &Index> {
        lineage.iter().filter_map(|stage| self.by_stage.get(stage)).flatten()
    }
}

/// Variables of pip and uv that name indexes, weakest first.
const PIP_VARIABLES: &[(&str, IndexRole)] = &[
    ("PIP_INDEX_URL", IndexRole::Primary),
    ("PIP_EXTRA_INDEX_URL", IndexRole::Extra),
    ("PIP_FIND_LINKS", IndexRole::FindLinks),
];
const UV_VARIABLES: &[(&str, IndexRole)] = &[
    ("UV_INDEX_URL", IndexRole::Primary),
    ("UV_DEFAULT_INDEX", IndexRole::Primary),
    ("UV_EXTRA_INDEX_URL", IndexRole::Extra),
    ("UV_INDEX", IndexRole::Extra),
    ("UV_FIND_LINKS", IndexRole::FindLinks),
];

/// The indexes that a command asks.
pub(super) fn of_command(
    cx: &Extraction<'_>,
    step: &Step<'_>,
    install: &PythonInstall,
    config: &PipConfig,
    lineage: &[StageId],
    is_uv: bool,
) -> Indexes {
    let mut indexes = Indexes { no_default: install.no_index, ..Indexes::default() };
    if !is_uv {
        indexes.list.extend(config.of(lineage).cloned());
    }
    let variables = if is_uv { UV_VARIABLES } else { PIP_VARIABLES };
    for (name, role) in variables {
        let urls = match step.own_variable(cx, name) {
            Variable::Unset => continue,
            Variable::Unknown => vec![None],
            Variable::Known(value) => split_urls(Some(&value)),
        };
        let origin = cx.origin_of_variable(step, name);
        indexes.list.extend(urls.into_iter().map(|url| Index { role: *role, url, origin: origin.clone() }));
    }
    let given = install
        .index_url
        .iter()
        .map(|word| (IndexRole::Primary, word))
        .chain(install.extra_index_urls.iter().map(|word| (IndexRole::Extra, word)))
        .chain(install.find_links.iter().map(|word| (IndexRole::FindLinks, word)));
    for (role, word) in given {
        let origin = step.executed.origin_of(word.span);
        indexes.list.extend(split_urls(word.literal()).into_iter().map(|url| Index {
            role,
            url,
            origin: origin.clone(),
        }));
    }
    indexes.torch_backend = match &install.torch_backend {
        Some(word) => Some((word.literal().map(str::to_owned), step.executed.origin_of(word.span))),
        None if is_uv => match step.own_variable(cx, "UV_TORCH_BACKEND") {
            Variable::Unset => None,
            Variable::Unknown => Some((None, cx.origin_of_variable(step, "UV_TORCH_BACKEND"))),
            Variable::Known(value) => Some((Some(value), cx.origin_of_variable(step, "UV_TORCH_BACKEND"))),
        },
        None => None,
    };
    indexes
}

/// The URLs of a value that may hold several, separated by blanks; `name=` in front of one is uv's name for it.
fn split_urls(value: Option<&str>) -> Vec<Option<String>> {
    let Some(value) = value else { return vec![None] };
    let url = |part: &str| match part.split_once('=') {
        Some((name, url)) if !name.contains([':', '/']) => url.to_owned(),
        _ => part.to_owned(),
    };
    value.split_whitespace().map(|part| Some(url(part))).collect()
}

impl Extraction<'_> {
    /// The place that gives a command a variable: its own assignment, the ENV or ARG, else the command.
    pub(in crate::facts::from_dockerfile) fn origin_of_variable(
        &self,
        step: &Step<'_>,
        name: &str,
    ) -> Origin {
        let inline = step.command().assignments.iter().rev().find(|assignment| assignment.name == name);
        if let Some(assignment) = inline {
            return step.executed.origin_of(assignment.value.span);
        }
        let position = self.position(step.stage().0, step.instruction());
        for ancestor in self.graph.lineage(step.stage().0).into_iter().rev() {
            let end = if ancestor == step.stage().0 { position } else { usize::MAX };
            let set = self
                .graph
                .assignments_in(ancestor, 0..end)
                .filter(|assignment| assignment.name.value == name)
                .last();
            if let Some(assignment) = set {
                let span = assignment.raw.as_ref().map_or(assignment.name.span, |raw| raw.span);
                return self.origin(span);
            }
        }
        step.origin()
    }
}
