//! Values of words, given the values of variables.

use super::lex::{self, Style};
use super::source::Source;
use super::types::{Assignment, Command, Heredoc, Redirection};
use super::word::{Parameter, Piece, PieceKind, Segment, Word};
use crate::span::Span;

/// `${A:-${B:-…}}` is followed this deep.
const DEPTH: u32 = 8;
/// Longest pattern of `${V%pattern}` that is tried, in bytes; so long a pattern is no version suffix.
const PATTERN: usize = 64;
/// Longest value that a pattern is tried on, in bytes.
const VALUE: usize = 512;

/// What is known of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Its value.
    Set(String),
    /// It has no value.
    Unset,
    /// Nobody knows.
    Unknown,
}

impl Word {
    /// The value of the word. `lookup` gives the values of variables it knows; `None` when the value cannot be known,
    /// because of a variable that it does not know or of a command substitution.
    #[must_use]
    pub fn resolve(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        self.resolve_values(&|name| lookup(name).map_or(Value::Unknown, Value::Set))
    }

    /// Like [`Word::resolve`], for callers that also know which variables are unset.
    #[must_use]
    pub fn resolve_values(&self, lookup: &dyn Fn(&str) -> Value) -> Option<String> {
        resolve(self, lookup, DEPTH)
    }

    /// The words that the shell makes of this word: known variables are filled in, and split at blanks where they are
    /// not quoted; what is unknown stays an expansion.
    #[must_use]
    pub fn fields(&self, lookup: &dyn Fn(&str) -> Value) -> Vec<Self> {
        if self.is_fully_literal() {
            return vec![self.clone()];
        }
        let mut fields = Vec::new();
        let mut current: Option<Self> = None;
        for piece in &self.pieces {
            let text = self.piece_text(piece);
            let value = match &piece.kind {
                PieceKind::Parameter(parameter) => expand(parameter, lookup, DEPTH),
                _ => None,
            };
            match value {
                None => {
                    let field = current.get_or_insert_with(|| self.empty());
                    let offset = field.text.len();
                    field.text.push_str(text);
                    let part = self.part(piece.range.start, piece.range.end);
                    field
                        .segments
                        .extend(part.segments.iter().map(|s| Segment { offset: s.offset + offset, ..*s }));
                    let range = Span::new(offset, field.text.len());
                    field.pieces.push(Piece { range, kind: piece.kind.clone(), quoted: piece.quoted });
                }
                Some(value) if piece.quoted => {
                    push_value(current.get_or_insert_with(|| self.empty()), &value, true)
                }
                Some(value) => {
                    let blank = |c: char| matches!(c, ' ' | '\t' | '\n');
                    if value.starts_with(blank) {
                        fields.extend(current.take());
                    }
                    let mut parts = value.split(blank).filter(|part| !part.is_empty()).peekable();
                    while let Some(part) = parts.next() {
                        push_value(current.get_or_insert_with(|| self.empty()), part, false);
                        if parts.peek().is_some() {
                            fields.extend(current.take());
                        }
                    }
                    if value.ends_with(blank) {
                        fields.extend(current.take());
                    }
                }
            }
        }
        fields.extend(current);
        fields
    }

    /// The word with known variables filled in and nothing split.
    fn filled(&self, lookup: &dyn Fn(&str) -> Value) -> Self {
        let mut quoted = self.clone();
        for piece in &mut quoted.pieces {
            piece.quoted = true;
        }
        if quoted.is_fully_literal() {
            return quoted;
        }
        quoted.fields(lookup).into_iter().next().unwrap_or_else(|| self.empty())
    }

    fn empty(&self) -> Self {
        Self { span: self.span, raw: self.raw.clone(), ..Self::default() }
    }
}

fn push_value(field: &mut Word, value: &str, quoted: bool) {
    let start = field.text.len();
    field.text.push_str(value);
    let end = field.text.len();
    match field.pieces.last_mut() {
        Some(last) if last.kind == PieceKind::Literal && last.quoted == quoted => last.range.end = end,
        _ => field.pieces.push(Piece { range: Span::new(start, end), kind: PieceKind::Literal, quoted }),
    }
}

impl Command {
    /// The command with known variables filled in, in words, assignments and redirection targets. Spans stay.
    #[must_use]
    pub fn resolved(&self, lookup: &dyn Fn(&str) -> Value) -> Self {
        // Field by field: a clone of all words to begin with would be thrown away, and this is the hottest place.
        let fields = |words: &[Word]| {
            let mut out = Vec::with_capacity(words.len());
            for word in words {
                if word.is_fully_literal() {
                    out.push(word.clone());
                } else {
                    out.extend(word.fields(lookup));
                }
            }
            out
        };
        let assign = |assignment: &Assignment| Assignment {
            name: assignment.name.clone(),
            span: assignment.span,
            value: assignment.value.filled(lookup),
            elements: fields(&assignment.elements),
            append: assignment.append,
        };
        let heredoc = |heredoc: &Heredoc| Heredoc {
            delimiter: heredoc.delimiter.clone(),
            quoted: heredoc.quoted,
            body: heredoc.body.filled(lookup),
            usage: heredoc.usage.clone(),
        };
        let redirect = |redirection: &Redirection| Redirection {
            fd: redirection.fd,
            span: redirection.span,
            op: redirection.op,
            target: redirection.target.filled(lookup),
            heredoc: redirection.heredoc.as_ref().map(heredoc),
        };
        Self {
            span: self.span,
            assignments: self.assignments.iter().map(assign).collect(),
            words: fields(&self.words),
            redirections: self.redirections.iter().map(redirect).collect(),
            separator_before: self.separator_before,
            separator_after: self.separator_after,
            depth: self.depth,
            context: self.context,
            negated: self.negated,
            pipeline: self.pipeline,
            pipeline_index: self.pipeline_index,
            parent: self.parent,
            group: self.group,
            arm: self.arm,
        }
    }
}

fn resolve(word: &Word, lookup: &dyn Fn(&str) -> Value, depth: u32) -> Option<String> {
    let mut out = String::new();
    for piece in &word.pieces {
        match &piece.kind {
            PieceKind::Literal => out.push_str(word.piece_text(piece)),
            PieceKind::Parameter(parameter) => out.push_str(&expand(parameter, lookup, depth)?),
            PieceKind::Substitution(_) => return None,
        }
    }
    Some(out)
}

fn operand(text: &str, lookup: &dyn Fn(&str) -> Value, depth: u32) -> Option<String> {
    if !text.contains(['$', '`', '\'', '"', '\\']) {
        return Some(text.to_owned());
    }
    let depth = depth.checked_sub(1)?;
    let word = lex::word(&Source::whole(text), 0, text.len(), Style::Operand).word;
    resolve(&word, lookup, depth)
}

/// The value of a parameter expansion, `None` when it cannot be known.
fn expand(parameter: &Parameter, lookup: &dyn Fn(&str) -> Value, depth: u32) -> Option<String> {
    if parameter.indirect || parameter.name.is_empty() {
        return None;
    }
    let value = lookup(&parameter.name);
    if parameter.length {
        let Value::Set(value) = value else { return None };
        return parameter.operation.is_empty().then(|| value.chars().count().to_string());
    }
    let operation = parameter.operation.as_str();
    if operation.is_empty() {
        return match value {
            Value::Set(value) => Some(value),
            Value::Unset => Some(String::new()),
            Value::Unknown => None,
        };
    }
    // `:` makes an empty value count as none.
    let (colon, rest) = match operation.strip_prefix(':') {
        Some(rest) if rest.starts_with(['-', '+', '=', '?']) => (true, rest),
        _ => (false, operation),
    };
    let value = match value {
        Value::Set(value) if colon && value.is_empty() => Value::Unset,
        value => value,
    };
    if let Some(word) = rest.strip_prefix(['-', '=']) {
        return match value {
            Value::Set(value) => Some(value),
            Value::Unset => operand(word, lookup, depth),
            Value::Unknown => None,
        };
    }
    if let Some(word) = rest.strip_prefix('+') {
        return match value {
            Value::Set(_) => operand(word, lookup, depth),
            Value::Unset => Some(String::new()),
            Value::Unknown => None,
        };
    }
    let value = match value {
        Value::Set(value) => value,
        Value::Unset if !rest.starts_with('?') => String::new(),
        Value::Unset | Value::Unknown => return None,
    };
    if rest.starts_with('?') {
        return Some(value);
    }
    if value.len() > VALUE {
        return None;
    }
    transform(&value, operation, lookup, depth)
}

fn transform(value: &str, operation: &str, lookup: &dyn Fn(&str) -> Value, depth: u32) -> Option<String> {
    let pattern = |text: &str| operand(text, lookup, depth).filter(|pattern| pattern.len() <= PATTERN);
    if let Some(text) = operation.strip_prefix("##") {
        return Some(cut_prefix(value, &pattern(text)?, true).to_owned());
    }
    if let Some(text) = operation.strip_prefix('#') {
        return Some(cut_prefix(value, &pattern(text)?, false).to_owned());
    }
    if let Some(text) = operation.strip_prefix("%%") {
        return Some(cut_suffix(value, &pattern(text)?, true).to_owned());
    }
    if let Some(text) = operation.strip_prefix('%') {
        return Some(cut_suffix(value, &pattern(text)?, false).to_owned());
    }
    if let Some(rest) = operation.strip_prefix('/') {
        let (all, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
        if rest.starts_with(['#', '%']) {
            return None;
        }
        let (from, to) = split_replacement(rest);
        let (from, to) = (pattern(from)?, pattern(to)?);
        if from.is_empty() || from.contains(['*', '?', '[', ']', '&']) || to.contains('&') {
            return None;
        }
        return Some(if all { value.replace(&from, &to) } else { value.replacen(&from, &to, 1) });
    }
    match operation {
        "^^" => return Some(value.to_uppercase()),
        ",," => return Some(value.to_lowercase()),
        _ => {}
    }
    let mut bounds = operation.strip_prefix(':')?.splitn(2, ':');
    let start: usize = bounds.next()?.trim().parse().ok()?;
    let length = match bounds.next() {
        Some(length) => length.trim().parse().ok()?,
        None => usize::MAX,
    };
    Some(value.chars().skip(start).take(length).collect())
}

/// Splits `from/to` at the first slash that no backslash protects.
fn split_replacement(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == '/' && !escaped {
            return text
                .split_at_checked(at)
                .map_or((text, ""), |(from, to)| (from, to.get(1..).unwrap_or("")));
        }
        escaped = c == '\\' && !escaped;
    }
    (text, "")
}

fn cut_prefix<'v>(value: &'v str, pattern: &str, longest: bool) -> &'v str {
    let mut ends = value.char_indices().map(|(at, _)| at).chain([value.len()]);
    let matched = |end: &usize| value.get(..*end).is_some_and(|head| glob(pattern, head));
    let end = if longest { ends.rfind(matched) } else { ends.find(matched) };
    end.and_then(|end| value.get(end..)).unwrap_or(value)
}

fn cut_suffix<'v>(value: &'v str, pattern: &str, longest: bool) -> &'v str {
    let mut starts = value.char_indices().map(|(at, _)| at).chain([value.len()]);
    let matched = |start: &usize| value.get(*start..).is_some_and(|tail| glob(pattern, tail));
    let start = if longest { starts.find(matched) } else { starts.rfind(matched) };
    start.and_then(|start| value.get(..start)).unwrap_or(value)
}

/// Shell pattern match with `*`, `?`, `[…]`.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match (pattern.get(p), text.get(t)) {
            (Some('*'), _) => {
                retry = Some((p + 1, t));
                p += 1;
                continue;
            }
            (Some('?'), _) => Some(p + 1),
            (Some('['), Some(c)) => bracket(&pattern, p, *c),
            (Some(expected), Some(c)) if expected == c => Some(p + 1),
            _ => None,
        };
        match (step, retry) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, from))) => {
                p = after;
                t = from + 1;
                retry = Some((after, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// Place after a bracket expression that matches `c`.
fn bracket(pattern: &[char], open: usize, c: char) -> Option<usize> {
    let negated = matches!(pattern.get(open + 1), Some('!' | '^'));
    let first = open + 1 + usize::from(negated);
    let length = pattern.iter().skip(first + 1).position(|c| *c == ']')?;
    let close = first + 1 + length;
    let set = pattern.get(first..close)?;
    let mut matched = false;
    let mut at = 0;
    while let Some(low) = set.get(at) {
        match (set.get(at + 1), set.get(at + 2)) {
            (Some('-'), Some(high)) => {
                matched |= (*low..=*high).contains(&c);
                at += 3;
            }
            _ => {
                matched |= *low == c;
                at += 1;
            }
        }
    }
    (matched != negated).then_some(close + 1)
}
