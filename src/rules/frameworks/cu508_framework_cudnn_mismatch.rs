//! CU508: a framework loads another cuDNN major than the image has.

use super::{has_conda, installs, is_cpu, shipped_python, tag_tells_cuda};
use crate::compat::Tables;
use crate::diagnostics::{RuleId, Severity};
use crate::facts::{Base, BaseKind, Facts, PythonIndex, PythonRequirement};
use crate::rules::{Context, Rule, Sink};

pub(super) struct FrameworkCudnnMismatch;

impl Rule for FrameworkCudnnMismatch {
    fn id(&self) -> RuleId {
        RuleId::new("CU508")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU508-framework-cudnn-mismatch.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        let Some(base) = facts.final_base() else { return };
        let Some(present) = present(facts, base) else { return };
        let mut seen = Vec::new();
        for requirement in shipped_python(facts) {
            let Some(needed) = needed(cx.tables, facts, requirement) else { continue };
            if present.contains(&needed.major)
                || seen.contains(&requirement.name)
                || own_cudnn(facts, requirement, needed.major)
            {
                continue;
            }
            seen.push(requirement.name.clone());
            let torch = torch_cudnn(cx.tables, facts) == Some(needed.major);
            let severity = if needed.certain && !torch { Severity::Error } else { Severity::Warning };
            let have = match present.first() {
                Some(major) => format!("the image has cuDNN {major}"),
                None if torch_wheel(facts).is_some() => {
                    "the image has none but that of the torch wheel, which is found only when torch is imported first"
                        .to_owned()
                }
                None => "the image has no cuDNN".to_owned(),
            };
            let version =
                requirement.exact.as_deref().map_or_else(String::new, |version| format!(" {version}"));
            let currently = if needed.certain { "" } else { "currently " };
            out.finding(
                &requirement.origin,
                format!(
                    "`{}`{version} {currently}loads libcudnn.so.{}; {have}",
                    requirement.name, needed.major
                ),
            )
            .severity(severity)
            .related(&base.origin, "the image's cuDNN")
            .help(format!(
                "use a base image with cuDNN {}, or a version of `{}` for the one it has",
                needed.major, requirement.name
            ))
            .emit();
        }
    }
}

struct Needed {
    major: u32,
    /// The version is pinned, so the answer does not move.
    certain: bool,
}

/// cuDNN majors in the final image; `None` when that cannot be known.
fn present(facts: &Facts, base: &Base) -> Option<Vec<u32>> {
    let plain = base.kind == BaseKind::Plain;
    if !tag_tells_cuda(base) && !plain {
        return None;
    }
    let mut majors: Vec<u32> = base.cudnn.iter().map(|version| version.major()).collect();
    if base.kind == BaseKind::Cuda && majors.is_empty() && !base.cudnn_known {
        return None;
    }
    for package in
        facts.packages.iter().filter(|package| facts.in_final_lineage(package.stage) && !package.removed)
    {
        let Some(rest) = package.name.strip_prefix("libcudnn").or_else(|| package.name.strip_prefix("cudnn"))
        else {
            continue;
        };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let version = package.version.as_deref().and_then(|version| version.split('.').next());
        majors.push(digits.parse().ok().or_else(|| version.and_then(|major| major.parse().ok()))?);
    }
    // Copied libraries, archives and conda may bring one: then nothing is said.
    let brought = facts.copies.iter().any(|copy| {
        facts.in_final_lineage(copy.stage)
            && copy
                .sources
                .iter()
                .chain([&copy.destination])
                .any(|word| word.text.as_deref().unwrap_or(&word.raw).contains("cudnn"))
    }) || facts.commands.iter().any(|command| {
        facts.in_final_lineage(command.stage)
            && command
                .program
                .as_deref()
                .is_some_and(|program| ["tar", "cp", "curl", "wget", "dpkg"].contains(&program))
            && command.args.iter().any(|word| word.text.as_deref().unwrap_or(&word.raw).contains("cudnn"))
    }) || has_conda(facts, facts.target, &["cudnn"]);
    // A plain distribution without any cuDNN is judged only when the framework is there for the GPU; others run it on the CPU.
    if brought
        || (plain
            && majors.is_empty()
            && facts.payload.iter().all(|payload| !payload.what.contains("onnxruntime-gpu")))
    {
        return None;
    }
    Some(majors)
}

fn needed(tables: &Tables, facts: &Facts, requirement: &PythonRequirement) -> Option<Needed> {
    // Another index may serve another build: Microsoft's feeds of onnxruntime-gpu do.
    let foreign = requirement.indexes.iter().any(|index| matches!(index, PythonIndex::Other));
    if is_cpu(requirement) || foreign || requirement.url.is_some() || !requirement.extras.is_empty() {
        return None;
    }
    let name = requirement.name.as_str();
    match name {
        "onnxruntime-gpu" | "ctranslate2" | "tensorflow" => {}
        // faster-whisper brings the newest CTranslate2 unless that is named as well.
        "faster-whisper" | "whisperx" => {
            if installs(facts, requirement.stage, &["ctranslate2"])
                || requirement.locked
                || requirement.constrained
            {
                return None;
            }
            let major = tables.frameworks().newest("ctranslate2")?.cudnn?;
            return Some(Needed { major, certain: false });
        }
        _ => return None,
    }
    match &requirement.exact {
        Some(version) => {
            tables.frameworks().needs(name, version)?.cudnn.map(|major| Needed { major, certain: true })
        }
        None if requirement.locked || requirement.constrained => None,
        None => within_bounds(tables, requirement),
    }
}

/// What the newest version that the bounds allow loads, for pip takes that one.
fn within_bounds(tables: &Tables, requirement: &PythonRequirement) -> Option<Needed> {
    let name = requirement.name.as_str();
    let Some(bounds) = &requirement.specifiers else {
        let open = !requirement.bounded && name != "tensorflow";
        let major = tables.frameworks().newest(name).filter(|_| open)?.cudnn?;
        return Some(Needed { major, certain: false });
    };
    let allowed = tables.frameworks().within(name, bounds);
    let major = allowed.last()?.cudnn?;
    let certain = allowed.iter().all(|row| row.cudnn == Some(major));
    (certain || name != "tensorflow").then_some(Needed { major, certain })
}

/// Whether a cuDNN wheel of the right major is installed beside it.
fn own_cudnn(facts: &Facts, requirement: &PythonRequirement, major: u32) -> bool {
    facts.python.iter().any(|other| {
        other.name.starts_with("nvidia-cudnn-cu")
            && facts.inherits(facts.target, other.stage)
            && facts.is_shipped(requirement.stage)
            && other
                .exact
                .as_deref()
                .is_none_or(|version| version.split('.').next() == Some(major.to_string().as_str()))
    })
}

/// cuDNN major that the torch wheel of the image bundles: found when torch is imported first.
fn torch_cudnn(tables: &Tables, facts: &Facts) -> Option<u32> {
    let torch = torch_wheel(facts)?;
    let row = tables.wheels().torch(torch.exact.as_deref()?)?;
    row.cudnn.as_ref()?.split('.').next()?.parse().ok()
}

fn torch_wheel(facts: &Facts) -> Option<&PythonRequirement> {
    shipped_python(facts).find(|requirement| requirement.name == "torch" && !is_cpu(requirement))
}
