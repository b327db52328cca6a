//! One level of text: operators, reserved words, redirections, and the compound commands that are open.

use super::lex::{self, HeredocHead, Lexed, Style};
use super::nested;
use super::scan::{Item, Place, Scanner};
use super::skip::skip;
use super::source::{Inner, Source};
use super::types::{
    Assignment, Command, Context, Group, GroupKind, Heredoc, HeredocUse, Loop, Problem, ProblemKind,
    Redirection, RedirectionOp, Separator,
};
use super::word::{Piece, PieceKind, SubstitutionKind, Word, is_name};
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
        let place = Place { depth: item.depth, context: item.context, group: item.group };
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
        if matches!(self.last, Some(Holder::Group(_))) {
            // A word right after `fi` or `)`: the operator between is missing.
            self.separate(Separator::Newline);
        }
        if self.current.words.is_empty() && self.assignment() {
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

    fn redirection(&mut self, start: usize, fd: Option<u32>) {
        use RedirectionOp as Op;
        let at = self.at;
        let bytes = self.source.text.as_bytes().get(at..self.limit).unwrap_or_default();
        let (op, length) = match bytes {
            [b'&', b'>', b'>', ..] => (Op::AppendBoth, 3),
            [b'&', b'>', ..] => (Op::WriteBoth, 2),
            [b'<', b'<', b'<', ..] => (Op::HereString, 3),
            [b'<', b'<', b'-', ..] => (Op::HeredocTabs, 2),
            [b'<', b'<', ..] => (Op::Heredoc, 2),
            [b'<', b'&', ..] => (Op::DupIn, 2),
            [b'<', b'>', ..] => (Op::ReadWrite, 2),
            [b'<', ..] => (Op::Read, 1),
            [b'>', b'>', ..] => (Op::Append, 2),
            [b'>', b'|', ..] => (Op::Clobber, 2),
            [b'>', b'&', ..] => (Op::DupOut, 2),
            _ => (Op::Write, 1),
        };
        let mut p = at + length;
        let on_group = match self.last {
            Some(Holder::Group(group)) if self.current.is_empty() => Some(group),
            _ => None,
        };
        let mut head = None;
        let target = if matches!(op, Op::Heredoc | Op::HeredocTabs) {
            let found = lex::heredoc_head(&self.source, p, self.limit);
            self.at = found.as_ref().map_or(p + usize::from(op == Op::HeredocTabs), |(_, end)| *end);
            head = found.map(|(head, _)| head);
            head.as_ref().map(|head| head.word.clone()).unwrap_or_default()
        } else {
            while matches!(self.byte(p), b' ' | b'\t') {
                p += 1;
            }
            let lexed = lex::word(&self.source, p, self.limit, Style::Plain);
            self.at = lexed.end;
            if on_group.is_some() {
                self.scanner.queue_inner(&self.source, lexed.inner, &self.place, None);
                for problem in lexed.problems {
                    self.scanner.problem(problem);
                }
                lexed.word
            } else {
                self.take(lexed, start)
            }
        };
        let redirection =
            Redirection { fd, span: self.source.map(Span::new(start, self.at)), op, target, heredoc: None };
        let (holder, index) =
            match on_group.and_then(|group| Some((group, self.scanner.script.groups.get_mut(group)?))) {
                Some((group, found)) => {
                    found.redirections.push(redirection);
                    (Holder::Group(group), found.redirections.len() - 1)
                }
                None => {
                    self.current.cover(start, self.at);
                    self.current.redirections.push(redirection);
                    (Holder::Current, self.current.redirections.len() - 1)
                }
            };
        if let Some(head) = head {
            self.pending.push(Pending { holder, redirection: index, head });
        }
    }

    /// Reads the bodies that the line which just ended asked for.
    fn read_bodies(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            let start = self.at.min(self.limit);
            let bytes = self.source.text.as_bytes().get(..self.limit).unwrap_or_default();
            let end = lex::heredoc_end(bytes, start, &pending.head);
            if !end.closed {
                let span = pending.head.word.span;
                self.scanner.problem(Problem { kind: ProblemKind::UnterminatedHeredoc, span });
            }
            self.at = end.after;
            self.body(&pending, start, end.body);
        }
    }

    fn body(&mut self, pending: &Pending, start: usize, end: usize) {
        let tabs = pending.head.tabs;
        let mut whole = false;
        let mut usage = HeredocUse::Data;
        if let Holder::Command(index) = pending.holder
            && let Some(command) = self.scanner.script.commands.get(index)
        {
            // `RUN <<EOF`: nothing but the heredoc stands in the text.
            whole = self.whole && self.at >= self.limit && index == 0 && command.redirections.len() == 1;
            usage = nested::stdin_use(command);
        }
        let quoted = pending.head.quoted || whole;
        let style = if quoted { Style::Verbatim { tabs } } else { Style::Body { tabs } };
        let Lexed { word, inner, problems, .. } = lex::word(&self.source, start, end, style);
        for problem in problems {
            self.scanner.problem(problem);
        }
        let mut reader = match pending.holder {
            Holder::Command(index) => Some(index),
            Holder::Current | Holder::Group(_) => None,
        };
        if whole {
            usage = nested::body_use(&word);
        } else if usage == HeredocUse::Data
            && let Some(shell) = reader.and_then(|index| self.piped_shell(index))
        {
            usage = HeredocUse::Shell;
            reader = Some(shell);
        }
        self.scanner.queue_inner(&self.source, inner, &self.place, reader);
        if usage == HeredocUse::Shell {
            let text = nested::source_of([&word]);
            let parent = reader.filter(|_| !whole);
            self.scanner.queue_script(text, &self.place, parent, !whole);
        }
        let heredoc = Heredoc { delimiter: pending.head.delimiter.clone(), quoted, body: word, usage };
        let script = &mut self.scanner.script;
        let redirections = match pending.holder {
            Holder::Command(index) => script.commands.get_mut(index).map(|command| &mut command.redirections),
            Holder::Group(index) => script.groups.get_mut(index).map(|group| &mut group.redirections),
            Holder::Current => None,
        };
        if let Some(redirection) = redirections.and_then(|list| list.get_mut(pending.redirection)) {
            redirection.heredoc = Some(heredoc);
        }
    }

    /// The shell that reads what command `index` passes on: `cat <<EOF | bash`.
    fn piped_shell(&self, index: usize) -> Option<usize> {
        let commands = &self.scanner.script.commands;
        let command = commands.get(index)?;
        if !nested::passes_input(command) {
            return None;
        }
        let next = commands.iter().enumerate().skip(index + 1).take(4).find(|(_, next)| {
            next.pipeline == command.pipeline && next.pipeline_index == command.pipeline_index + 1
        });
        next.filter(|(_, next)| nested::stdin_use(next) == HeredocUse::Shell).map(|(index, _)| index)
    }

    // Compound commands.

    fn group_start(&self, group: usize) -> Span {
        self.scanner.script.groups.get(group).map(|group| group.span).unwrap_or_default()
    }

    fn set_state(&mut self, state: State) {
        if let Some(frame) = self.frames.last_mut() {
            frame.state = state;
        }
    }

    fn open(&mut self, kind: GroupKind, state: State, start: usize, end: usize) {
        let index = self.scanner.script.groups.len();
        let negated = std::mem::take(&mut self.negate);
        self.scanner.script.groups.push(Group {
            kind,
            span: self.source.map(Span::new(start, end)),
            separator_before: self.before,
            separator_after: Separator::End,
            negated,
            pipeline: self.pipeline,
            parent: self.place.group,
            redirections: Vec::new(),
        });
        let outer = self.place;
        self.frames.push(Frame {
            group: index,
            state,
            outer,
            pipeline: self.pipeline,
            pipeline_index: self.pipeline_index,
        });
        let context = outer.context;
        self.place.group = Some(index);
        self.place.context = match state {
            State::Subshell => Context { subshell: true, ..context },
            State::If => Context { condition: true, ..context },
            State::Loop => Context { condition: true, ..context },
            State::Pattern | State::Clause => Context { branch: true, ..context },
            State::Function => Context { function: true, ..context },
            State::Brace => context,
        };
        if state == State::Subshell {
            self.place.depth = outer.depth.saturating_add(1);
        }
        self.pipeline = self.scanner.new_pipeline();
        self.pipeline_index = 0;
        self.last = None;
        self.current = Current::default();
        self.at = end;
    }

    /// Closes the innermost open group at `end`, and the functions whose body it was.
    fn close_top(&mut self, end: usize) {
        let mut closed = false;
        while let Some(frame) = self.frames.pop_if(|frame| !closed || frame.state == State::Function) {
            closed = true;
            let end = self.source.map(Span::new(self.start.min(end), end)).end;
            if let Some(group) = self.scanner.script.groups.get_mut(frame.group) {
                group.span = Span::new(group.span.start, end);
                self.before = group.separator_before;
            }
            self.place = frame.outer;
            self.pipeline = frame.pipeline;
            self.pipeline_index = frame.pipeline_index;
            self.last = Some(Holder::Group(frame.group));
        }
        if self.frames.is_empty() {
            self.place = self.base;
        }
    }

    /// Closes the innermost group of one of `states`, and what is still open in it.
    fn close(&mut self, states: &[State], start: usize, end: usize) {
        if !self.is_open(states) {
            let span = self.source.map(Span::new(start, end));
            self.scanner.problem(Problem { kind: ProblemKind::StrayClose, span });
            self.at = end;
            return;
        }
        self.separate(Separator::End);
        while let Some(frame) = self.frames.last() {
            let (state, group) = (frame.state, frame.group);
            let wanted = states.contains(&state);
            if !wanted && state != State::Function {
                let span = self.group_start(group);
                self.scanner.problem(Problem { kind: ProblemKind::UnterminatedGroup, span });
            }
            self.close_top(end);
            if wanted {
                break;
            }
        }
        self.at = end;
    }

    fn is_open(&self, states: &[State]) -> bool {
        // Deep stacks of other groups come only from broken text; looking a little way down is enough.
        self.frames.iter().rev().take(64).any(|frame| states.contains(&frame.state))
    }

    fn open_bracket(&mut self) {
        let at = self.at;
        if self.frames.last().is_some_and(|frame| frame.state == State::Pattern) {
            self.at += 1;
            return;
        }
        let arithmetic =
            self.current.is_empty() && self.byte(at + 1) == b'(' && at >= self.no_arithmetic_before;
        if arithmetic {
            let mut found = Vec::new();
            let skipped = skip(&self.source, at, self.limit, Some(&mut found));
            if skipped.arithmetic && skipped.closed {
                let word = self.opaque_word(at, skipped.end, SubstitutionKind::Arithmetic);
                self.current.cover(at, skipped.end);
                for at in found {
                    let (inner, _, _) = lex::inner_at(&self.source, at, self.limit);
                    self.current.inner.push((inner, SubstitutionKind::Command));
                }
                self.current.words.push(word);
                self.at = skipped.end;
                return;
            }
            self.no_arithmetic_before = skipped.end;
        }
        if let [name] = self.current.words.as_slice()
            && self.current.assignments.is_empty()
            && self.current.redirections.is_empty()
            && name.raw == name.text
        {
            let (name, start) = (name.text.clone(), self.current.start.unwrap_or(at));
            if self.function(&name, start, at) {
                return;
            }
        }
        if !self.current.is_empty() || self.last.is_some() {
            self.separate(Separator::Newline);
        }
        self.open(GroupKind::Subshell, State::Subshell, at, at + 1);
    }

    /// A word whose text is kept as it is and has no value.
    fn opaque_word(&mut self, start: usize, end: usize, kind: SubstitutionKind) -> Word {
        self.scanner.count_word();
        let text = self.source.text.get(start..end).unwrap_or_default().to_owned();
        let mut segments = Vec::new();
        self.source.push_segments(&mut segments, 0, start, end);
        let kind = PieceKind::Substitution(kind);
        let pieces = vec![Piece { range: Span::new(0, text.len()), kind, quoted: false }];
        Word { span: self.source.map(Span::new(start, end)), raw: text.clone(), text, pieces, segments }
    }

    fn close_bracket(&mut self) {
        let at = self.at;
        let state = self.frames.last().map(|frame| frame.state);
        if state == Some(State::Pattern)
            || (state == Some(State::Clause) && !self.is_open(&[State::Subshell]))
        {
            // The end of a pattern: its words are no command.
            self.current = Current::default();
            self.set_state(State::Clause);
            self.at += 1;
            return;
        }
        if !self.is_open(&[State::Subshell]) {
            self.separate(Separator::Semi);
        }
        self.close(&[State::Subshell], at, at + 1);
    }

    /// `name ()`; `false` when it is something else.
    fn function(&mut self, name: &str, start: usize, end: usize) -> bool {
        let mut p = end + 1;
        while matches!(self.byte(p), b' ' | b'\t') {
            p += 1;
        }
        if self.byte(p) != b')' {
            return false;
        }
        self.open(GroupKind::Function(name.to_owned()), State::Function, start, p + 1);
        true
    }

    /// Acts on a reserved word; `false` when `text` is none here.
    fn reserved(&mut self, text: &str, start: usize, end: usize) -> bool {
        let state = self.frames.last().map(|frame| frame.state);
        if state == Some(State::Pattern) {
            if text == "esac" {
                self.close(&[State::Pattern], start, end);
                return true;
            }
            return false;
        }
        match text {
            "!" => {
                self.negate = !self.negate;
                self.at = end;
            }
            "time" => {
                // In front of a group it is no program.
                let rest = self.source.text.get(end..self.limit).unwrap_or_default();
                if !rest.trim_start_matches([' ', '\t']).starts_with(['(', '{']) {
                    return false;
                }
                self.at = end;
            }
            "{" => self.open(GroupKind::Brace, State::Brace, start, end),
            "}" => self.close(&[State::Brace], start, end),
            "if" => self.open(GroupKind::If, State::If, start, end),
            "then" | "else" => self.part(State::If, true, start, end),
            "elif" => self.part(State::If, false, start, end),
            "fi" => self.close(&[State::If], start, end),
            "while" | "until" => self.open(GroupKind::While, State::Loop, start, end),
            "do" => self.part(State::Loop, true, start, end),
            "done" => self.close(&[State::Loop], start, end),
            "for" | "select" => self.for_head(start, end),
            "case" => self.case_head(start, end),
            "esac" => self.close(&[State::Pattern, State::Clause], start, end),
            "function" => return self.function_word(start, end),
            "[[" => {
                let lexed = lex::word(&self.source, start, self.limit, Style::Plain);
                let word = self.take(lexed, start);
                self.current.words.push(word);
                self.current.test = true;
            }
            _ => return false,
        }
        true
    }

    /// `then`, `else`, `do` (a body begins) and `elif` (a condition begins).
    fn part(&mut self, state: State, body: bool, start: usize, end: usize) {
        self.at = end;
        if self.frames.last().is_none_or(|frame| frame.state != state) {
            let span = self.source.map(Span::new(start, end));
            self.scanner.problem(Problem { kind: ProblemKind::StrayClose, span });
            return;
        }
        let Some(frame) = self.frames.last() else { return };
        let outer = frame.outer.context;
        self.place.context = match (state, body) {
            (State::Loop, _) => Context { loop_body: true, ..outer },
            (_, true) => Context { branch: true, ..outer },
            (_, false) => Context { branch: true, condition: true, ..outer },
        };
    }

    fn blanks(&mut self, newlines: bool) {
        loop {
            match self.byte(self.at) {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' if newlines => self.at += 1,
                b'\\' if self.byte(self.at + 1) == b'\n' => self.at += 2,
                _ => return,
            }
        }
    }

    /// Reads a word of a head (`for`, `case`); its substitutions are queued at once.
    fn head_word(&mut self) -> Option<Word> {
        let lexed = lex::word(&self.source, self.at, self.limit, Style::Plain);
        if lexed.end == self.at {
            return None;
        }
        self.at = lexed.end;
        self.scanner.queue_inner(&self.source, lexed.inner, &self.place, self.parent);
        for problem in lexed.problems {
            self.scanner.problem(problem);
        }
        self.scanner.count_word();
        Some(lexed.word)
    }

    fn for_head(&mut self, start: usize, end: usize) {
        let index = self.scanner.script.loops.len();
        self.open(GroupKind::For(index), State::Loop, start, end);
        self.place.context.condition = false;
        self.blanks(false);
        let mut head = Loop { variable: String::new(), words: Vec::new() };
        if self.byte(self.at) == b'(' && self.byte(self.at + 1) == b'(' {
            self.at = skip(&self.source, self.at, self.limit, None).end;
        } else if let Some(word) = self.head_word() {
            head.variable = word.text;
            self.blanks(true);
            let rest = self.source.text.get(self.at..self.limit).unwrap_or_default();
            if rest
                .strip_prefix("in")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n', ';', '\\']))
            {
                self.at += 2;
                loop {
                    self.blanks(false);
                    if self.scanner.full() {
                        break;
                    }
                    match self.head_word() {
                        Some(word) => head.words.push(word),
                        None => break,
                    }
                }
            }
        }
        self.scanner.script.loops.push(head);
    }

    fn case_head(&mut self, start: usize, end: usize) {
        self.open(GroupKind::Case, State::Pattern, start, end);
        self.blanks(false);
        self.head_word();
        self.blanks(true);
        let rest = self.source.text.get(self.at..self.limit).unwrap_or_default();
        if rest.starts_with("in") {
            self.at += 2;
        }
    }

    fn function_word(&mut self, start: usize, end: usize) -> bool {
        let before = self.at;
        self.at = end;
        self.blanks(false);
        let lexed = lex::word(&self.source, self.at, self.limit, Style::Plain);
        if lexed.end == self.at {
            self.at = before;
            return false;
        }
        self.at = lexed.end;
        self.blanks(false);
        if self.byte(self.at) == b'(' && self.byte(self.at + 1) == b')' {
            self.at += 2;
        }
        let name = lexed.word.text;
        self.open(GroupKind::Function(name), State::Function, start, self.at);
        true
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
