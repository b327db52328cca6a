//! Variable expansion as BuildKit's `shell.Lex` does it, over values that may be unknown.

use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod out;

use self::out::Out;
use super::pattern::Pattern;
use super::value::{ExpandError, Lookup, Origin, Piece, UnknownReason, Value};

/// Longest value in bytes; a longer one is unknown.
pub const LONGEST_VALUE: usize = 1 << 20;

/// What an unknown piece counts towards [`LONGEST_VALUE`].
const UNKNOWN_LEN: usize = 1 << 10;

/// Work that all expansions of one file may cost together, in bytes written and steps made. What does not fit is
/// unknown, so that nested references (`ENV A=$A$A`) cost no more.
#[derive(Debug)]
pub struct Budget(AtomicUsize);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicUsize::new(128 << 20))
    }
}

impl Budget {
    /// Takes `amount`; `false` when that is more than is left (nothing is left then).
    pub(super) fn take(&self, amount: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed).checked_sub(amount);
        self.0.store(left.unwrap_or(0), Ordering::Relaxed);
        left.is_some()
    }
}

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// The escape character.
    pub escape: char,
    /// Whether quotes are taken out; in heredoc bodies they stand for themselves.
    pub quotes: bool,
}

/// Expands `text`.
///
/// # Errors
/// What BuildKit refuses: unbalanced quotes or braces, unknown operators, `${v?}` on an unset variable.
pub fn expand(
    text: &str,
    mode: Mode,
    budget: &Budget,
    lookup: &mut dyn FnMut(&str) -> Lookup,
) -> Result<Value, ExpandError> {
    let mut machine = Machine {
        chars: text.char_indices().peekable(),
        mode,
        budget,
        lookup,
        levels: vec![Level { frame: Frame::Top, out: Out::default(), raw_escapes: false }],
    };
    match machine.run() {
        Ok(out) => Ok(out.into_value()),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::TooLarge) => Ok(Value::unknown(UnknownReason::TooLarge)),
    }
}

/// Why the machine stops early.
enum Stop {
    Error(ExpandError),
    TooLarge,
}

impl From<ExpandError> for Stop {
    fn from(error: ExpandError) -> Self {
        Self::Error(error)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Default,
    Alternate,
    Required,
    TrimPrefix,
    TrimSuffix,
}

/// What is open.
enum Frame {
    Top,
    /// A double quote.
    Quote,
    /// `${name:-word`, up to `}`.
    Operand {
        name: Arc<str>,
        operator: Operator,
        null_is_unset: bool,
    },
    /// `${name/pattern`, up to `/`.
    Pattern {
        name: Arc<str>,
        all: bool,
    },
    /// `${name/pattern/replacement`, up to `}`.
    Replacement {
        name: Arc<str>,
        all: bool,
        pattern: Out,
    },
}

struct Level {
    frame: Frame,
    out: Out,
    /// Escape characters stay in the text (in patterns).
    raw_escapes: bool,
}

struct Machine<'a, 'l> {
    chars: Peekable<CharIndices<'a>>,
    mode: Mode,
    budget: &'a Budget,
    lookup: &'l mut dyn FnMut(&str) -> Lookup,
    /// Never empty; the last one is being read.
    levels: Vec<Level>,
}

impl Machine<'_, '_> {
    fn run(&mut self) -> Result<Out, Stop> {
        while let Some((_, ch)) = self.chars.next() {
            match self.levels.last().map(|level| &level.frame) {
                Some(Frame::Quote) => self.in_quote(ch)?,
                Some(Frame::Pattern { .. }) if ch == '/' => self.close()?,
                Some(Frame::Operand { .. } | Frame::Replacement { .. }) if ch == '}' => self.close()?,
                _ => self.plain(ch)?,
            }
        }
        let Some(level) = self.levels.pop() else { return Ok(Out::default()) };
        match level.frame {
            Frame::Top => Ok(level.out),
            Frame::Quote if self.levels.len() == 1 => Err(ExpandError::Quote("double").into()),
            Frame::Pattern { .. } => Err(ExpandError::MissingSlash.into()),
            _ => Err(ExpandError::MissingBrace.into()),
        }
    }

    /// Reads a character outside double quotes.
    fn plain(&mut self, ch: char) -> Result<(), Stop> {
        match ch {
            '\'' if self.mode.quotes => loop {
                match self.chars.next() {
                    None => return Err(ExpandError::Quote("single").into()),
                    Some((_, '\'')) => return Ok(()),
                    Some((_, ch)) => self.push(ch)?,
                }
            },
            '"' if self.mode.quotes => {
                let raw_escapes = self.raw_escapes();
                self.open(Frame::Quote, raw_escapes);
                Ok(())
            }
            '$' => self.dollar(),
            ch if ch == self.mode.escape => {
                if self.raw_escapes() {
                    self.push(ch)?;
                }
                match self.chars.next() {
                    Some((_, escaped)) => self.push(escaped),
                    None => Ok(()),
                }
            }
            ch => self.push(ch),
        }
    }

    /// Reads a character inside double quotes.
    fn in_quote(&mut self, ch: char) -> Result<(), Stop> {
        match ch {
            '"' => self.close(),
            '$' => self.dollar(),
            ch if ch == self.mode.escape => {
                if self.raw_escapes() {
                    self.push(ch)?;
                }
                match self.chars.peek().map(|(_, next)| *next) {
                    None => Ok(()),
                    Some(next) if matches!(next, '"' | '$') || next == ch => {
                        self.chars.next();
                        self.push(next)
                    }
                    Some(_) => self.push(ch),
                }
            }
            ch => self.push(ch),
        }
    }

    fn raw_escapes(&self) -> bool {
        self.levels.last().is_some_and(|level| level.raw_escapes)
    }

    fn open(&mut self, frame: Frame, raw_escapes: bool) {
        self.levels.push(Level { frame, out: Out::default(), raw_escapes });
    }

    fn push(&mut self, ch: char) -> Result<(), Stop> {
        self.append(1, |out| out.text.push(ch))
    }

    /// Changes the text under construction by about `cost` bytes, within all bounds.
    fn append(&mut self, cost: usize, change: impl FnOnce(&mut Out)) -> Result<(), Stop> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if level.out.len().saturating_add(cost) > LONGEST_VALUE || !self.budget.take(cost) {
            return Err(Stop::TooLarge);
        }
        change(&mut level.out);
        Ok(())
    }

    fn append_out(&mut self, other: Out) -> Result<(), Stop> {
        self.append(other.len() + other.done.len() + other.origins.len() + 1, |out| out.push_out(other))
    }

    fn append_value(&mut self, value: &Value) -> Result<(), Stop> {
        let mut cost = value.text.as_ref().map_or(0, |text| text.len()) + value.origins.len() + 1;
        for piece in value.pieces.iter() {
            cost += match piece {
                Piece::Text(text) => text.len(),
                Piece::Unknown(UnknownReason::TooLarge) => return Err(Stop::TooLarge),
                Piece::Unknown(_) => UNKNOWN_LEN,
            };
        }
        self.append(cost, |out| out.push_value(value))
    }

    fn append_unknown<'o>(
        &mut self,
        reason: UnknownReason,
        origins: impl Iterator<Item = &'o Origin>,
    ) -> Result<(), Stop> {
        self.append(UNKNOWN_LEN, |out| {
            out.push_unknown(reason);
            out.add_origins(origins);
        })
    }

    /// Reads what follows `$`.
    fn dollar(&mut self) -> Result<(), Stop> {
        if self.chars.next_if(|(_, ch)| *ch == '{').is_none() {
            let name = self.name();
            return if name.is_empty() { self.push('$') } else { self.variable(&name) };
        }
        match self.chars.peek() {
            None => return Err(ExpandError::MissingBrace.into()),
            Some((_, '{' | '}' | ':')) => return Err(ExpandError::BadSubstitution.into()),
            _ => {}
        }
        let name: Arc<str> = self.name().into();
        let mut next = self.chars.next().map(|(_, ch)| ch);
        let null_is_unset = next == Some(':');
        if null_is_unset {
            next = self.chars.next().map(|(_, ch)| ch);
        }
        let operator = match next {
            Some('}') if !null_is_unset => return self.variable(&name),
            Some('-') => Operator::Default,
            Some('+') => Operator::Alternate,
            Some('?') => Operator::Required,
            Some('#') if !null_is_unset => Operator::TrimPrefix,
            Some('%') if !null_is_unset => Operator::TrimSuffix,
            Some('/') if !null_is_unset => {
                let all = self.chars.next_if(|(_, ch)| *ch == '/').is_some();
                self.open(Frame::Pattern { name, all }, true);
                return Ok(());
            }
            None => return Err(ExpandError::MissingBrace.into()),
            Some(ch) => {
                let modifier = if null_is_unset { format!(":{ch}") } else { ch.to_string() };
                return Err(ExpandError::Modifier(modifier).into());
            }
        };
        let raw_escapes = matches!(operator, Operator::TrimPrefix | Operator::TrimSuffix);
        self.open(Frame::Operand { name, operator, null_is_unset }, raw_escapes);
        Ok(())
    }

    /// A variable name: digits, one special parameter, or letters, digits and underscores; empty where there is none.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek().map(|(_, ch)| *ch) {
            Some(ch) if ch.is_numeric() => {
                while let Some((_, ch)) = self.chars.next_if(|(_, ch)| ch.is_numeric()) {
                    name.push(ch);
                }
            }
            Some(ch @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                self.chars.next();
                name.push(ch);
            }
            _ => {
                while let Some((_, ch)) = self.chars.next_if(|(_, ch)| ch.is_alphanumeric() || *ch == '_') {
                    name.push(ch);
                }
            }
        }
        name
    }

    /// `$name` and `${name}`.
    fn variable(&mut self, name: &str) -> Result<(), Stop> {
        match (self.lookup)(name) {
            Lookup::Set(value) => self.append_value(&value),
            Lookup::Unset => Ok(()),
            Lookup::ArgWithoutValue(origin) => {
                self.append_unknown(UnknownReason::ArgWithoutValue(name.into()), [&origin].into_iter())
            }
            Lookup::MaybeInBase => {
                self.append_unknown(UnknownReason::BaseEnvironment(name.into()), std::iter::empty())
            }
        }
    }

    /// Ends the innermost level and puts what it yields into the one around it.
    fn close(&mut self) -> Result<(), Stop> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        match level.frame {
            Frame::Top => Ok(()),
            Frame::Quote => self.append_out(level.out),
            Frame::Pattern { name, all } => {
                self.open(Frame::Replacement { name, all, pattern: level.out }, true);
                Ok(())
            }
            Frame::Operand { name, operator, null_is_unset } => {
                self.operand(&name, operator, null_is_unset, level.out)
            }
            Frame::Replacement { name, all, pattern } => self.replace(&name, all, &pattern, &level.out),
        }
    }

    fn operand(
        &mut self,
        name: &Arc<str>,
        operator: Operator,
        null_is_unset: bool,
        word: Out,
    ) -> Result<(), Stop> {
        if matches!(operator, Operator::TrimPrefix | Operator::TrimSuffix) {
            return self.trim(name, operator, &word);
        }
        let found = (self.lookup)(name);
        // Whether the variable counts as set; `None` when its value decides and is not known.
        let set = match &found {
            Lookup::Set(_) if !null_is_unset => Some(true),
            Lookup::Set(value) => match value.as_str() {
                Some(text) => Some(!text.is_empty()),
                None => value.surely_not_empty().then_some(true),
            },
            Lookup::Unset | Lookup::ArgWithoutValue(_) => Some(false),
            Lookup::MaybeInBase => None,
        };
        let origins: &[Origin] = match &found {
            Lookup::Set(value) => &value.origins,
            Lookup::ArgWithoutValue(origin) => std::slice::from_ref(origin),
            Lookup::Unset | Lookup::MaybeInBase => &[],
        };
        match (operator, set) {
            (Operator::Default | Operator::Required, Some(true)) => self.variable(name),
            (Operator::Default, Some(false)) | (Operator::Alternate, Some(true)) => {
                self.append(origins.len(), |out| out.add_origins(origins.iter()))?;
                self.append_out(word)
            }
            (Operator::Required, Some(false)) if !matches!(found, Lookup::ArgWithoutValue(_)) => {
                let message = match word.known() {
                    Some("") if matches!(found, Lookup::Unset) => "is not allowed to be unset",
                    Some("") => "is not allowed to be empty",
                    Some(text) => text,
                    None => "is required",
                };
                Err(ExpandError::Required { name: name.to_string(), message: message.to_owned() }.into())
            }
            // The alternative takes effect once a build argument is given: unlike a default it says nothing of the
            // value without one.
            (Operator::Alternate, Some(false)) if matches!(found, Lookup::ArgWithoutValue(_)) => {
                self.append_unknown(UnknownReason::ArgWithoutValue(Arc::clone(name)), origins.iter())
            }
            (Operator::Alternate, Some(false)) => {
                self.append(origins.len(), |out| out.add_origins(origins.iter()))
            }
            (Operator::Required, _) => self.variable(name),
            _ => {
                let reason = match found {
                    Lookup::MaybeInBase => UnknownReason::BaseEnvironment(Arc::clone(name)),
                    _ => UnknownReason::Operator(Arc::clone(name)),
                };
                self.append_unknown(reason, origins.iter())
            }
        }
    }

    fn trim(&mut self, name: &Arc<str>, operator: Operator, word: &Out) -> Result<(), Stop> {
        let mark = if operator == Operator::TrimPrefix { '#' } else { '%' };
        let pattern = match word.known() {
            Some(text) => {
                let (text, longest) = match text.strip_prefix(mark) {
                    Some(text) => (text, true),
                    None => (text, false),
                };
                let pattern = Pattern::new(text).ok_or_else(|| ExpandError::Pattern(text.to_owned()))?;
                Some((pattern, longest))
            }
            None => None,
        };
        self.operate(name, |text, budget| {
            let Some((pattern, longest)) = &pattern else { return Some(None) };
            let trimmed = match operator {
                Operator::TrimPrefix => pattern.trim_prefix(text, *longest, budget),
                _ => pattern.trim_suffix(text, *longest, budget),
            };
            trimmed.map(Some)
        })
    }

    fn replace(&mut self, name: &Arc<str>, all: bool, pattern: &Out, with: &Out) -> Result<(), Stop> {
        let compiled = match pattern.known() {
            Some(text) => Some(Pattern::new(text).ok_or_else(|| ExpandError::Pattern(text.to_owned()))?),
            None => None,
        };
        self.append(pattern.origins.len() + with.origins.len(), |out| {
            out.add_origins(pattern.origins.iter().chain(&with.origins));
        })?;
        self.operate(name, |text, budget| match (&compiled, with.known()) {
            (Some(pattern), Some(with)) => pattern.replace(text, with, all, budget).map(Some),
            _ => Some(None),
        })
    }

    /// Appends what a function makes of a variable's text. It returns `None` when the budget is spent and
    /// `Some(None)` when the outcome is not known.
    fn operate(
        &mut self,
        name: &Arc<str>,
        function: impl FnOnce(&str, &Budget) -> Option<Option<String>>,
    ) -> Result<(), Stop> {
        let found = (self.lookup)(name);
        let unknown = match &found {
            Lookup::MaybeInBase => UnknownReason::BaseEnvironment(Arc::clone(name)),
            _ => UnknownReason::Operator(Arc::clone(name)),
        };
        match found {
            Lookup::Unset => match function("", self.budget).ok_or(Stop::TooLarge)? {
                Some(text) => self.append(text.len(), |out| out.text.push_str(&text)),
                None => self.append_unknown(unknown, std::iter::empty()),
            },
            Lookup::MaybeInBase => self.append_unknown(unknown, std::iter::empty()),
            Lookup::ArgWithoutValue(origin) => self.append_unknown(unknown, [&origin].into_iter()),
            Lookup::Set(value) => {
                let Some(text) = value.as_str() else {
                    return self.append_unknown(unknown, value.origins.iter());
                };
                match function(text, self.budget).ok_or(Stop::TooLarge)? {
                    Some(text) => self.append(text.len() + value.origins.len(), |out| {
                        out.text.push_str(&text);
                        out.add_origins(value.origins.iter());
                    }),
                    None => self.append_unknown(unknown, value.origins.iter()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
