//! Python code, modules and scripts handed to the interpreter.

use crate::dockerfile::shell::word::Word;

/// Python source text that a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonCode {
    /// The text with its place; see [`Word::map`] for places inside it.
    pub text: Word,
}

/// Whether `name` is a Python interpreter: `python`, `python3.11`, `pypy3`.
#[must_use]
pub fn is_python(name: &str) -> bool {
    let rest = name
        .strip_prefix("python")
        .or_else(|| name.strip_prefix("pypy"))
        .or_else(|| name.strip_prefix("ipython"));
    rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// The code of `python -c CODE` and where the interpreter's script operand begins.
pub(super) enum Interpreter<'w> {
    /// `-c CODE`
    Code(&'w Word),
    /// `-m MODULE ARGS`
    Module(&'w Word, &'w [Word]),
    /// `script.py ARGS`
    Script(&'w Word, &'w [Word]),
    /// It reads standard input.
    Stdin,
}

/// Reads the words of a Python interpreter.
pub(super) fn interpreter(words: &[Word]) -> Interpreter<'_> {
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        let text = word.text.as_str();
        rest = after;
        match text {
            "-" => return Interpreter::Stdin,
            "-W" | "-X" | "--check-hash-based-pycs" => rest = rest.get(1..).unwrap_or_default(),
            _ if text.starts_with("--") => {}
            _ if text.starts_with('-') => {
                let letters = text.get(1..).unwrap_or_default();
                match letters.find(['c', 'm']) {
                    // `-mpip`, `-Im pip`
                    Some(at) if letters.get(at + 1..).is_some_and(str::is_empty) => {
                        let Some((value, args)) = rest.split_first() else { return Interpreter::Stdin };
                        return if letters.ends_with('c') {
                            Interpreter::Code(value)
                        } else {
                            Interpreter::Module(value, args)
                        };
                    }
                    _ => {}
                }
            }
            _ => return Interpreter::Script(word, after),
        }
    }
    Interpreter::Stdin
}
