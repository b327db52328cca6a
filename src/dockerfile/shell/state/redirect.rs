//! Redirections, and the heredoc bodies that follow the line.

use super::{Holder, Level, Pending};
use crate::dockerfile::shell::heredoc;
use crate::dockerfile::shell::lex::{self, Lexed, Style};
use crate::dockerfile::shell::nested;
use crate::dockerfile::shell::types::{
    Heredoc, HeredocUse, Problem, ProblemKind, Redirection, RedirectionOp,
};
use crate::span::Span;

impl Level<'_, '_, '_> {
    pub(super) fn redirection(&mut self, start: usize, fd: Option<u32>) {
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
            let found = heredoc::head(&self.source, p, self.limit);
            self.at = found.as_ref().map_or(p + usize::from(op == Op::HeredocTabs), |(_, end)| *end);
            head = found.map(|(head, _)| head);
            head.as_ref().map(|head| head.word.clone()).unwrap_or_default()
        } else {
            self.at = p;
            self.blanks(false);
            p = self.at;
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
    pub(super) fn read_bodies(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            let start = self.at.min(self.limit);
            let bytes = self.source.text.as_bytes().get(..self.limit).unwrap_or_default();
            let end = heredoc::end_of_body(bytes, start, &pending.head);
            if !end.closed {
                let span = pending.head.word.span;
                self.scanner.problem(Problem { kind: ProblemKind::UnterminatedHeredoc, span });
            }
            self.at = end.after;
            self.body(&pending, start, end.body);
        }
    }

    pub(super) fn body(&mut self, pending: &Pending, start: usize, end: usize) {
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
    pub(super) fn piped_shell(&self, index: usize) -> Option<usize> {
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
}
