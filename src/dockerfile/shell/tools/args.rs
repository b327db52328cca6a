//! Splits a program's words into options and operands.

use crate::dockerfile::shell::word::{PieceKind, Word};
use crate::span::Span;

/// An option of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The option word (for `-yq` the whole word), with its value where that is a word of its own.
    pub span: Span,
    /// The option with its dashes and without its value: `--index-url`, `-y`.
    pub name: String,
    /// Its value, from `--name=value`, `-nvalue` or the next word.
    pub value: Option<Word>,
}

/// How a program reads its options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    /// Options that take a value.
    pub valued: &'static [&'static str],
    /// Options with one dash and a long name (`-gencode`): letters are not split.
    pub long_single: bool,
}

impl Spec {
    pub const fn new(valued: &'static [&'static str]) -> Self {
        Self { valued, long_single: false }
    }
}

/// Options and operands in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Args {
    pub flags: Vec<Flag>,
    pub operands: Vec<Word>,
}

impl Args {
    pub fn parse(words: &[Word], spec: Spec) -> Self {
        let mut args = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word.text == "--" {
                args.operands.extend(rest.cloned());
                break;
            }
            let literal = word.literal_prefix();
            if !literal.starts_with('-') || word.text.len() < 2 {
                args.operands.push(word.clone());
                continue;
            }
            if literal.starts_with("--") || spec.long_single {
                args.long(word, &mut rest, spec);
            } else {
                args.short(word, &mut rest, spec);
            }
        }
        args
    }

    fn long(&mut self, word: &Word, rest: &mut std::slice::Iter<'_, Word>, spec: Spec) {
        if let Some((name, value)) = word.split_once('=') {
            self.flags.push(Flag { span: word.span, name: name.text, value: Some(value) });
            return;
        }
        let name = word.text.clone();
        let value = if spec.valued.contains(&name.as_str()) { rest.next().cloned() } else { None };
        let span = value.as_ref().map_or(word.span, |value| word.span.cover(value.span));
        self.flags.push(Flag { span, name, value });
    }

    fn short(&mut self, word: &Word, rest: &mut std::slice::Iter<'_, Word>, spec: Spec) {
        let literal = word.literal_prefix();
        for (at, letter) in literal.char_indices().skip(1) {
            let name = format!("-{letter}");
            if !spec.valued.contains(&name.as_str()) {
                self.flags.push(Flag { span: word.span, name, value: None });
                continue;
            }
            let after = at + letter.len_utf8();
            let value = if after < word.text.len() {
                let equals = literal.get(after..).is_some_and(|rest| rest.starts_with('='));
                Some(word.suffix(after + usize::from(equals)))
            } else {
                rest.next().cloned()
            };
            let span = value.as_ref().map_or(word.span, |value| word.span.cover(value.span));
            self.flags.push(Flag { span, name, value });
            return;
        }
    }

    pub fn has(&self, names: &[&str]) -> bool {
        has(&self.flags, names)
    }

    /// The last value given for one of `names`.
    pub fn value(&self, names: &[&str]) -> Option<&Word> {
        self.values(names).pop()
    }

    /// All values given for `names`.
    pub fn values(&self, names: &[&str]) -> Vec<&Word> {
        let named = self.flags.iter().filter(|flag| names.contains(&flag.name.as_str()));
        named.filter_map(|flag| flag.value.as_ref()).collect()
    }

    pub fn cloned(&self, names: &[&str]) -> Vec<Word> {
        self.values(names).into_iter().cloned().collect()
    }

    /// Takes the first operand off: the subcommand.
    pub fn subcommand(&mut self) -> Option<Word> {
        (!self.operands.is_empty()).then(|| self.operands.remove(0))
    }
}

/// Whether one of `names` is among the options.
pub(super) fn has(flags: &[Flag], names: &[&str]) -> bool {
    flags.iter().any(|flag| names.contains(&flag.name.as_str()))
}

/// Whether the word is nothing but expansions.
pub(super) fn is_expansion(word: &Word) -> bool {
    !word.pieces.is_empty() && word.pieces.iter().all(|piece| piece.kind != PieceKind::Literal)
}
