//! One level of text: operators, reserved words, redirections, and the compound commands that are open.

mod compound;
mod redirect;

use super::heredoc::HeredocHead;
use super::lex::{self, Lexed, Style};
use super::scan::{Item, Place, Scanner};
use super::skip::skip;
use super::source::{Inner, Source};
use super::types::{Assignment, Command, Problem, ProblemKind, Redirection, Separator};
use super::word::{SubstitutionKind, Word, is_name};
use crate::span::Span;
use std::rc::Rc;

/// An open compound command.
#[derive(Debug)]
struct Frame {
    group: usize,
    state: State,
    /// Place and pipeline around it.
    outer: Place,
    pipeline: usize,
    pipeline_index: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Subshell,
    Brace,
    /// `if` and `elif` conditions, then branches.
    If,
    /// Loops: `while` conditions, then bodies.
    Loop,
    /// `case`, before a `)`.
    Pattern,
    /// `case`, after a `)`.
    Clause,
    /// A function without its body yet, or in it.
    Function,
}

/// A heredoc whose body comes with the next line.
#[derive(Debug)]
struct Pending {
    holder: Holder,
    redirection: usize,
    head: HeredocHead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// The command that is being read.
    Current,
    Command(usize),
    Group(usize),
}

/// A command that is being read.
#[derive(Debug, Default)]
struct Current {
    start: Option<usize>,
    end: usize,
    words: Vec<Word>,
    assignments: Vec<Assignment>,
    redirections: Vec<Redirection>,
    inner: Vec<(Inner, SubstitutionKind)>,
    /// Inside `[[ … ]]`.
    test: bool,
}

impl Current {
    fn is_empty(&self) -> bool {
        self.start.is_none()
    }

    fn cover(&mut self, start: usize, end: usize) {
        self.start.get_or_insert(start);
        self.end = self.end.max(end);
    }
}

/// Reads one item of the queue.
pub(super) struct Level<'s, 't, 'l> {
    scanner: &'s mut Scanner<'t, 'l>,
    source: Rc<Source<'t>>,
    start: usize,
    limit: usize,
    at: usize,
    place: Place,
    base: Place,
    parent: Option<usize>,
    whole: bool,
    current: Current,
    before: Separator,
    pipeline: usize,
    pipeline_index: usize,
    frames: Vec<Frame>,
    pending: Vec<Pending>,
    /// The command or group that a following separator belongs to.
    last: Option<Holder>,
    /// `((` is not arithmetic before this offset.
    no_arithmetic_before: usize,
    /// A `!` waits for its command or group.
    negate: bool,
}

impl<'s, 't, 'l> Level<'s, 't, 'l> {
    pub fn new(scanner: &'s mut Scanner<'t, 'l>, item: &Item<'t>) -> Self {
        let place = Place { depth: item.depth, context: item.context, group: item.group, arm: item.arm };
        let pipeline = scanner.new_pipeline();
        Self {
            source: Rc::clone(&item.source),
            scanner,
            start: item.range.start,
            limit: item.range.end,
            at: item.range.start,
            place,
            base: place,
            parent: item.parent,
            whole: item.whole,
            current: Current::default(),
            before: Separator::Start,
            pipeline,
            pipeline_index: 0,
            frames: Vec::new(),
            pending: Vec::new(),
            last: None,
            no_arithmetic_before: 0,
            negate: false,
        }
    }

    /// Reads to the end of the item.
    pub fn run(mut self) {
        while self.at < self.limit && !self.scanner.full() {
            let before = self.at;
            self.step();
            // Every step consumes something; a byte that nothing wants is left out.
            self.at = self.at.max(before + 1);
        }
        self.separate(Separator::End);
        self.read_bodies();
        while let Some(frame) = self.frames.last() {
            if frame.state != State::Function {
                let start = self.group_start(frame.group);
                self.scanner.problem(Problem { kind: ProblemKind::UnterminatedGroup, span: start });
            }
            self.close_top(self.limit);
        }
    }

    fn byte(&self, at: usize) -> u8 {
        if at < self.limit { self.source.text.as_bytes().get(at).copied().unwrap_or(0) } else { 0 }
    }

    fn step(&mut self) {
        let at = self.at;
        let (b, next) = (self.byte(at), self.byte(at + 1));
        match b {
            b' ' | b'\t' | b'\r' => self.at += 1,
            b'\\' if next == b'\n' => self.at += 2,
            b'\\' if next == b'\r' && self.byte(at + 2) == b'\n' => self.at += 3,
            b'\n'
                if self.current.test
                    && let Some(next) = self.test_goes_on() =>
            {
                self.at = next
            }
            b'\n' => {
                self.at += 1;
                self.separate(Separator::Newline);
                self.read_bodies();
            }
            b'#' => {
                let rest = self.source.text.as_bytes().get(at..self.limit).unwrap_or_default();
                self.at = memchr::memchr(b'\n', rest).map_or(self.limit, |line| at + line);
            }
            _ if self.current.test => self.test_word(),
            b'<' | b'>' if next == b'(' => self.word(),
            b'<' | b'>' => self.redirection(at, None),
            b'&' if next == b'>' => self.redirection(at, None),
            b';' | b'&' | b'|' => self.operator(b, next),
            b'(' => self.open_bracket(),
            b')' => self.close_bracket(),
            _ => self.word(),
        }
    }

    fn operator(&mut self, b: u8, next: u8) {
        let (separator, length) = match (b, next) {
            (b'&', b'&') => (Separator::And, 2),
            (b'|', b'|') => (Separator::Or, 2),
            (b'|', b'&') => (Separator::PipeBoth, 2),
            (b'|', _) => (Separator::Pipe, 1),
            (b'&', _) => (Separator::Background, 1),
            (_, b';') => (Separator::Semi, if self.byte(self.at + 2) == b'&' { 3 } else { 2 }),
            (_, b'&') => (Separator::Semi, 2),
            _ => (Separator::Semi, 1),
        };
        let state = self.frames.last().map(|frame| frame.state);
        if separator == Separator::Pipe && state == Some(State::Pattern) {
            self.at += 1;
            return;
        }
        self.separate(separator);
        if b == b';' && length > 1 && state == Some(State::Clause) {
            self.set_state(State::Pattern);
        }
        self.at += length;
    }

    /// Ends the current command, if there is one, with what follows it.
    fn separate(&mut self, separator: Separator) {
        self.finish_command();
        match self.last.take() {
            Some(Holder::Command(index)) => {
                super::scan::set_after(&mut self.scanner.script, index, separator)
            }
            Some(Holder::Group(index)) => {
                if let Some(group) = self.scanner.script.groups.get_mut(index) {
                    group.separator_after = separator;
                }
            }
            // An empty line after `&&` changes nothing.
            Some(Holder::Current) | None => return,
        }
        self.before = separator;
        if separator.is_pipe() {
            self.pipeline_index = self.pipeline_index.saturating_add(1);
        } else {
            self.pipeline = self.scanner.new_pipeline();
            self.pipeline_index = 0;
        }
    }

    fn finish_command(&mut self) {
        let current = std::mem::take(&mut self.current);
        let Some(start) = current.start else { return };
        let whole_body = self.whole && current.words.is_empty() && current.assignments.is_empty();
        let command = Command {
            span: self.source.map(Span::new(start, current.end)),
            assignments: current.assignments,
            words: current.words,
            redirections: current.redirections,
            separator_before: self.before,
            separator_after: Separator::End,
            depth: self.place.depth,
            context: self.place.context,
            negated: std::mem::take(&mut self.negate),
            pipeline: self.pipeline,
            pipeline_index: self.pipeline_index,
            parent: self.parent,
            group: self.place.group,
            arm: self.place.arm,
        };
        let first = self.scanner.script.commands.is_empty();
        let index = self.scanner.add_command(command, &self.place);
        self.scanner.queue_inner(&self.source, current.inner, &self.place, Some(index));
        for pending in self.pending.iter_mut().rev().take_while(|pending| pending.holder == Holder::Current) {
            pending.holder = Holder::Command(index);
        }
        self.whole = whole_body && first;
        self.last = Some(Holder::Command(index));
        if self.frames.last().is_some_and(|frame| frame.state == State::Function) {
            // A function whose body is no compound command: broken, or not a function at all.
            self.close_top(current.end);
            self.last = Some(Holder::Command(index));
        }
    }

    fn take(&mut self, lexed: Lexed, start: usize) -> Word {
        self.at = lexed.end;
        self.current.cover(start, lexed.end);
        self.current.inner.extend(lexed.inner);
        for problem in lexed.problems {
            self.scanner.problem(problem);
        }
        self.scanner.count_word();
        lexed.word
    }

    fn word(&mut self) {
        let at = self.at;
        if self.current.words.is_empty() && self.last.is_none() && self.assignment() {
            return;
        }
        let lexed = lex::word(&self.source, at, self.limit, Style::Plain);
        if lexed.end == at {
            return;
        }
        let next = self.byte(lexed.end);
        if matches!(next, b'<' | b'>')
            && self.byte(lexed.end + 1) != b'('
            && let Some(fd) = descriptor(&lexed.word)
        {
            self.at = lexed.end;
            self.redirection(at, fd);
            return;
        }
        if matches!(self.last, Some(Holder::Group(_))) {
            // A word right after `fi` or `)`: the operator between is missing.
            self.separate(Separator::Newline);
            if self.assignment() {
                return;
            }
        }
        let plain = lexed.word.raw == lexed.word.text;
        if plain && self.current.is_empty() && self.reserved(&lexed.word.text, at, lexed.end) {
            return;
        }
        if plain && next == b'(' && self.current.is_empty() && self.function(&lexed.word.text, at, lexed.end)
        {
            return;
        }
        let word = self.take(lexed, at);
        self.current.words.push(word);
    }

    /// Reads `NAME=value`; `false` when none stands here.
    fn assignment(&mut self) -> bool {
        let at = self.at;
        let rest = self.source.text.get(at..self.limit).unwrap_or_default();
        let letters = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let name = rest.get(..letters).unwrap_or_default();
        if !is_name(name) {
            return false;
        }
        let mut p = letters;
        if rest.as_bytes().get(p) == Some(&b'[') {
            let subscript =
                rest.bytes().skip(p).take_while(|b| !matches!(b, b'=' | b' ' | b'\n' | b']')).count();
            if rest.as_bytes().get(p + subscript) != Some(&b']') {
                return false;
            }
            p += subscript + 1;
        }
        let append = rest.as_bytes().get(p) == Some(&b'+');
        p += usize::from(append);
        if rest.as_bytes().get(p) != Some(&b'=') {
            return false;
        }
        let name = name.to_owned();
        let start = at + p + 1;
        let (value, elements) = if self.byte(start) == b'(' {
            self.array(at, start)
        } else {
            let lexed = lex::word(&self.source, start, self.limit, Style::Plain);
            (self.take(lexed, at), Vec::new())
        };
        let span = self.source.map(Span::new(at, self.at));
        self.current.assignments.push(Assignment { name, span, value, elements, append });
        true
    }

    fn array(&mut self, at: usize, start: usize) -> (Word, Vec<Word>) {
        let skipped = skip(&self.source, start, self.limit, None);
        if !skipped.closed {
            let span = self.source.map(Span::new(start, skipped.end));
            self.scanner.problem(Problem { kind: ProblemKind::UnterminatedExpansion, span });
        }
        let end = skipped.end.max(start + 1);
        let inside = if skipped.closed { end - 1 } else { end };
        let mut elements = Vec::new();
        let mut p = start + 1;
        while p < inside && !self.scanner.full() {
            match self.byte(p) {
                b' ' | b'\t' | b'\r' | b'\n' => p += 1,
                b'#' => {
                    let rest = self.source.text.as_bytes().get(p..inside).unwrap_or_default();
                    p = memchr::memchr(b'\n', rest).map_or(inside, |line| p + line);
                }
                _ => {
                    let lexed = lex::word(&self.source, p, inside, Style::Blanks);
                    p = lexed.end.max(p + 1);
                    elements.push(self.take(lexed, at));
                }
            }
        }
        self.at = end;
        self.current.cover(at, end);
        (self.opaque_word(start, end, SubstitutionKind::Array), elements)
    }

    /// Where `[[ … ]]` goes on after the line end at the current place, if it does.
    fn test_goes_on(&self) -> Option<usize> {
        let open = |word: &Word| matches!(word.raw.as_str(), "[[" | "&&" | "||" | "!" | "(");
        let rest = self.source.text.get(self.at..self.limit).unwrap_or_default();
        let next = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let goes_on = self.current.words.last().is_some_and(open)
            || next.starts_with("]]")
            || next.starts_with("&&")
            || next.starts_with("||");
        goes_on.then_some(self.limit - next.len())
    }

    fn test_word(&mut self) {
        let at = self.at;
        if self.byte(at) == b';' {
            self.current.test = false;
            return self.operator(b';', self.byte(at + 1));
        }
        let lexed = lex::word(&self.source, at, self.limit, Style::Blanks);
        let word = self.take(lexed, at);
        if let Some(rest) = word
            .raw
            .strip_prefix("]]")
            .filter(|rest| rest.is_empty() || rest.starts_with([';', '&', '|', ')']))
        {
            self.current.test = false;
            // `]];` without a blank: what follows is an operator.
            self.at -= rest.len();
            self.current.end = self.at;
            self.current.words.push(word.part(0, 2));
            return;
        }
        self.current.words.push(word);
    }
}

/// The descriptor that a word in front of `<` or `>` names: `2`, `{log}`; the outer `None` when it names none.
#[expect(clippy::option_option, reason = "a named descriptor has no number")]
fn descriptor(word: &Word) -> Option<Option<u32>> {
    if word.raw != word.text {
        return None;
    }
    if let Ok(number) = word.text.parse() {
        return word.text.bytes().all(|b| b.is_ascii_digit()).then_some(Some(number));
    }
    let name = word.text.strip_prefix('{')?.strip_suffix('}')?;
    is_name(name).then_some(None)
}
