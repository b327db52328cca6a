//! Device code of an image: what builds are told to make, what wheels are known to hold, what files really hold.

use std::sync::Arc;

use crate::compat::tables::image::Arch;
use crate::compat::verdict::Ptx;
use crate::compat::{CudaVersion, DeviceCode, SmSuffix, SmTarget};
use crate::facts::{Compiler, CudaUseKind, Origin, PythonRequirement, StageId};
use crate::rules::Context;

/// A piece of device code that a GPU must find something in.
pub(super) struct Code<'a> {
    /// The code.
    pub(super) code: DeviceCode,
    /// CUDA version of the compiler, for PTX whose ISA version is not known.
    pub(super) toolkit: Option<CudaVersion>,
    /// What it is, for a message.
    pub(super) what: String,
    /// Its place.
    pub(super) origin: Origin,
    /// Whether a list of the build makes it, so that another list makes other code.
    pub(super) built: bool,
    /// The torch wheel that brings it.
    pub(super) torch: Option<&'a PythonRequirement>,
}

/// Everything that is fully known.
pub(super) fn all<'a>(cx: &Context<'a>) -> Vec<Code<'a>> {
    let mut found = lists(cx);
    found.extend(wheels(cx));
    found.extend(torch_image(cx));
    found.extend(files(cx));
    found
}

/// Lists of architectures of builds whose output is shipped. The outputs that a stage makes for one architecture each are
/// one piece.
fn lists<'a>(cx: &Context<'a>) -> Vec<Code<'a>> {
    let facts = cx.facts;
    let mut found: Vec<Code<'a>> = Vec::new();
    let mut variants: Vec<(StageId, usize)> = Vec::new();
    for list in
        facts.arch_lists.iter().filter(|list| list.complete && list.compiled && facts.ships_code(list.stage))
    {
        if list.entries.is_empty() || list.entries.iter().any(|entry| entry.target.is_none()) {
            continue;
        }
        let targets = |wanted: fn(&crate::facts::ArchEntry) -> bool| {
            list.entries.iter().filter(move |entry| wanted(entry)).filter_map(|entry| entry.target)
        };
        let sass = targets(|entry| entry.sass);
        let ptx = targets(|entry| entry.ptx).map(|target| Ptx { target, isa: None });
        if list.variant {
            let known = variants.iter().find(|(stage, _)| *stage == list.stage).map(|(_, at)| *at);
            if let Some(code) = known.and_then(|at| found.get_mut(at)) {
                code.code.sass.extend(sass);
                code.code.ptx.extend(ptx);
                continue;
            }
            variants.push((list.stage, found.len()));
        }
        let toolkit = match facts.compiler(list.stage) {
            Compiler::Known(version, _) => Some(version),
            Compiler::Absent | Compiler::Unknown => facts.base_of(list.stage).and_then(|base| base.cuda),
        };
        found.push(Code {
            code: DeviceCode { sass: sass.collect(), ptx: ptx.collect() },
            toolkit,
            what: format!("`{}`", list.raw),
            origin: list.origin.clone(),
            built: true,
            torch: None,
        });
    }
    found
}

/// PyTorch wheels whose CUDA is known, by the table of their code.
fn wheels<'a>(cx: &Context<'a>) -> Vec<Code<'a>> {
    let facts = cx.facts;
    let mut found = Vec::new();
    for requirement in facts
        .python
        .iter()
        .filter(|requirement| requirement.name == "torch" && facts.ships_packages(requirement.stage))
    {
        let Some(version) = requirement.exact.as_deref() else { continue };
        let used = facts.cuda.iter().find(|used| {
            used.kind == CudaUseKind::Wheel && used.origin == requirement.origin && !used.major_only
        });
        let Some(used) = used else { continue };
        let what = format!("torch {version} for CUDA {}", used.version.minor_only());
        // The same wheel again, for its dependencies or in another stage, is the same finding.
        if found.iter().any(|code: &Code| code.what == what) {
            continue;
        }
        let Some(code) = torch_code(cx, version, used.version) else { continue };
        found.push(Code {
            code,
            toolkit: Some(used.version.minor_only()),
            what,
            origin: requirement.origin.clone(),
            built: false,
            torch: Some(requirement),
        });
    }
    found
}

/// The torch of a pytorch/pytorch image, by its tag (`2.5.1-cuda12.4-cudnn9-runtime`), unless another is installed.
fn torch_image<'a>(cx: &Context<'a>) -> Option<Code<'a>> {
    let facts = cx.facts;
    let base = facts.final_base().filter(|base| base.repository.as_deref() == Some("pytorch/pytorch"))?;
    let replaced = facts
        .python
        .iter()
        .any(|requirement| requirement.name == "torch" && facts.in_final_lineage(requirement.stage));
    let version = base.tag.as_deref()?.split('-').next().filter(|_| !replaced)?;
    let cuda = base.cuda?.minor_only();
    Some(Code {
        code: torch_code(cx, version, cuda)?,
        toolkit: Some(cuda),
        what: format!("torch {version} for CUDA {cuda}"),
        origin: base.origin.clone(),
        built: false,
        torch: None,
    })
}

/// The code in PyTorch's own builds of a version.
fn torch_code(cx: &Context<'_>, version: &str, cuda: CudaVersion) -> Option<DeviceCode> {
    let row = cx.tables.wheels().torch_arch(version, cuda)?;
    let sass = row.sass(Arch::from_word(cx.target.architecture())?)?;
    let plain = |cc: &crate::compat::ComputeCapability| SmTarget { cc: *cc, suffix: SmSuffix::None };
    Some(DeviceCode {
        sass: sass.iter().map(plain).collect(),
        ptx: row.ptx.as_ref()?.iter().map(|cc| Ptx { target: plain(cc), isa: None }).collect(),
    })
}

/// Files of a built image. NVIDIA's own libraries choose by themselves and are left out.
fn files<'a>(cx: &Context<'a>) -> Vec<Code<'a>> {
    let Some(image) = &cx.facts.image else { return Vec::new() };
    image
        .device_code
        .iter()
        .filter(|file| {
            !file.vendor_library && file.complete && !(file.sass.is_empty() && file.ptx.is_empty())
        })
        .map(|file| Code {
            code: DeviceCode {
                sass: file.sass.clone(),
                ptx: file.ptx.iter().map(|(target, isa)| Ptx { target: *target, isa: Some(*isa) }).collect(),
            },
            toolkit: None,
            what: Arc::clone(&file.path).to_string(),
            origin: file.origin.clone(),
            built: false,
            torch: None,
        })
        .collect()
}

/// The targets for a message: `sm_80, sm_90, PTX compute_90`.
pub(super) fn listed(code: &DeviceCode) -> String {
    let mut words: Vec<String> = code.sass.iter().map(|target| target.sm_name()).collect();
    words.extend(code.ptx.iter().map(|ptx| format!("PTX {}", ptx.target.compute_name())));
    words.dedup();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
