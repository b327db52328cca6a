//! Typed arguments of one instruction.

use std::collections::HashMap;
use std::ops::Range;

use super::ast::{
    ArgDeclaration, Command, CommandForm, Flag, FromClause, Healthcheck, Instruction, InstructionKind,
    KeyValue, Keyword, PairForm, Problem, ProblemKind, Transfer,
};
use super::heredoc::{self, Marker};
use super::text::LogicalText;
use super::words::{self, Json, spanned};
use crate::span::{Span, Spanned};

/// Typed arguments, or what is wrong with them and where.
type Typed<T> = Result<T, (Span, ProblemKind)>;

/// Reads logical lines into instructions.
#[derive(Debug)]
pub(super) struct Typer<'a> {
    /// The escape character.
    pub escape: char,
    /// Where problems go.
    pub problems: &'a mut Vec<Problem>,
}

/// Where a logical line stands.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    line: &'a LogicalText,
    keyword: Keyword,
    keyword_span: Span,
    markers: &'a [Marker],
}

impl Typer<'_> {
    /// Reads one logical line. `header` is its place; markers are the heredocs of the whole line.
    pub(super) fn instruction(
        &mut self,
        line: &LogicalText,
        header: Span,
        markers: &[Marker],
    ) -> Instruction {
        let whole = words::trim(&line.text, 0..line.text.len());
        self.read(line, whole, header, markers, false)
    }

    fn read(
        &mut self,
        line: &LogicalText,
        range: Range<usize>,
        header: Span,
        markers: &[Marker],
        trigger: bool,
    ) -> Instruction {
        let (word, rest) = words::first_word(&line.text, range);
        let keyword_text = line.get(word.clone());
        let keyword = Keyword::from_word(keyword_text);
        let keyword_span = line.source_span(word);
        let (flags, args_at) = words::flags(line, rest.clone(), self.escape);
        let args = words::trim(&line.text, args_at..rest.end);
        let text = line.slice(args.clone());
        let place = Place { line, keyword, keyword_span, markers };
        let kind = if keyword == Keyword::Unknown {
            self.report(keyword_span, ProblemKind::UnknownInstruction(shorten(keyword_text)));
            InstructionKind::Unknown
        } else if trigger && matches!(keyword, Keyword::Onbuild | Keyword::From | Keyword::Maintainer) {
            self.report(keyword_span, ProblemKind::OnbuildTrigger(keyword));
            InstructionKind::Unknown
        } else {
            self.check_flags(keyword, &flags);
            self.kind(&text, place, args).unwrap_or_else(|(span, problem)| {
                self.report(span, problem);
                InstructionKind::Unknown
            })
        };
        let keyword = Spanned::new(keyword, keyword_span);
        Instruction { span: header, header, keyword, flags, kind, text, heredocs: Vec::new() }
    }

    fn report(&mut self, span: Span, kind: ProblemKind) {
        self.problems.push(Problem { span, kind });
    }

    /// Reports flags that the instruction does not take (BuildKit's instruction parsers list what each takes; ARG
    /// and STOPSIGNAL look at none).
    fn check_flags(&mut self, keyword: Keyword, flags: &[Flag]) {
        let takes: &[&str] = match keyword {
            Keyword::Add => &["chown", "chmod", "link", "keep-git-dir", "checksum", "unpack", "exclude"],
            Keyword::Copy => &["from", "chown", "chmod", "link", "exclude", "parents"],
            Keyword::From => &["platform"],
            Keyword::Healthcheck => &["interval", "timeout", "start-period", "start-interval", "retries"],
            Keyword::Run => &["mount", "network", "security", "device"],
            Keyword::Arg | Keyword::StopSignal => return,
            _ => &[],
        };
        for flag in flags {
            if !takes.contains(&flag.name.value.as_str()) {
                let flag_name = shorten(&flag.name.value);
                self.report(flag.span, ProblemKind::UnknownFlag { keyword, flag: flag_name });
            }
        }
    }

    fn kind(&mut self, text: &LogicalText, place: Place<'_>, args: Range<usize>) -> Typed<InstructionKind> {
        Ok(match place.keyword {
            Keyword::From => InstructionKind::From(self.from(text, place)),
            Keyword::Run => InstructionKind::Run(command(text, 0..text.text.len())?),
            Keyword::Cmd => InstructionKind::Cmd(command(text, 0..text.text.len())?),
            Keyword::Entrypoint => InstructionKind::Entrypoint(command(text, 0..text.text.len())?),
            Keyword::Healthcheck => InstructionKind::Healthcheck(healthcheck(text, place)?),
            Keyword::Env => InstructionKind::Env(self.pairs(text, place)?),
            Keyword::Label => InstructionKind::Label(self.pairs(text, place)?),
            Keyword::Arg => InstructionKind::Arg(self.declarations(text, place)?),
            Keyword::Copy => InstructionKind::Copy(transfer(text, place)?),
            Keyword::Add => InstructionKind::Add(transfer(text, place)?),
            Keyword::Shell => match words::json_array(&text.text) {
                Json::Strings(strings) if !strings.is_empty() => {
                    InstructionKind::Shell(place_strings(text, 0, strings))
                }
                Json::OtherArray => return Err((text.span(), ProblemKind::NotStringArray)),
                _ => return Err(needs(place, "takes a JSON array of at least one string")),
            },
            Keyword::User => InstructionKind::User(one(text, place)?),
            Keyword::Workdir => InstructionKind::Workdir(one(text, place)?),
            Keyword::StopSignal => InstructionKind::StopSignal(one(text, place)?),
            Keyword::Maintainer => InstructionKind::Maintainer(one(text, place)?),
            Keyword::Expose => {
                let ports = words::plain_words(&text.text);
                if ports.is_empty() {
                    return Err(needs(place, "requires at least one argument"));
                }
                InstructionKind::Expose(ports.into_iter().map(|word| spanned(text, word)).collect())
            }
            Keyword::Volume => {
                let (volumes, _) = list(text)?;
                if volumes.is_empty() {
                    return Err(needs(place, "requires at least one argument"));
                }
                InstructionKind::Volume(volumes)
            }
            Keyword::Onbuild => {
                if args.is_empty() {
                    return Err(needs(place, "requires at least one argument"));
                }
                let header = place.line.source_span(args.clone());
                let child = self.read(place.line, args, header, place.markers, true);
                InstructionKind::Onbuild(Box::new(child))
            }
            Keyword::Unknown => InstructionKind::Unknown,
        })
    }

    fn from(&mut self, text: &LogicalText, place: Place<'_>) -> FromClause {
        let words = words::plain_words(&text.text);
        let image = match words.first() {
            Some(word) => spanned(text, word.clone()),
            None => {
                let end = place.keyword_span.end;
                Spanned::new(String::new(), Span::new(end, end))
            }
        };
        let is_as = |word: &Range<usize>| text.get(word.clone()).eq_ignore_ascii_case("as");
        let name = match words.as_slice() {
            [_, word, name] if is_as(word) => Some(spanned(text, name.clone())),
            [_] => None,
            _ => {
                let (span, problem) = needs(place, "requires one argument, or three: image AS name");
                self.report(if words.is_empty() { span } else { text.span() }, problem);
                None
            }
        };
        if let Some(name) = &name {
            let lower = name.value.to_ascii_lowercase();
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            if !lower.starts_with(|ch: char| ch.is_ascii_lowercase()) || !lower.bytes().all(plain) {
                self.report(name.span, ProblemKind::StageName(shorten(&name.value)));
            }
        }
        FromClause { image, name }
    }

    /// ENV and LABEL: `key=value ...`, or the old `key value`.
    fn pairs(&mut self, text: &LogicalText, place: Place<'_>) -> Typed<Vec<KeyValue>> {
        let all = words::quoted_words(&text.text, self.escape);
        let Some(first) = all.first() else {
            return Err(needs(place, "requires at least one argument"));
        };
        if !text.get(first.clone()).contains('=') {
            let (key, value) = words::first_word(&text.text, 0..text.text.len());
            if key.end == text.text.len() {
                return Err(needs(place, "must have two arguments"));
            }
            return Ok(vec![KeyValue {
                key: spanned(text, key),
                value: spanned(text, value.clone()),
                value_range: value,
                form: PairForm::Legacy,
            }]);
        }
        let mut pairs = Vec::with_capacity(all.len());
        for word in all {
            let Some(equals) = text.get(word.clone()).find('=').map(|at| word.start + at) else {
                let shown = shorten(text.get(word.clone()));
                let problem = ProblemKind::MissingEquals { keyword: place.keyword, word: shown };
                return Err((text.source_span(word), problem));
            };
            if equals == word.start {
                return Err((text.source_span(word), ProblemKind::BlankName(place.keyword)));
            }
            let value_range = equals + 1..word.end;
            pairs.push(KeyValue {
                key: spanned(text, word.start..equals),
                value: spanned(text, value_range.clone()),
                value_range,
                form: PairForm::Equals,
            });
        }
        Ok(pairs)
    }

    fn declarations(&mut self, text: &LogicalText, place: Place<'_>) -> Typed<Vec<ArgDeclaration>> {
        let all = words::quoted_words(&text.text, self.escape);
        if all.is_empty() {
            return Err(needs(place, "requires at least one argument"));
        }
        let mut declarations = Vec::with_capacity(all.len());
        for word in all {
            let (name, default) = match text.get(word.clone()).find('=') {
                Some(0) => return Err((text.source_span(word), ProblemKind::BlankName(place.keyword))),
                Some(at) => (word.start..word.start + at, Some(word.start + at + 1..word.end)),
                None => (word, None),
            };
            declarations.push(ArgDeclaration {
                name: spanned(text, name),
                default: default.clone().map(|default| spanned(text, default)),
                default_range: default.unwrap_or_default(),
            });
        }
        Ok(declarations)
    }
}

/// A problem about missing arguments, at the keyword.
fn needs(place: Place<'_>, needs: &'static str) -> (Span, ProblemKind) {
    (place.keyword_span, ProblemKind::Arguments { keyword: place.keyword, needs })
}

/// A word as it is shown in a message.
fn shorten(word: &str) -> String {
    const SHOWN: usize = 60;
    match word.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...", word.get(..at).unwrap_or_default()),
        None => word.to_owned(),
    }
}

/// The whole text as one argument.
fn one(text: &LogicalText, place: Place<'_>) -> Typed<Spanned<String>> {
    if text.text.is_empty() {
        return Err(needs(place, "requires exactly one argument"));
    }
    Ok(spanned(text, 0..text.text.len()))
}

/// Strings of a JSON array with their places; the array began at `at`.
fn place_strings(
    text: &LogicalText,
    at: usize,
    strings: Vec<(String, Range<usize>)>,
) -> Vec<Spanned<String>> {
    let place = |range: Range<usize>| text.source_span(at + range.start..at + range.end);
    strings.into_iter().map(|(value, range)| Spanned::new(value, place(range))).collect()
}

/// A part of the text in shell or exec form.
fn command(text: &LogicalText, range: Range<usize>) -> Typed<Command> {
    let part = text.get(range.clone());
    match words::json_array(part) {
        Json::Strings(strings) => {
            let form = CommandForm::Exec(place_strings(text, range.start, strings));
            Ok(Command { form, json_fallback: false })
        }
        Json::OtherArray => Err((text.source_span(range), ProblemKind::NotStringArray)),
        Json::No => {
            let json_fallback = part.starts_with('[');
            Ok(Command { form: CommandForm::Shell(range), json_fallback })
        }
    }
}

fn healthcheck(text: &LogicalText, place: Place<'_>) -> Typed<Healthcheck> {
    let end = text.text.find(char::is_whitespace).unwrap_or(text.text.len());
    let word = text.get(0..end);
    let rest = words::trim(&text.text, end..text.text.len());
    if word.eq_ignore_ascii_case("none") {
        if !rest.is_empty() {
            return Err(needs(place, "NONE takes no arguments"));
        }
        return Ok(Healthcheck::None);
    }
    if !word.eq_ignore_ascii_case("cmd") {
        return Err(needs(place, "requires CMD or NONE"));
    }
    if rest.is_empty() {
        return Err(needs(place, "requires a command after CMD"));
    }
    Ok(Healthcheck::Cmd(command(text, rest)?))
}

/// A JSON array of strings, or words split at blanks.
fn list(text: &LogicalText) -> Typed<(Vec<Spanned<String>>, bool)> {
    match words::json_array(&text.text) {
        Json::Strings(strings) => Ok((place_strings(text, 0, strings), true)),
        Json::OtherArray => Err((text.span(), ProblemKind::NotStringArray)),
        Json::No => {
            let words = words::plain_words(&text.text);
            Ok((words.into_iter().map(|word| spanned(text, word)).collect(), false))
        }
    }
}

fn transfer(text: &LogicalText, place: Place<'_>) -> Typed<Transfer> {
    let (mut paths, json) = list(text)?;
    let dest = paths.pop();
    let (Some(dest), false) = (dest, paths.is_empty()) else {
        return Err(needs(place, "requires at least one source and a destination"));
    };
    let mut transfer = Transfer { sources: Vec::new(), dest, heredocs: Vec::new(), json };
    // A source is the heredoc whose delimiter it spells; the last one of that name counts.
    let markers = if json { &[] } else { place.markers };
    let by_name: HashMap<&str, usize> =
        markers.iter().enumerate().map(|(index, marker)| (marker.delimiter.as_str(), index)).collect();
    for path in paths {
        let delimiter = heredoc::marker(&path.value).map(|(delimiter, ..)| delimiter);
        match delimiter.and_then(|delimiter| by_name.get(delimiter.as_str())) {
            Some(index) => transfer.heredocs.push(*index),
            None => transfer.sources.push(path),
        }
    }
    Ok(transfer)
}

/// Whether heredocs may follow: RUN, COPY and ADD, also below ONBUILD, unless the arguments are a JSON array.
pub(super) fn takes_heredocs(instruction: &Instruction) -> bool {
    match &instruction.kind {
        InstructionKind::Onbuild(child) => {
            !matches!(child.kind, InstructionKind::Onbuild(_)) && takes_heredocs(child)
        }
        InstructionKind::Run(command) => matches!(command.form, CommandForm::Shell(_)),
        InstructionKind::Copy(transfer) | InstructionKind::Add(transfer) => !transfer.json,
        // Too few paths: BuildKit reads the bodies before it complains.
        InstructionKind::Unknown => matches!(instruction.keyword.value, Keyword::Copy | Keyword::Add),
        _ => false,
    }
}

/// Where the arguments begin in the logical line, for places of markers.
pub(super) fn marker_range(instruction: &Instruction, line: &LogicalText, marker: &Marker) -> Range<usize> {
    let start = line.text.len() - tail_len(instruction, line);
    match (marker.range.start.checked_sub(start), marker.range.end.checked_sub(start)) {
        (Some(start), Some(end)) if end <= instruction.text.text.len() => start..end,
        _ => 0..0,
    }
}

/// Length of the line from the instruction's arguments on; they are its trimmed end.
fn tail_len(instruction: &Instruction, line: &LogicalText) -> usize {
    let trailing = line.text.len() - line.text.trim_end().len();
    instruction.text.text.len() + trailing
}
