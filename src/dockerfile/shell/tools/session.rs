//! Commands that change the shell itself: variables, working directory, sourced files.

use crate::dockerfile::shell::word::Word;
use crate::span::Span;

/// Variables that a command sets for those after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVariables {
    /// Name, value and place of `NAME=value`.
    pub variables: Vec<(String, Word, Span)>,
    /// Names without a value: `export NAME`.
    pub names: Vec<Word>,
    /// Programs that run later see them: `export`, `declare -x`.
    pub exported: bool,
}

/// A change of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// Variables.
    Set(SetVariables),
    /// `unset NAME…`
    Unset(Vec<Word>),
    /// `cd`, `pushd`; `None` for the home directory.
    ChangeDirectory(Option<Word>),
    /// `source FILE`, `. FILE`
    Source {
        /// The file.
        file: Word,
        /// Its arguments.
        args: Vec<Word>,
    },
    /// `set -ex`, `shopt`
    Options(Vec<Word>),
}

/// Reads a builtin that changes the shell; `None` for other programs.
#[must_use]
pub fn read(program: &str, words: &[Word]) -> Option<Session> {
    let operands = || words.iter().filter(|word| !word.text.starts_with('-')).cloned();
    match program {
        "export" | "declare" | "typeset" | "local" | "readonly" => {
            let flagged = words
                .iter()
                .take_while(|word| word.text.starts_with('-'))
                .any(|word| word.text.contains('x'));
            let mut set = SetVariables {
                variables: Vec::new(),
                names: Vec::new(),
                exported: program == "export" || flagged,
            };
            for word in operands() {
                match word.assignment() {
                    Some((name, value)) => set.variables.push((name, value, word.span)),
                    None => set.names.push(word),
                }
            }
            Some(Session::Set(set))
        }
        "unset" => Some(Session::Unset(operands().collect())),
        "cd" | "pushd" => Some(Session::ChangeDirectory(operands().next())),
        "source" | "." => {
            let (file, args) = words.split_first()?;
            Some(Session::Source { file: file.clone(), args: args.to_vec() })
        }
        "set" | "shopt" => Some(Session::Options(words.to_vec())),
        _ => None,
    }
}
