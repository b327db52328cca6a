//! The battery: small Dockerfiles and the trees that come out of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

#[path = "dockerfile_battery/load.rs"]
mod load;

use std::fmt::Write as _;

use cudalint::dockerfile::{
    Command, CommandForm, Dockerfile, Healthcheck, Instruction, InstructionKind, KeyValue, PairForm,
};
use cudalint::limits::Limits;
use cudalint::span::{LineIndex, Span, Spanned};

struct Tree<'a> {
    source: &'a [u8],
    index: LineIndex,
    out: String,
}

impl Tree<'_> {
    fn place(&self, span: Span) -> String {
        let start = self.index.line_column(self.source, span.start);
        let end = self.index.line_column(self.source, span.end);
        format!("{}:{}-{}:{}", start.line, start.column, end.line, end.column)
    }

    fn word(&self, word: &Spanned<String>) -> String {
        format!("{:?}@{}", word.value, self.place(word.span))
    }

    fn words(&self, words: &[Spanned<String>]) -> String {
        words.iter().map(|word| self.word(word)).collect::<Vec<_>>().join(" ")
    }

    fn command(&self, instruction: &Instruction, command: &Command) -> String {
        let fallback = if command.json_fallback { " (json fallback)" } else { "" };
        match &command.form {
            CommandForm::Shell(range) => format!("shell {:?}{fallback}", instruction.text.get(range.clone())),
            CommandForm::Exec(words) => format!("exec {}", self.words(words)),
        }
    }

    fn pairs(&self, pairs: &[KeyValue]) -> String {
        let pair = |pair: &KeyValue| {
            let mark = if pair.form == PairForm::Legacy { " legacy" } else { "" };
            format!("{}={}{mark}", self.word(&pair.key), self.word(&pair.value))
        };
        pairs.iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    fn kind(&self, instruction: &Instruction) -> String {
        match &instruction.kind {
            InstructionKind::From(from) => {
                let name =
                    from.name.as_ref().map(|name| format!(" as {}", self.word(name))).unwrap_or_default();
                format!("{}{name}", self.word(&from.image))
            }
            InstructionKind::Run(command)
            | InstructionKind::Cmd(command)
            | InstructionKind::Entrypoint(command)
            | InstructionKind::Healthcheck(Healthcheck::Cmd(command)) => self.command(instruction, command),
            InstructionKind::Healthcheck(Healthcheck::None) => "none".to_owned(),
            InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => self.pairs(pairs),
            InstructionKind::Arg(declarations) => declarations
                .iter()
                .map(|declaration| {
                    let default = declaration.default.as_ref().map(|text| format!("={}", self.word(text)));
                    format!("{}{}", self.word(&declaration.name), default.unwrap_or_default())
                })
                .collect::<Vec<_>>()
                .join(" "),
            InstructionKind::Copy(transfer) | InstructionKind::Add(transfer) => {
                let json = if transfer.json { " json" } else { "" };
                let docs = if transfer.heredocs.is_empty() {
                    String::new()
                } else {
                    format!(" heredocs {:?}", transfer.heredocs)
                };
                format!("{} -> {}{docs}{json}", self.words(&transfer.sources), self.word(&transfer.dest))
            }
            InstructionKind::Shell(words)
            | InstructionKind::Expose(words)
            | InstructionKind::Volume(words) => self.words(words),
            InstructionKind::User(word)
            | InstructionKind::Workdir(word)
            | InstructionKind::StopSignal(word)
            | InstructionKind::Maintainer(word) => self.word(word),
            InstructionKind::Onbuild(_) => "of".to_owned(),
            InstructionKind::Unknown => format!("unknown {:?}", instruction.text.text),
        }
    }

    fn instruction(&mut self, instruction: &Instruction, indent: &str) {
        let mut line = format!("{indent}{} {}", self.place(instruction.span), instruction.keyword.value);
        for flag in &instruction.flags {
            let _ = write!(line, " --{}", flag.name.value);
            if let Some(value) = &flag.value {
                let _ = write!(line, "={}", self.word(value));
            }
            for field in &flag.mount {
                let value = field.value.as_ref().map(|value| self.word(value)).unwrap_or_default();
                let _ = write!(line, " [{}:{value}]", field.key.value);
            }
        }
        let kind = self.kind(instruction);
        let _ = writeln!(self.out, "{line} {kind}");
        if let InstructionKind::Onbuild(child) = &instruction.kind {
            self.instruction(child, "    ");
        }
        for heredoc in &instruction.heredocs {
            let _ = writeln!(
                self.out,
                "{indent}  heredoc {}{:?} {:?} fd={}{}{} body {} {:?} end {}",
                self.place(heredoc.marker),
                instruction.text.get(heredoc.marker_range.clone()),
                heredoc.delimiter,
                heredoc.fd,
                if heredoc.expand { " expand" } else { "" },
                if heredoc.chomp { " chomp" } else { "" },
                self.place(heredoc.body.span),
                heredoc.body.text.text,
                self.place(heredoc.terminator),
            );
        }
    }
}

fn tree(source: &[u8]) -> String {
    let file = Dockerfile::parse(source, &Limits::default());
    let mut tree = Tree { source, index: LineIndex::new(source), out: String::new() };
    if file.escape != '\\' {
        let _ = writeln!(tree.out, "escape {}", file.escape);
    }
    for directive in &file.directives {
        let value = tree.word(&directive.value);
        let _ = writeln!(tree.out, "directive {:?} {value}", directive.name);
    }
    for comment in &file.comments {
        let place = tree.place(comment.span);
        let _ = writeln!(tree.out, "comment {place} {:?}", comment.text);
    }
    for instruction in &file.instructions {
        tree.instruction(instruction, "");
    }
    for problem in &file.problems {
        let place = tree.place(problem.span);
        let _ = writeln!(tree.out, "problem {place} {}", problem.kind);
    }
    tree.out
}

#[test]
fn every_case_has_its_tree() {
    let cases = load::cases();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let mut all = String::new();
    for case in &cases {
        let _ = writeln!(all, "== {}\n{}", case.name, tree(&case.source));
    }
    insta::assert_snapshot!(all);
}
