//! Compilers and build tools: definitions, architecture options.

use crate::dockerfile::shell::word::Word;
use crate::span::Span;

/// A call of a compiler or build tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildCommand {
    /// Base name: `cmake`, `make`, `nvcc`, `g++-12`.
    pub program: String,
    /// Its words.
    pub args: Vec<Word>,
    /// `-DNAME=value`, `-D NAME=value`, and `NAME=value` of make.
    pub definitions: Vec<Definition>,
    /// Options that choose GPU architectures.
    pub gencode: Vec<GencodeFlag>,
}

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// From the option to the end of the value.
    pub span: Span,
    /// The name, without a `:TYPE`.
    pub name: String,
    /// The value; empty when none is given.
    pub value: Word,
}

/// An option that chooses GPU architectures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GencodeFlag {
    /// The option and its value.
    pub span: Span,
    /// The option: `-gencode`, `--generate-code`, `-arch`, `--gpu-architecture`, `-code`, `--gpu-code`,
    /// `--cuda-gpu-arch`, `--offload-arch`.
    pub flag: String,
    /// The value: `arch=compute_80,code=sm_80`, `sm_90`, `native`.
    pub value: Word,
}

/// Whether a program of this base name compiles or drives a build.
#[must_use]
pub fn is_build_program(name: &str) -> bool {
    // `gcc-12`, `clang++-17`, `x86_64-linux-gnu-g++`
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').trim_end_matches('-');
    let stem = if stem.ends_with("gcc") || stem.ends_with("g++") {
        stem.rsplit('-').next().unwrap_or(stem)
    } else {
        stem
    };
    matches!(
        stem,
        "make"
            | "gmake"
            | "cmake"
            | "ctest"
            | "ninja"
            | "ninja-build"
            | "meson"
            | "cargo"
            | "go"
            | "bazel"
            | "bazelisk"
            | "nvcc"
            | "gcc"
            | "g++"
            | "cc"
            | "c++"
            | "clang"
            | "clang++"
            | "nvc"
            | "nvc++"
            | "nvfortran"
            | "gfortran"
            | "ld"
            | "scons"
            | "xmake"
            | "rustc"
            | "hipcc"
            | "configure"
            | "b"
    ) || name == "b2"
}

/// Reads the words of a compiler or build tool.
#[must_use]
pub fn read(program: &str, words: &[Word]) -> BuildCommand {
    let make = matches!(program, "make" | "gmake" | "configure" | "scons");
    BuildCommand {
        program: program.to_owned(),
        args: words.to_vec(),
        definitions: definitions(words, make),
        gencode: gencode(words),
    }
}

fn definitions(words: &[Word], make: bool) -> Vec<Definition> {
    let mut found = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let definition = if word.text == "-D" {
            let Some(next) = rest.next() else { break };
            define(next, word.span.cover(next.span))
        } else if word.literal_prefix().starts_with("-D") {
            define(&word.suffix(2), word.span)
        } else if make {
            word.assignment().map(|(name, value)| Definition { span: word.span, name, value })
        } else {
            None
        };
        found.extend(definition);
    }
    found
}

fn define(word: &Word, span: Span) -> Option<Definition> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name.text, value),
        None => {
            (word.text.clone(), Word { span: Span::new(word.span.end, word.span.end), ..Word::default() })
        }
    };
    let name = name.split(':').next().unwrap_or_default().to_owned();
    (!name.is_empty()).then_some(Definition { span, name, value })
}

const GENCODE: &[&str] = &[
    "-gencode",
    "--gencode",
    "--generate-code",
    "-generate-code",
    "-arch",
    "--arch",
    "--gpu-architecture",
    "-gpu-architecture",
    "-code",
    "--code",
    "--gpu-code",
    "-gpu-code",
    "--cuda-gpu-arch",
    "--offload-arch",
];

/// The architecture options among `words`, as nvcc and clang read them. Also for the parts of a quoted list of
/// options (`Word::split`).
#[must_use]
pub fn gencode(words: &[Word]) -> Vec<GencodeFlag> {
    let mut found = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let text = word.text.as_str();
        if GENCODE.contains(&text) {
            let Some(value) = rest.next() else { break };
            found.push(GencodeFlag {
                span: word.span.cover(value.span),
                flag: text.to_owned(),
                value: value.clone(),
            });
            continue;
        }
        if let Some((flag, value)) = word.split_once('=')
            && GENCODE.contains(&flag.text.as_str())
        {
            found.push(GencodeFlag { span: word.span, flag: flag.text, value });
        }
    }
    found
}
