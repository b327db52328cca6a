//! GPUs as people name them: product names in any spelling, aliases, `sm_90`, `9.0`, `8.6@consumer`.

use std::fmt;

use serde::Serialize;

use super::tables::{ForwardSupport, GpuClass, GpuModel, Tables};
use super::version::{ComputeCapability, SmSuffix, SmTarget, nearest_note};
use crate::nearest::{edit_distance, nearest};
use crate::span::Span;

/// A GPU: a product, or a compute capability with or without a class.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Gpu {
    /// Its name: the product's, or as it was written.
    pub name: String,
    /// Compute capability.
    pub cc: ComputeCapability,
    /// Product class, where it is known.
    pub class: Option<GpuClass>,
    /// Whether it may use compat packages.
    pub forward_compat: ForwardSupport,
}

impl Gpu {
    /// A product of the table.
    #[must_use]
    pub fn of_model(model: &GpuModel) -> Self {
        Self {
            name: model.name.clone(),
            cc: model.cc,
            class: Some(model.class),
            forward_compat: model.forward_compat,
        }
    }

    /// A compute capability with a class, where one is known. What may use compat packages follows from the class.
    #[must_use]
    pub fn of_capability(cc: ComputeCapability, class: Option<GpuClass>) -> Self {
        let forward_compat = match class {
            Some(GpuClass::Datacenter) => ForwardSupport::Yes,
            Some(GpuClass::Workstation) => ForwardSupport::Selected,
            Some(GpuClass::Consumer) => ForwardSupport::No,
            Some(GpuClass::Tegra) if cc == ComputeCapability::new(8, 7) => ForwardSupport::OwnPackage,
            Some(GpuClass::Tegra) | None => ForwardSupport::Unknown,
        };
        let name = match class {
            Some(class) => format!("{cc}@{class}"),
            None => cc.to_string(),
        };
        Self { name, cc, class, forward_compat }
    }

    /// Reads one GPU.
    ///
    /// # Errors
    ///
    /// What is wrong, where, and near names.
    pub fn parse(text: &str, tables: &Tables) -> Result<Self, GpuError> {
        let error = |problem, span, nearest| {
            Err(GpuError { text: text.chars().take(80).collect(), problem, span, nearest })
        };
        let whole = Span::new(0, text.len());
        let word = text.trim();
        if word.is_empty() {
            return error(GpuProblem::Empty, whole, Vec::new());
        }
        let (name, class) = match word.split_once('@') {
            None => (word, None),
            Some((name, class_word)) => match GpuClass::from_word(class_word.trim()) {
                Some(class) => (name.trim(), Some(class)),
                None => {
                    let start = text.find('@').map_or(0, |at| at + 1);
                    let near = nearest(class_word.trim(), GpuClass::WORDS);
                    let near = near.map(|near| format!("{name}@{near}")).into_iter().collect();
                    return error(GpuProblem::Class, Span::new(start, text.len()), near);
                }
            },
        };
        if let Some(cc) = capability(name) {
            let cc = tables.gpus().canonical(cc);
            return match tables.gpus().sm(cc) {
                Some(row) => Ok(Self::of_capability(cc, class.or(row.tegra.then_some(GpuClass::Tegra)))),
                None if newer_than_known(cc, tables) => Ok(Self::of_capability(cc, class)),
                None => {
                    let near = tables.gpus().sms().iter().min_by_key(|row| row.sm.abs_diff(cc.sm_number()));
                    let near = near.map(|row| row.cc.to_string()).into_iter().collect();
                    error(GpuProblem::Capability, whole, near)
                }
            };
        }
        match find(name, tables) {
            Some(model) => {
                let mut gpu = Self::of_model(model);
                if let Some(class) = class.filter(|class| *class != model.class) {
                    let assumed = Self::of_capability(model.cc, Some(class));
                    gpu.class = assumed.class;
                    gpu.forward_compat = assumed.forward_compat;
                }
                Ok(gpu)
            }
            None => error(GpuProblem::Unknown, whole, near_names(name, tables)),
        }
    }

    /// Whether the GPU is a Tegra part.
    #[must_use]
    pub fn is_tegra(&self, tables: &Tables) -> bool {
        self.class == Some(GpuClass::Tegra)
            || tables.gpus().sm(self.cc).is_some_and(|row| row.tegra && row.min_branch.is_none())
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// A GPU that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("GPU `{text}`: {problem}{}", near_list(.nearest))]
pub struct GpuError {
    /// The text (cut at 80 characters).
    pub text: String,
    /// What is wrong.
    pub problem: GpuProblem,
    /// Where in the text.
    pub span: Span,
    /// Near names that are known, nearest first.
    pub nearest: Vec<String>,
}

/// What can be wrong with a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum GpuProblem {
    /// Nothing was written.
    #[error(
        "a name is missing; write a product (a100), an architecture (sm_80) or a compute capability (8.0)"
    )]
    Empty,
    /// A word after `@` that is no class.
    #[error(
        "there is no such class; there are datacenter, workstation, consumer (geforce) and tegra (jetson)"
    )]
    Class,
    /// A compute capability that no GPU has.
    #[error("no GPU has this compute capability")]
    Capability,
    /// A name that is not in the table.
    #[error(
        "no such GPU is known; an architecture (sm_86) or compute capability (8.6@consumer) works for any"
    )]
    Unknown,
}

fn near_list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => nearest_note(Some(only)).into_owned(),
        [first, rest @ ..] => {
            let mut text = format!("; did you mean `{first}`");
            for name in rest {
                text.push_str(&format!(" or `{name}`"));
            }
            text + "?"
        }
    }
}

/// GPUs separated by commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuList(pub Vec<Gpu>);

impl GpuList {
    /// Reads a list like `h100,l4`; equal GPUs are kept once.
    ///
    /// # Errors
    ///
    /// The first GPU that is not understood; its span is in the whole list.
    pub fn parse(text: &str, tables: &Tables) -> Result<Self, GpuError> {
        let mut gpus: Vec<Gpu> = Vec::new();
        let mut at = 0;
        for part in text.split(',') {
            let gpu = Gpu::parse(part, tables).map_err(|mut error| {
                error.span = Span::new(error.span.start + at, error.span.end + at);
                error
            })?;
            if !gpus.contains(&gpu) {
                gpus.push(gpu);
            }
            at += part.len() + 1;
        }
        Ok(Self(gpus))
    }
}

/// `9.0`, `sm_90`, `compute_90`, `90`; letters of targets (`90a`) name code, not GPUs.
fn capability(name: &str) -> Option<ComputeCapability> {
    let target: SmTarget = name.parse().ok()?;
    (target.suffix == SmSuffix::None).then_some(target.cc)
}

fn newer_than_known(cc: ComputeCapability, tables: &Tables) -> bool {
    tables.gpus().sms().last().is_none_or(|row| cc > row.cc)
}

/// A name as it is compared: lower case letters and digits only, without words that every product has.
fn key(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty() && !matches!(*word, "nvidia" | "geforce" | "tesla" | "quadro"))
        .collect()
}

/// Finds a product by any spelling of it: its name, an alias, what NVML or a Kubernetes node label calls it
/// (`NVIDIA-A100-SXM4-80GB`, `Tesla-T4`, `NVIDIA GeForce RTX 3090`). Words behind the product that name a form factor, a
/// memory size, a MIG slice or sharing are left out one after the other.
#[must_use]
pub fn find<'t>(name: &str, tables: &'t Tables) -> Option<&'t GpuModel> {
    let exact = |wanted: &str| {
        let models = tables.gpus().models();
        models
            .iter()
            .find(|model| {
                model.name.to_lowercase() == wanted.to_lowercase()
                    || model.aliases.iter().any(|alias| alias == &wanted.to_lowercase())
            })
            .or_else(|| {
                let wanted = key(wanted);
                if wanted.is_empty() {
                    return None;
                }
                models.iter().find(|model| {
                    key(&model.name) == wanted || model.aliases.iter().any(|alias| key(alias) == wanted)
                })
            })
    };
    let mut rest: Vec<&str> =
        name.split(|c: char| c.is_whitespace() || c == '-' || c == '_').filter(|w| !w.is_empty()).collect();
    if rest.len() > 16 {
        return None;
    }
    if let Some(model) = exact(name) {
        return Some(model);
    }
    while let Some(last) = rest.last() {
        if !is_variant_word(last) {
            break;
        }
        rest.pop();
        if let Some(model) = exact(&rest.join("-")) {
            return Some(model);
        }
    }
    None
}

/// Whether a word behind a product name tells a variant that shares its compute capability.
fn is_variant_word(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let size = lower.trim_end_matches("gb").trim_end_matches('g');
    let is_size =
        lower != size && !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_form = matches!(
        lower.as_str(),
        "sxm"
            | "sxm2"
            | "sxm3"
            | "sxm4"
            | "sxm5"
            | "sxm6"
            | "pcie"
            | "pci"
            | "nvl"
            | "nvl2"
            | "nvl4"
            | "hbm2"
            | "hbm2e"
            | "hbm3"
            | "hbm3e"
            | "hgx"
            | "dgx"
            | "fhhl"
            | "dgxs"
            | "shared"
            | "generation"
            | "edition"
            | "mig"
            | "super"
            | "d"
            | "laptop"
            | "gpu"
    );
    let is_slice = lower.split_once('g').is_some_and(|(slices, rest)| {
        !slices.is_empty()
            && slices.bytes().all(|b| b.is_ascii_digit())
            && rest.strip_prefix('.').is_some_and(|m| m.ends_with("gb"))
    });
    is_size || is_form || is_slice || lower.strip_prefix("mig").is_some_and(is_variant_word_rest)
}

fn is_variant_word_rest(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_ascii_digit())
}

/// Up to three known names near an unknown one.
fn near_names(name: &str, tables: &Tables) -> Vec<String> {
    let wanted = key(name);
    if wanted.is_empty() {
        return Vec::new();
    }
    let bound = (wanted.chars().count() / 3).clamp(1, 4);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for model in tables.gpus().models() {
        let spellings = std::iter::once(key(&model.name)).chain(model.aliases.iter().map(|alias| key(alias)));
        let Some(distance) = spellings.map(|spelling| edit_distance(&wanted, &spelling)).min() else {
            continue;
        };
        if distance <= bound {
            near.push((distance, &model.name));
        }
    }
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}
