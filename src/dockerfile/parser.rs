//! Reads a whole Dockerfile: directives, comments, logical lines, heredoc bodies.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::ast::{
    Comment, Directive, DirectiveName, Heredoc, HeredocBody, Instruction, InstructionKind, Problem,
    ProblemKind,
};
use super::heredoc::{self, Marker};
use super::lines::{self, Line, Lines};
use super::text::LogicalText;
use super::typed::{self, Typer};
use super::{Dockerfile, Transfer};
use crate::limits::Limits;
use crate::span::{Span, Spanned};

impl Dockerfile {
    /// Parses a Dockerfile. This never fails: a line that BuildKit refuses becomes a problem and, where its
    /// arguments make no sense, an [`InstructionKind::Unknown`]; parsing goes on with the next line.
    #[must_use]
    pub fn parse(source: &[u8], limits: &Limits) -> Self {
        let mut problems = Vec::new();
        let limit = usize::try_from(limits.text_bytes).unwrap_or(usize::MAX);
        let text = match source.get(..limit) {
            Some(text) if text.len() < source.len() => {
                let span = Span::new(limit, source.len());
                problems.push(Problem { span, kind: ProblemKind::TooLarge { limit: limits.text_bytes } });
                text
            }
            _ => source,
        };
        let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut parser = Parser {
            source: text,
            lines: Lines::new(text, start),
            escape: b'\\',
            in_directives: true,
            directives: Vec::new(),
            comments: Vec::new(),
            instructions: Vec::new(),
            problems,
            terminators: None,
        };
        parser.file(limits.instructions);
        Self {
            source: source.to_vec(),
            escape: char::from(parser.escape),
            directives: parser.directives,
            comments: parser.comments,
            instructions: parser.instructions,
            problems: parser.problems,
        }
    }
}

struct Parser<'a> {
    source: &'a [u8],
    lines: Lines<'a>,
    escape: u8,
    in_directives: bool,
    directives: Vec<Directive>,
    comments: Vec<Comment>,
    instructions: Vec<Instruction>,
    problems: Vec<Problem>,
    /// Built when a terminator was searched in vain once, so that many such searches stay linear.
    terminators: Option<LineTable>,
}

impl<'a> Parser<'a> {
    fn file(&mut self, limit: u64) {
        while let Some(line) = self.next_line() {
            let content = line.content(self.source);
            let start = line.start + lines::leading_space(content);
            let content = self.source.get(start..line.end).unwrap_or_default();
            if content.first() == Some(&b'#') {
                let is_directive = self.in_directives && self.directive(start, content);
                self.in_directives = is_directive;
                if !is_directive {
                    self.comment(start, line.end);
                }
                continue;
            }
            self.in_directives = false;
            if content.is_empty() {
                continue;
            }
            if u64::try_from(self.instructions.len()).is_ok_and(|count| count >= limit) {
                let span = Span::new(start, self.source.len());
                self.problem(span, ProblemKind::TooManyInstructions { limit });
                break;
            }
            self.logical_line(start, line);
        }
        if self.instructions.is_empty() {
            let end = self.source.len();
            self.problem(Span::new(end, end), ProblemKind::NoInstructions);
        }
    }

    fn problem(&mut self, span: Span, kind: ProblemKind) {
        self.problems.push(Problem { span, kind });
    }

    fn next_line(&mut self) -> Option<Line> {
        let line = self.lines.next()?;
        self.check_length(line);
        Some(line)
    }

    fn check_length(&mut self, line: Line) {
        let line_feed = usize::from(self.source.get(line.next - 1) == Some(&b'\n'));
        if line.next - line.start - line_feed > lines::LONGEST_LINE {
            self.problem(Span::new(line.start, line.end), ProblemKind::LineTooLong);
        }
    }

    fn comment(&mut self, start: usize, end: usize) {
        let bytes = self.source.get(start + 1..end).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes).trim().to_owned();
        self.comments.push(Comment { span: Span::new(start, end), text });
    }

    /// Reads a directive line; `false` when it is a comment, which ends the directives.
    fn directive(&mut self, start: usize, content: &[u8]) -> bool {
        let Some(found) = lines::directive(content) else { return false };
        let span = Span::new(start, start + content.len());
        let value_start = start + found.value_at;
        let value_span = Span::new(value_start, value_start + found.value.len());
        let value = String::from_utf8_lossy(found.value).into_owned();
        if self.directives.iter().any(|seen| seen.name == found.name) {
            let name = match found.name {
                DirectiveName::Syntax => "syntax",
                DirectiveName::Escape => "escape",
                DirectiveName::Check => "check",
            };
            self.problem(span, ProblemKind::DuplicateDirective(name));
        } else if found.name == DirectiveName::Escape {
            match found.value {
                b"\\" => self.escape = b'\\',
                b"`" => self.escape = b'`',
                _ => self.problem(value_span, ProblemKind::InvalidEscape(value.clone())),
            }
        }
        self.directives.push(Directive { name: found.name, value: Spanned::new(value, value_span), span });
        true
    }

    /// Reads one instruction that begins at `start` of `first`.
    fn logical_line(&mut self, start: usize, first: Line) {
        let mut text = LogicalText::default();
        let mut end = first.end;
        let content = self.source.get(start..first.end).unwrap_or_default();
        let (len, mut goes_on) = lines::trim_continuation(content, self.escape);
        text.push_bytes(content.get(..len).unwrap_or_default(), start);
        while goes_on {
            let Some(line) = self.next_line() else { break };
            end = line.end;
            let content = line.content(self.source);
            let space = lines::leading_space(content);
            match content.get(space) {
                None => {}
                Some(b'#') => self.comment(line.start + space, line.end),
                Some(_) => {
                    let (len, more) = lines::trim_continuation(content, self.escape);
                    text.push_bytes(content.get(..len).unwrap_or_default(), line.start);
                    goes_on = more;
                }
            }
        }
        let header = Span::new(start, end);
        let markers = heredoc::markers(&text.text);
        let mut typer = Typer { escape: char::from(self.escape), problems: &mut self.problems };
        let mut instruction = typer.instruction(&text, header, &markers);
        if typed::takes_heredocs(&instruction) {
            self.heredocs(&mut instruction, &text, markers);
        } else if !markers.is_empty() {
            forget_heredocs(&mut instruction, 0);
        }
        self.instructions.push(instruction);
    }

    /// Reads the bodies of an instruction's heredocs. One without a terminator and those behind it are dropped.
    fn heredocs(&mut self, instruction: &mut Instruction, line: &LogicalText, markers: Vec<Marker>) {
        let wanted = markers.len();
        let mut found = Vec::with_capacity(wanted);
        for marker in markers {
            let body_start = self.lines.pos;
            let span = line.source_span(marker.range.clone());
            let Some(terminator) = self.terminator(&marker) else {
                self.problem(span, ProblemKind::UnterminatedHeredoc(marker.delimiter));
                break;
            };
            let body = self.body(body_start, terminator.start, marker.chomp);
            self.lines.pos = terminator.next;
            instruction.span = Span::new(instruction.span.start, terminator.end);
            found.push((marker, span, body, Span::new(terminator.start, terminator.end)));
        }
        if found.len() < wanted {
            forget_heredocs(instruction, found.len());
        }
        let owner = match &mut instruction.kind {
            InstructionKind::Onbuild(child) => {
                child.span = Span::new(child.span.start, instruction.span.end.max(child.span.end));
                child
            }
            _ => instruction,
        };
        for (marker, span, body, terminator) in found {
            let marker_range = typed::marker_range(owner, line, &marker);
            owner.heredocs.push(Heredoc {
                marker: span,
                marker_range,
                delimiter: marker.delimiter,
                expand: marker.expand,
                chomp: marker.chomp,
                fd: marker.fd,
                body,
                terminator,
            });
        }
    }

    /// The next line that ends a heredoc.
    fn terminator(&mut self, marker: &Marker) -> Option<Line> {
        let wanted = marker.delimiter.as_bytes();
        if let Some(table) = &self.terminators {
            return table.find(self.source, self.lines.pos, wanted, marker.chomp);
        }
        let is_end = |line: &Line| is_terminator(line.content(self.source), wanted, marker.chomp);
        let end = Lines::new(self.source, self.lines.pos).find(is_end);
        if end.is_none() {
            self.terminators = Some(LineTable::new(self.source, self.lines.pos));
        }
        end
    }

    fn body(&mut self, start: usize, end: usize, chomp: bool) -> HeredocBody {
        let mut text = LogicalText::default();
        text.push_bytes(&[], start);
        let source = self.source.get(..end).unwrap_or_default();
        for line in Lines::new(source, start) {
            self.check_length(line);
            let bytes = source.get(line.start..line.next).unwrap_or_default();
            let tabs = if chomp { bytes.iter().take_while(|byte| **byte == b'\t').count() } else { 0 };
            text.push_bytes(bytes.get(tabs..).unwrap_or_default(), line.start + tabs);
        }
        HeredocBody { span: Span::new(start, end), text }
    }
}

/// Whether a line ends a heredoc: it equals the delimiter, leading tabs left out when it chomps.
fn is_terminator(line: &[u8], delimiter: &[u8], chomp: bool) -> bool {
    if chomp { without_tabs(line) == delimiter } else { line == delimiter }
}

/// Takes the heredocs from index `kept` on out of COPY's and ADD's sources.
fn forget_heredocs(instruction: &mut Instruction, kept: usize) {
    let forget = |transfer: &mut Transfer| transfer.heredocs.retain(|index| *index < kept);
    match &mut instruction.kind {
        InstructionKind::Copy(transfer) | InstructionKind::Add(transfer) => forget(transfer),
        InstructionKind::Onbuild(child) => {
            if let InstructionKind::Copy(transfer) | InstructionKind::Add(transfer) = &mut child.kind {
                forget(transfer);
            }
        }
        _ => {}
    }
}

/// Lines by hash and place; a look-up costs a binary search.
struct LineTable {
    hasher: RandomState,
    whole: Vec<(u64, usize)>,
    /// By the hash of the line without leading tabs, for heredocs that chomp.
    chomped: Vec<(u64, usize)>,
}

impl LineTable {
    fn new(source: &[u8], from: usize) -> Self {
        let hasher = RandomState::new();
        let (mut whole, mut chomped): (Vec<_>, Vec<_>) = Lines::new(source, from)
            .filter(|line| line.start < line.end)
            .map(|line| {
                let content = line.content(source);
                let entry = |bytes: &[u8]| (hasher.hash_one(bytes), line.start);
                (entry(content), entry(without_tabs(content)))
            })
            .unzip();
        whole.sort_unstable();
        chomped.sort_unstable();
        Self { hasher, whole, chomped }
    }

    fn find(&self, source: &[u8], from: usize, delimiter: &[u8], chomp: bool) -> Option<Line> {
        let lines = if chomp { &self.chomped } else { &self.whole };
        let hash = self.hasher.hash_one(delimiter);
        let at = lines.partition_point(|entry| *entry < (hash, from));
        lines
            .iter()
            .skip(at)
            .take_while(|entry| entry.0 == hash)
            .filter_map(|(_, start)| Lines::new(source, *start).next())
            .find(|line| is_terminator(line.content(source), delimiter, chomp))
    }
}

fn without_tabs(line: &[u8]) -> &[u8] {
    let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
    line.get(tabs..).unwrap_or_default()
}
