//! Lists of GPU architectures that a build is told: by variable, by CMake definition, by nvcc options.

use std::collections::HashMap;

use crate::compat::{ComputeCapability, SmTarget};
use crate::dockerfile::AssignmentKind;
use crate::dockerfile::shell::Action;
use crate::dockerfile::shell::tools::Session;
use crate::facts::{ArchEntry, ArchList, ArchListKind, Facts, Origin, StageId, Word};
use crate::span::Span;

use super::Extraction;
use super::env::references;
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

/// Options that name a compiler's output or a build's folder.
const OUTPUTS: &[&str] =
    &["-o", "-B", "--output-file", "--dist-dir", "--wheel-dir", "-DCMAKE_INSTALL_PREFIX="];

/// How a carrier's list is written.
fn carrier_kind(name: &str) -> Option<ArchListKind> {
    CARRIERS.iter().find(|(carrier, _)| *carrier == name).map(|(_, kind)| *kind)
}

pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    let mut lists = Vec::new();
    assigned(cx, facts, &mut lists);
    let dirs = Workdirs::new(cx);
    let mut found = Vec::new();
    steps::walk(cx, &dirs, |step| {
        if step.at_build() {
            of_step(step, &mut found);
            // A command that passes on what a variable holds has no list of its own.
            found.retain(|list| !passes_on(facts, list, &lists));
            lists.append(&mut found);
        }
    });
    same_place(&mut lists);
    facts.arch_lists.extend(lists);
}

/// Whether a list is written as a reference to a variable with the same list, which is told there.
fn passes_on(facts: &Facts, list: &ArchList, lists: &[ArchList]) -> bool {
    let Some((file, span)) = list.origin.as_file() else { return false };
    let Some(source) = facts.sources.get(file.0) else { return false };
    let written = String::from_utf8_lossy(span.slice(&source.bytes));
    references(&written).iter().any(|name| {
        lists.iter().any(|other| {
            other.carrier == *name && other.raw == list.raw && facts.inherits(list.stage, other.stage)
        })
    })
}

/// Several lists of one place are copies of a command in a loop.
fn same_place(lists: &mut [ArchList]) {
    let mut places: HashMap<Origin, Vec<usize>> = HashMap::new();
    for (at, list) in lists.iter().enumerate() {
        places.entry(list.origin.clone()).or_default().push(at);
    }
    for at in places.into_values().filter(|places| places.len() > 1).flatten() {
        if let Some(list) = lists.get_mut(at) {
            list.variant = true;
        }
    }
}

/// Whether the output of a command, or the folder it runs in, bears the number of the one architecture it is for.
fn bears_number(step: &Step<'_>, list: &ArchList) -> bool {
    let mut targets = list.entries.iter().map(|entry| entry.target.map(|target| target.cc));
    let Some(Some(first)) = targets.next() else { return false };
    if !targets.all(|other| other == Some(first)) {
        return false;
    }
    let number = format!("{}{}", first.major, first.minor);
    let bears = |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == number);
    let folder = step.directory.rsplit('/').next().unwrap_or_default();
    let mut after_option = false;
    bears(folder)
        || step.command().words.iter().any(|word| {
            let text = word.text.as_str();
            let output = after_option
                || OUTPUTS.iter().any(|option| text.len() > option.len() && text.starts_with(option));
            after_option = OUTPUTS.contains(&text);
            output && bears(text)
        })
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
    let mut arguments = Vec::new();
    for stage in &cx.graph.stages {
        for argument in stage.assignments.iter().filter(|one| one.kind == AssignmentKind::Arg) {
            let Some(value) = &argument.value else { continue };
            let name = &argument.name.value;
            if carrier_kind(name).is_none() && !OPTION_CARRIERS.contains(&name.as_str()) {
                continue;
            }
            // ARG without a default takes that of the ARG before the first FROM.
            let global =
                || cx.graph.global_args.iter().rev().find(|global| global.name.value == *name)?.raw.as_ref();
            let (raw, span) = match argument.raw.as_ref().or_else(global) {
                Some(raw) => (raw.value.clone(), raw.span),
                None => (name.clone(), argument.name.span),
            };
            let word = Word { text: value.as_str().map(str::to_owned), raw, origin: cx.origin(span) };
            let place = Place { stage: StageId(stage.index), instruction: argument.instruction };
            of_variable(&word, name, place, &mut arguments);
        }
    }
    lists.retain(|list| !passes_on(facts, list, &arguments));
    lists.append(&mut arguments);
    for list in lists {
        list.compiled = false;
    }
}

fn of_variable(word: &Word, name: &str, place: Place, lists: &mut Vec<ArchList>) {
    let start = lists.len();
    if let Some(kind) = carrier_kind(name) {
        lists.extend(list_of_word(word, kind, name, place));
    } else if OPTION_CARRIERS.contains(&name) {
        lists.extend(lists_of_options(std::slice::from_ref(word), name, place));
    }
    for list in lists.iter_mut().skip(start) {
        name.clone_into(&mut list.variable);
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
    let mut own = lists_of_options(&words, program.name, place);
    for list in &mut own {
        list.variant = bears_number(step, list);
    }
    lists.append(&mut own);
}

/// The lists in the words of a command, or in the value of an option variable.
fn lists_of_options(words: &[Word], carrier: &str, place: Place) -> Vec<ArchList> {
    let mut lists = Vec::new();
    let mut gencode: Option<ArchList> = None;
    let mut arch: Vec<ArchList> = Vec::new();
    let mut code: Option<Slice<'_>> = None;
    for option in options(words) {
        match option {
            Setting::Definition { name, value } => {
                if let Some(kind) = carrier_kind(name.split(':').next().unwrap_or(&name)) {
                    lists.extend(list_of_value(value, kind, &name, place));
                }
            }
            Setting::Arch(value) => arch.extend(nvcc_arch(value, place)),
            Setting::Code(value) => code = Some(value),
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
                    variable: String::new(),
                    compiled: true,
                    variant: false,
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
    // `-code` says what is made of the architecture that `-arch` names.
    if let (Some(code), [list]) = (&code, arch.as_mut_slice())
        && list.entries.iter().all(|entry| entry.target.is_some())
    {
        list.kind = ArchListKind::Gencode;
        list.entries.clear();
        list.complete = code_entries(code, &mut list.entries);
        list.raw.clone_from(&code.text);
        list.origin = code.origin();
        "-code".clone_into(&mut list.carrier);
    }
    lists.append(&mut arch);
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
    /// `-code=value`
    Code(Slice<'w>),
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
                    "-code" | "--gpu-code" => {
                        pending = Some("code");
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
                            ("-code=", "code"),
                            ("--gpu-code=", "code"),
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
                "code" => settings.push(Setting::Code(value)),
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
        if kind == ArchListKind::TorchCudaArchList
            && let Some(named) = torch_name(&part)
        {
            entries.extend(named);
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
        variable: String::new(),
        compiled: true,
        variant: false,
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

/// Names of architectures in TORCH_CUDA_ARCH_LIST: the SASS that they stand for, and whether PTX of the last goes with it
/// (torch.utils.cpp_extension; names whose meaning differs between releases are left out).
const TORCH_NAMES: &[(&str, &[&str], bool)] = &[
    ("Kepler+Tesla", &["3.7"], false),
    ("Kepler", &["3.5"], true),
    ("Maxwell+Tegra", &["5.3"], false),
    ("Maxwell", &["5.0", "5.2"], true),
    ("Pascal", &["6.0", "6.1"], true),
    ("Volta+Tegra", &["7.2"], false),
    ("Volta", &["7.0"], true),
    ("Turing", &["7.5"], true),
    ("Ampere+Tegra", &["8.7"], false),
    ("Ampere", &["8.0", "8.6"], true),
    ("Ada", &["8.9"], true),
    ("Hopper", &["9.0"], true),
    ("Blackwell", &["10.0", "12.0"], true),
];

/// The entries that a name stands for; `None` for anything else.
fn torch_name(part: &Slice<'_>) -> Option<Vec<ArchEntry>> {
    let find = |name: &str| TORCH_NAMES.iter().find(|(known, ..)| *known == name);
    let (name, ptx) = match part.text.strip_suffix("+PTX") {
        Some(name) => (name, true),
        None => (part.text.as_str(), false),
    };
    let (_, numbers, keeps) = find(name)?;
    let last = numbers.len().saturating_sub(1);
    let named = numbers.iter().enumerate();
    Some(
        named
            .map(|(at, number)| entry(part, number.parse().ok(), true, (ptx || *keeps) && at == last))
            .collect(),
    )
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
        variable: String::new(),
        compiled: true,
        variant: false,
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
    code_entries(&value.after(offset), entries)
}

/// `sm_80,compute_80`: one entry a target. Returns whether all of it is known.
fn code_entries(codes: &Slice<'_>, entries: &mut Vec<ArchEntry>) -> bool {
    let mut complete = true;
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
