//! Lists of GPU architectures that a build is told: by variable, by CMake definition, by nvcc options.

use crate::compat::{ComputeCapability, SmTarget};
use crate::dockerfile::AssignmentKind;
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::Session;
use crate::facts::{ArchEntry, ArchList, ArchListKind, Facts, Origin, StageId, Word};
use crate::span::Span;

use super::Extraction;
use super::steps::{self, Step, Workdirs};
use super::words::{part_origin, shown, value_start};

/// Variables and definitions that carry a list, with how it is written.
const CARRIERS: &[(&str, ArchListKind)] = &[
    ("TORCH_CUDA_ARCH_LIST", ArchListKind::TorchCudaArchList),
    ("CMAKE_CUDA_ARCHITECTURES", ArchListKind::CmakeCudaArchitectures),
    ("CUDAARCHS", ArchListKind::CmakeCudaArchitectures),
    ("CUDA_DOCKER_ARCH", ArchListKind::CmakeCudaArchitectures),
    ("TCNN_CUDA_ARCHITECTURES", ArchListKind::OtherVariable),
    ("CUDA_ARCH_BIN", ArchListKind::OtherVariable),
    ("NVTE_CUDA_ARCHS", ArchListKind::OtherVariable),
    ("FLASH_ATTN_CUDA_ARCHS", ArchListKind::OtherVariable),
    ("CUDA_ARCHITECTURES", ArchListKind::OtherVariable),
];
/// Variables whose value holds options of a compiler or of CMake.
const OPTION_CARRIERS: &[&str] = &[
    "CMAKE_ARGS",
    "NVCC_APPEND_FLAGS",
    "NVCC_PREPEND_FLAGS",
    "NVCC_FLAGS",
    "NVCCFLAGS",
    "CUDAFLAGS",
    "NVCC_GENCODE",
];

/// How a carrier's list is written.
fn carrier_kind(name: &str) -> Option<ArchListKind> {
    CARRIERS.iter().find(|(carrier, _)| *carrier == name).map(|(_, kind)| *kind)
}

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut lists = Vec::new();
    assigned(cx, facts, &mut lists);
    let dirs = Workdirs::new(cx);
    steps::walk(cx, &dirs, |step| {
        if step.at_build() {
            of_step(step, &mut lists);
        }
    });
    facts.arch_lists.extend(lists);
}

/// Lists in ENV and ARG.
fn assigned(cx: &Extraction<'_>, facts: &Facts, lists: &mut Vec<ArchList>) {
    for set in &facts.env_sets {
        let word = Word { text: set.value.clone(), raw: set.raw.clone(), origin: set.value_origin.clone() };
        of_variable(
            &word,
            &set.name,
            Place { stage: set.stage, instruction: cx.instruction_at(&set.instruction) },
            lists,
        );
    }
    for stage in &cx.graph.stages {
        for argument in stage.assignments.iter().filter(|one| one.kind == AssignmentKind::Arg) {
            let (Some(raw), Some(value)) = (&argument.raw, &argument.value) else { continue };
            let word = Word {
                text: value.as_str().map(str::to_owned),
                raw: raw.value.clone(),
                origin: cx.origin(raw.span),
            };
            let place = Place { stage: StageId(stage.index), instruction: argument.instruction };
            of_variable(&word, &argument.name.value, place, lists);
        }
    }
}

fn of_variable(word: &Word, name: &str, place: Place, lists: &mut Vec<ArchList>) {
    if let Some(kind) = carrier_kind(name) {
        lists.extend(list_of_word(word, kind, name, place));
    } else if OPTION_CARRIERS.contains(&name) {
        lists.extend(lists_of_options(std::slice::from_ref(word), name, place));
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    stage: StageId,
    instruction: usize,
}

fn of_step(step: &Step<'_>, lists: &mut Vec<ArchList>) {
    let place = Place { stage: step.stage(), instruction: step.instruction() };
    let command = step.command();
    let inline =
        command.assignments.iter().map(|assignment| (assignment.name.clone(), assignment.value.clone()));
    let program = command.program();
    let by_env = program.iter().flat_map(|program| program.environment.iter().cloned());
    let exported = match step.action {
        Action::Session(Session::Set(set)) => {
            set.variables.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect()
        }
        _ => Vec::new(),
    };
    for (name, value) in inline.chain(by_env).chain(exported) {
        of_variable(&step.executed.word(&value), &name, place, lists);
    }
    // Text that is only shown or written somewhere is no option of a compiler, nor are a package's name or a test.
    let builds = matches!(
        step.action,
        Action::Build(_) | Action::Python(_) | Action::RunScript { .. } | Action::Program
    );
    let Some(program) = program.filter(|_| builds) else { return };
    // nvprune and the like choose from code that is there.
    if matches!(
        program.name,
        "sed" | "grep" | "test" | "[" | "[[" | "awk" | "perl" | "nvprune" | "cuobjdump" | "nvdisasm"
    ) {
        return;
    }
    let words: Vec<Word> = program.args.iter().map(|word| step.executed.word(word)).collect();
    lists.extend(lists_of_options(&words, program.name, place));
}

/// The lists in the words of a command, or in the value of an option variable.
fn lists_of_options(words: &[Word], carrier: &str, place: Place) -> Vec<ArchList> {
    let mut lists = Vec::new();
    let mut gencode: Option<ArchList> = None;
    for option in options(words) {
        match option {
            Setting::Definition { name, value } => {
                if let Some(kind) = carrier_kind(name.split(':').next().unwrap_or(&name)) {
                    lists.extend(list_of_value(value, kind, &name, place));
                }
            }
            Setting::Arch(value) => lists.extend(nvcc_arch(value, place)),
            Setting::Gencode(value) => {
                let list = gencode.get_or_insert_with(|| ArchList {
                    stage: place.stage,
                    kind: ArchListKind::Gencode,
                    entries: Vec::new(),
                    raw: String::new(),
                    complete: true,
                    instruction: place.instruction,
                    origin: value.origin(),
                    carrier: "-gencode".to_owned(),
                });
                if !list.raw.is_empty() {
                    list.raw.push(' ');
                }
                list.raw.push_str(&value.text);
                list.origin = cover(&list.origin, &value.origin());
                list.complete &= gencode_entries(&value, &mut list.entries);
            }
        }
    }
    if let Some(mut list) = gencode {
        if !carrier.is_empty() {
            carrier.clone_into(&mut list.carrier);
        }
        lists.push(list);
    }
    lists
}

/// A part of a word's value.
#[derive(Debug, Clone)]
struct Slice<'w> {
    word: &'w Word,
    /// Where the word's value begins in its file; see [`value_start`].
    base: Option<usize>,
    /// Offset in the word's value.
    start: usize,
    text: String,
}

impl<'w> Slice<'w> {
    fn whole(word: &'w Word) -> Self {
        let text = shown(word);
        Self { word, base: value_start(word, &text), start: 0, text: text.into_owned() }
    }

    fn origin(&self) -> Origin {
        part_origin(self.word, self.base, Span::new(self.start, self.start + self.text.len()))
    }

    /// The bytes from `start` of this part on, as far as `text` goes.
    fn part(&self, start: usize, text: &str) -> Self {
        Self { word: self.word, base: self.base, start: self.start + start, text: text.to_owned() }
    }

    /// What follows the first `skip` bytes.
    fn after(&self, skip: usize) -> Self {
        self.part(skip, self.text.get(skip..).unwrap_or_default())
    }

    /// The parts between separators, empty ones left out.
    fn split(&self, separator: impl Fn(char) -> bool) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut at = 0;
        for piece in self.text.split(separator) {
            if !piece.is_empty() {
                parts.push(self.part(at, piece));
            }
            // Every separator used here is one byte long.
            at += piece.len() + 1;
        }
        parts
    }
}

/// An option that can carry architectures.
enum Setting<'w> {
    /// `-DNAME=value`, or `NAME=value` of make.
    Definition { name: String, value: Slice<'w> },
    /// `-arch=value`
    Arch(Slice<'w>),
    /// `-gencode value`
    Gencode(Slice<'w>),
}

/// The options in words, also in quoted ones that hold several (`ARCH="-gencode a -gencode b"`).
fn options(words: &[Word]) -> Vec<Setting<'_>> {
    let mut settings = Vec::new();
    let mut pending: Option<&str> = None;
    for word in words {
        let whole = Slice::whole(word);
        for piece in whole.split(|c| matches!(c, ' ' | '\t' | '\n')) {
            // `ARCH="-gencode …`: the option begins behind the name.
            let piece = match piece.text.split_once("=-") {
                Some((name, _)) if is_variable(name) => piece.after(name.len() + 1),
                _ => piece,
            };
            let (option, value) = match pending.take() {
                Some(option) => (option, piece),
                None => match piece.text.as_str() {
                    "-gencode" | "--generate-code" => {
                        pending = Some("gencode");
                        continue;
                    }
                    "-arch" | "--gpu-architecture" => {
                        pending = Some("arch");
                        continue;
                    }
                    "-D" => {
                        pending = Some("define");
                        continue;
                    }
                    text => {
                        let joined = [
                            ("-gencode=", "gencode"),
                            ("--generate-code=", "gencode"),
                            ("-arch=", "arch"),
                            ("--gpu-architecture=", "arch"),
                            ("-D", "define"),
                        ];
                        match joined.iter().find(|(prefix, _)| text.starts_with(prefix)) {
                            Some((prefix, option)) => (*option, piece.after(prefix.len())),
                            None => ("define", piece),
                        }
                    }
                },
            };
            match option {
                "gencode" => settings.push(Setting::Gencode(value)),
                "arch" => settings.push(Setting::Arch(value)),
                _ => {
                    if let Some((name, _)) = value.text.split_once('=') {
                        let name = name.to_owned();
                        settings.push(Setting::Definition { value: value.after(name.len() + 1), name });
                    }
                }
            }
        }
    }
    settings
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn cover(first: &Origin, second: &Origin) -> Origin {
    match (first, second) {
        (Origin::File { file, span }, Origin::File { file: other, span: second }) if file == other => {
            Origin::file(*file, span.cover(*second))
        }
        _ => first.clone(),
    }
}

/// The list that a whole word holds.
fn list_of_word(word: &Word, kind: ArchListKind, carrier: &str, place: Place) -> Option<ArchList> {
    list_of_value(Slice::whole(word), kind, carrier, place)
}

/// A list in the value of a carrier. An empty value is no list.
fn list_of_value(value: Slice<'_>, kind: ArchListKind, carrier: &str, place: Place) -> Option<ArchList> {
    if value.text.trim().is_empty() || matches!(value.text.to_ascii_uppercase().as_str(), "OFF" | "FALSE") {
        return None;
    }
    let known = value.word.text.is_some();
    let mut entries = Vec::new();
    let mut complete = known;
    for part in value.split(|c| matches!(c, ';' | ' ' | ',' | '\t')) {
        if !known && part.text.contains('$') {
            continue;
        }
        let entry = match kind {
            ArchListKind::TorchCudaArchList => torch_entry(&part),
            ArchListKind::CmakeCudaArchitectures => cmake_entry(&part),
            _ => plain_entry(&part, carrier),
        };
        complete &= entry.target.is_some() || is_word(&part.text);
        entries.push(entry);
    }
    Some(ArchList {
        stage: place.stage,
        kind,
        entries,
        raw: value.text.clone(),
        complete,
        instruction: place.instruction,
        origin: value.origin(),
        carrier: carrier.to_owned(),
    })
}

/// Whether an entry is a word instead of a number (`native`, `all`, `Kepler`, `Ampere+PTX`).
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'_'))
}

/// TORCH_CUDA_ARCH_LIST: SASS, and PTX too with `+PTX` (torch.utils.cpp_extension).
fn torch_entry(part: &Slice<'_>) -> ArchEntry {
    let upper = part.text.to_ascii_uppercase();
    let ptx = upper.ends_with("+PTX");
    let number = part.text.split('+').next().unwrap_or(&part.text);
    entry(part, number.parse().ok().filter(|_| number.contains('.')), true, ptx)
}

/// CMAKE_CUDA_ARCHITECTURES: `86` both, `86-real` SASS, `86-virtual` PTX; `native` and `all-major` are words.
fn cmake_entry(part: &Slice<'_>) -> ArchEntry {
    let (number, sass, ptx) = if let Some(number) = part.text.strip_suffix("-real") {
        (number, true, false)
    } else if let Some(number) = part.text.strip_suffix("-virtual") {
        (number, false, true)
    } else {
        (part.text.as_str(), true, true)
    };
    // llama.cpp's CUDA_DOCKER_ARCH also takes `compute_86` and `sm_86`, `native` and `all` stay words.
    let (sass, ptx) = match number {
        "native" => (true, false),
        _ => (sass, ptx),
    };
    entry(part, number.parse().ok(), sass, ptx)
}

/// Plain numbers, `86` or `8.6`. tiny-cuda-nn builds both forms; OpenCV's CUDA_ARCH_BIN and the others SASS only.
fn plain_entry(part: &Slice<'_>, carrier: &str) -> ArchEntry {
    entry(part, part.text.parse().ok(), true, carrier == "TCNN_CUDA_ARCHITECTURES")
}

fn entry(part: &Slice<'_>, target: Option<SmTarget>, sass: bool, ptx: bool) -> ArchEntry {
    ArchEntry { target, word: part.text.clone(), sass, ptx, origin: part.origin() }
}

/// Whether a value of `-arch` is one of nvcc's groups.
fn is_group(value: &str) -> bool {
    matches!(value, "native" | "all" | "all-major")
}

/// `-arch=sm_XX` makes SASS and keeps PTX, `-arch=compute_XX` makes PTX only (nvcc's manual, `--gpu-architecture`).
/// Values that are not nvcc's (`-arch=x86_64`, `-march`) are left alone.
fn nvcc_arch(value: Slice<'_>, place: Place) -> Option<ArchList> {
    let virtual_only = value.text.starts_with("compute_");
    if !virtual_only && !value.text.starts_with("sm_") && !is_group(&value.text) {
        return None;
    }
    let target: Option<SmTarget> = value.text.parse().ok();
    let native = value.text == "native";
    let entry = entry(&value, target, !virtual_only, !native);
    Some(ArchList {
        stage: place.stage,
        kind: ArchListKind::NvccArch,
        complete: entry.target.is_some() || is_group(&value.text),
        entries: vec![entry],
        raw: value.text.clone(),
        instruction: place.instruction,
        origin: value.origin(),
        carrier: "-arch".to_owned(),
    })
}

/// `arch=compute_80,code=[sm_80,compute_80]`: one entry a target. Returns whether all of it is known.
fn gencode_entries(value: &Slice<'_>, entries: &mut Vec<ArchEntry>) -> bool {
    let text = value.text.trim_matches(['"', '\'']);
    let arch = text.split_once("arch=").map(|(_, rest)| rest.split(',').next().unwrap_or(rest));
    let code = text.find("code=").map(|at| at + "code=".len());
    let Some(code_start) = code else {
        // Without `code` nvcc makes what `arch` names.
        let Some(arch) = arch else { return false };
        let at = value.text.find(arch).unwrap_or(0);
        let part = value.part(at, arch);
        let target: Option<SmTarget> = arch.parse().ok();
        let known = target.is_some();
        entries.push(entry(&part, target, arch.starts_with("sm_"), arch.starts_with("compute_")));
        return known || is_group(arch);
    };
    let offset = value.text.find(text).unwrap_or(0) + code_start;
    let mut complete = true;
    let codes = value.after(offset);
    for part in codes.split(|c| matches!(c, ',' | '[' | ']' | '"' | '\'')) {
        let (sass, ptx) = if part.text.starts_with("sm_") {
            (true, false)
        } else if part.text.starts_with("compute_") || part.text.starts_with("lto_") {
            (false, part.text.starts_with("compute_"))
        } else {
            complete = false;
            continue;
        };
        let target: Option<SmTarget> = part.text.trim_start_matches("lto_").parse().ok().or_else(|| {
            part.text
                .strip_prefix("lto_")
                .and_then(|digits| digits.parse().ok())
                .and_then(ComputeCapability::from_sm_number)
                .map(SmTarget::plain)
        });
        complete &= target.is_some();
        entries.push(entry(&part, target, sass, ptx));
    }
    complete
}

#[cfg(test)]
#[path = "arch_lists_tests.rs"]
mod tests;
