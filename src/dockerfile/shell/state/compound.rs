//! Compound commands: brackets, reserved words, the groups that they open and close.

use super::{Current, Frame, Holder, Level, State};
use crate::dockerfile::shell::lex::{self, Style};
use crate::dockerfile::shell::skip::skip;
use crate::dockerfile::shell::types::{Context, Group, GroupKind, Loop, Problem, ProblemKind, Separator};
use crate::dockerfile::shell::word::{Piece, PieceKind, SubstitutionKind, Word};
use crate::span::Span;

impl Level<'_, '_, '_> {
    pub(super) fn group_start(&self, group: usize) -> Span {
        self.scanner.script.groups.get(group).map(|group| group.span).unwrap_or_default()
    }

    pub(super) fn set_state(&mut self, state: State) {
        if let Some(frame) = self.frames.last_mut() {
            frame.state = state;
        }
    }

    pub(super) fn open(&mut self, kind: GroupKind, state: State, start: usize, end: usize) {
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
            arm: self.place.arm,
            command: self.parent,
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
        self.place.arm = 0;
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
    pub(super) fn close_top(&mut self, end: usize) {
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
    pub(super) fn close(&mut self, states: &[State], start: usize, end: usize) {
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

    pub(super) fn is_open(&self, states: &[State]) -> bool {
        // Deep stacks of other groups come only from broken text; looking a little way down is enough.
        self.frames.iter().rev().take(64).any(|frame| states.contains(&frame.state))
    }

    pub(super) fn open_bracket(&mut self) {
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
    pub(super) fn opaque_word(&mut self, start: usize, end: usize, kind: SubstitutionKind) -> Word {
        self.scanner.count_word();
        let text = self.source.text.get(start..end).unwrap_or_default().to_owned();
        let mut segments = Vec::new();
        self.source.push_segments(&mut segments, 0, start, end);
        let kind = PieceKind::Substitution(kind);
        let pieces = vec![Piece { range: Span::new(0, text.len()), kind, quoted: false }];
        Word { span: self.source.map(Span::new(start, end)), raw: text.clone(), text, pieces, segments }
    }

    pub(super) fn close_bracket(&mut self) {
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
    pub(super) fn function(&mut self, name: &str, start: usize, end: usize) -> bool {
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
    pub(super) fn reserved(&mut self, text: &str, start: usize, end: usize) -> bool {
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
            "then" => self.part(State::If, true, 1, start, end),
            "else" => self.part(State::If, true, 2, start, end),
            "elif" => self.part(State::If, false, 1, start, end),
            "fi" => self.close(&[State::If], start, end),
            "while" | "until" => self.open(GroupKind::While, State::Loop, start, end),
            "do" => self.part(State::Loop, true, 1, start, end),
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

    /// `then`, `else`, `do` (a body begins) and `elif` (a condition begins); `step` leads to its [`Group::arm`].
    pub(super) fn part(&mut self, state: State, body: bool, step: usize, start: usize, end: usize) {
        self.at = end;
        if self.frames.last().is_none_or(|frame| frame.state != state) {
            let span = self.source.map(Span::new(start, end));
            self.scanner.problem(Problem { kind: ProblemKind::StrayClose, span });
            return;
        }
        let Some(frame) = self.frames.last() else { return };
        let outer = frame.outer.context;
        self.place.arm = self.place.arm.saturating_add(step);
        self.place.context = match (state, body) {
            (State::Loop, _) => Context { loop_body: true, ..outer },
            (_, true) => Context { branch: true, ..outer },
            (_, false) => Context { branch: true, condition: true, ..outer },
        };
    }

    pub(super) fn blanks(&mut self, newlines: bool) {
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
    pub(super) fn head_word(&mut self) -> Option<Word> {
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

    pub(super) fn for_head(&mut self, start: usize, end: usize) {
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

    pub(super) fn case_head(&mut self, start: usize, end: usize) {
        self.open(GroupKind::Case, State::Pattern, start, end);
        self.blanks(false);
        self.head_word();
        self.blanks(true);
        let rest = self.source.text.get(self.at..self.limit).unwrap_or_default();
        if rest.starts_with("in") {
            self.at += 2;
        }
    }

    pub(super) fn function_word(&mut self, start: usize, end: usize) -> bool {
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
