//! What would help against a failing target: the engine's cures, each checked against every pool, in words and as edits.

use super::support::written;
use super::{Context, Draft};
use crate::compat::cure::{Cure, Situation, cures_for_all};
use crate::compat::image::CudaTag;
use crate::compat::tables::image::Arch;
use crate::compat::{CudaVersion, DeviceCode, DriverSet};
use crate::diagnostics::Safety;
use crate::facts::{Base, BaseKind, Origin, PythonRequirement};

/// What fails, and what of it could be changed.
#[derive(Clone, Copy, Default)]
pub(super) struct Failing<'a> {
    /// The CUDA version that must run.
    pub(super) cuda: Option<CudaVersion>,
    /// Code that must fit the GPUs.
    pub(super) code: Option<&'a DeviceCode>,
    /// The nvidia/cuda image whose tag could be another one.
    pub(super) base: Option<&'a Base>,
    /// The torch wheel whose index could be another one.
    pub(super) torch: Option<&'a PythonRequirement>,
    /// Requirements that stay as they are, save where the base changes.
    pub(super) requirements: &'a [String],
    /// Drivers for pools that name none; without them such pools are not asked about.
    pub(super) any_driver: Option<&'a DriverSet>,
}

/// The changes that hold for every pool of the target, least disturbing first. None where a pool cannot be asked about.
pub(super) fn cures(cx: &Context<'_>, failing: &Failing<'_>) -> Vec<Cure> {
    let Some(arch) = Arch::from_word(cx.target.architecture()) else { return Vec::new() };
    let tag = failing.base.and_then(|base| tag_of(cx, base));
    let mut situations = Vec::new();
    for pool in cx.target.pools() {
        if pool.l4t.is_some() {
            return Vec::new();
        }
        let Some(drivers) = pool.drivers.as_ref().or(failing.any_driver) else { continue };
        situations.push(Situation {
            drivers,
            gpus: &pool.gpus,
            cuda: failing.cuda,
            code: failing.code,
            base: tag.as_ref(),
            arch,
            torch: failing.torch.and_then(|torch| torch.exact.as_deref()),
            requirements: failing.requirements,
            requirements_checked: cx.target.host().checks_requirements(),
        });
    }
    let mut cures = cures_for_all(&situations, cx.tables);
    cures.retain(|cure| !matches!(cure, Cure::BaseTag { cuda, .. } if !compiles(cx, *cuda)));
    cures
}

/// The tag, where the image is NVIDIA's own.
fn tag_of(cx: &Context<'_>, base: &Base) -> Option<CudaTag> {
    // A digest beside the tag decides alone, and another stage's image is not what is shipped.
    let own = base.kind == BaseKind::Cuda && !base.digest && cx.facts.final_base() == Some(base);
    CudaTag::parse(base.tag.as_deref().filter(|_| own)?)
}

/// Whether a toolkit can compile for every architecture that the Dockerfile asks for.
fn compiles(cx: &Context<'_>, cuda: CudaVersion) -> bool {
    let Some(toolkit) = cx.tables.toolkits().closest(cuda) else { return false };
    let entries = cx.facts.arch_lists.iter().flat_map(|list| &list.entries);
    entries.filter_map(|entry| entry.target).all(|target| toolkit.can_target(target))
}

/// The changes as help: `build on nvidia/cuda:…; or update the driver to …`; `None` without any.
pub(super) fn in_words(cures: &[Cure]) -> Option<String> {
    let words: Vec<String> = cures.iter().map(ToString::to_string).collect();
    (!words.is_empty()).then(|| words.join("; or "))
}

/// Offers the changes that are edits of the input.
pub(super) fn offer<'s, 'a>(
    mut draft: Draft<'s, 'a>,
    cx: &Context<'_>,
    failing: &Failing<'_>,
    cures: &[Cure],
) -> Draft<'s, 'a> {
    for cure in cures {
        let edit = match cure {
            Cure::BaseTag { tag, .. } => failing
                .base
                .and_then(|base| base.tag_origin.as_ref())
                .map(|origin| (origin.clone(), tag.clone())),
            Cure::WheelIndex { variant, .. } => {
                failing.torch.and_then(|torch| index_edit(cx, torch, variant))
            }
            _ => None,
        };
        if let Some(edit) = edit {
            draft = draft.fix(Safety::Unsafe, cure.to_string(), &[edit]);
        }
    }
    draft
}

/// The index's URL with another variant; `None` where the URL does not name it literally and once, or the version does.
fn index_edit(cx: &Context<'_>, torch: &PythonRequirement, variant: &str) -> Option<(Origin, String)> {
    if torch.local_cuda.is_some() {
        return None;
    }
    let origin = torch.index_origin.as_ref()?;
    let text = std::str::from_utf8(written(cx.facts, origin)?).ok()?;
    let mut parts = text.split('/');
    let is_variant = |part: &&str| {
        part.trim_end_matches(['"', '\''])
            .strip_prefix("cu")
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (old, None) = (parts.find(is_variant)?, parts.find(is_variant)) else { return None };
    let old = old.trim_end_matches(['"', '\'']);
    Some((origin.clone(), text.replacen(&format!("/{old}"), &format!("/{variant}"), 1)))
}
