//! Text under construction, part of which may be unknown.

use std::sync::Arc;

use super::super::value::{Origin, Piece, UnknownReason, Value, add_origin};
use super::UNKNOWN_LEN;

/// Text under construction.
#[derive(Debug, Clone, Default)]
pub(super) struct Out {
    pub(super) done: Vec<Piece>,
    done_len: usize,
    pub(super) text: String,
    pub(super) origins: Vec<Origin>,
}

impl Out {
    pub(super) fn len(&self) -> usize {
        self.done_len + self.text.len()
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done_len += self.text.len();
            self.done.push(Piece::Text(std::mem::take(&mut self.text).into()));
        }
    }

    pub(super) fn push_unknown(&mut self, reason: UnknownReason) {
        self.flush();
        self.done_len += UNKNOWN_LEN;
        self.done.push(Piece::Unknown(reason));
    }

    pub(super) fn push_value(&mut self, value: &Value) {
        if let Some(text) = &value.text {
            self.text.push_str(text);
        }
        for piece in value.pieces.iter() {
            match piece {
                Piece::Text(text) => self.text.push_str(text),
                Piece::Unknown(reason) => self.push_unknown(reason.clone()),
            }
        }
        self.add_origins(value.origins.iter());
    }

    pub(super) fn push_out(&mut self, other: Self) {
        self.add_origins(other.origins.iter());
        if self.done.is_empty() && self.text.is_empty() {
            self.done = other.done;
            self.done_len = other.done_len;
            self.text = other.text;
            return;
        }
        for piece in other.done {
            match piece {
                Piece::Text(text) => self.text.push_str(&text),
                Piece::Unknown(reason) => self.push_unknown(reason),
            }
        }
        self.text.push_str(&other.text);
    }

    pub(super) fn add_origins<'o>(&mut self, origins: impl Iterator<Item = &'o Origin>) {
        for origin in origins {
            add_origin(&mut self.origins, origin.clone());
        }
    }

    /// The text, when all of it is known.
    pub(super) fn known(&self) -> Option<&str> {
        self.done.is_empty().then_some(&self.text)
    }

    pub(super) fn into_value(mut self) -> Value {
        let origins = self.origins.into();
        if self.done.is_empty() {
            return Value { text: Some(self.text.into()), pieces: Arc::new([]), origins };
        }
        if !self.text.is_empty() {
            self.done.push(Piece::Text(self.text.into()));
        }
        Value { text: None, pieces: self.done.into(), origins }
    }
}
