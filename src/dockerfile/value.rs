//! What the evaluation of ARG and ENV yields: texts that may be unknown, with the declarations they came from.

use std::sync::Arc;

use crate::span::{Span, Spanned};

/// Which kind of declaration a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OriginKind {
    /// ARG with a default.
    ArgDefault,
    /// ARG without a default and without a build argument.
    ArgWithoutValue,
    /// ARG with its value from `--build-arg`.
    BuildArg,
    /// A platform ARG that BuildKit predefines.
    Predefined,
    /// ENV.
    Env,
    /// The environment of the base image.
    BaseEnv,
}

/// A declaration that a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// What kind of declaration.
    pub kind: OriginKind,
    /// The variable's name.
    pub name: Arc<str>,
    /// The place of the value (of the name, where there is no value); `None` outside the file.
    pub span: Option<Span>,
}

/// Why a text is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnknownReason {
    /// An ARG without a default, and no `--build-arg` gives one. BuildKit takes it as empty.
    ArgWithoutValue(Arc<str>),
    /// The variable may come from a base image whose environment is not known.
    BaseEnvironment(Arc<str>),
    /// An operator such as `${v%.*}` on a variable that is not known.
    Operator(Arc<str>),
    /// The expansion is an error in BuildKit.
    Error(ExpandError),
    /// The value is longer than is evaluated, or the file asks for more work than is done.
    TooLarge,
}

/// Part of a value that is not known as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Known text.
    Text(Arc<str>),
    /// Text that is not known.
    Unknown(UnknownReason),
}

/// The outcome of an expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The text; `None` means unknown, not empty.
    pub text: Option<Arc<str>>,
    /// Known and unknown parts in order, where `text` is `None`; empty otherwise.
    pub pieces: Arc<[Piece]>,
    /// The declarations it came from, directly or through others; sorted, at most 64.
    pub origins: Arc<[Origin]>,
}

impl Value {
    /// A known text.
    #[must_use]
    pub fn known(text: impl Into<Arc<str>>) -> Self {
        Self { text: Some(text.into()), pieces: Arc::new([]), origins: Arc::new([]) }
    }

    /// A wholly unknown text.
    #[must_use]
    pub fn unknown(reason: UnknownReason) -> Self {
        Self { text: None, pieces: Arc::new([Piece::Unknown(reason)]), origins: Arc::new([]) }
    }

    /// The same value with one more origin.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        let mut origins = self.origins.to_vec();
        add_origin(&mut origins, origin);
        self.origins = origins.into();
        self
    }

    /// The text, where it is known.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What BuildKit makes of it with the build arguments given and no others: an ARG without a value is empty.
    /// `None` where something else is unknown.
    #[must_use]
    pub fn as_built(&self) -> Option<String> {
        if let Some(text) = &self.text {
            return Some(text.to_string());
        }
        let mut out = String::new();
        for piece in self.pieces.iter() {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Unknown(UnknownReason::ArgWithoutValue(_)) => {}
                Piece::Unknown(_) => return None,
            }
        }
        Some(out)
    }

    /// Why it is not known: the first reason.
    #[must_use]
    pub fn reason(&self) -> Option<&UnknownReason> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::Unknown(reason) => Some(reason),
            Piece::Text(_) => None,
        })
    }

    /// Names of the ARGs that it came from.
    pub fn args(&self) -> impl Iterator<Item = &str> {
        self.origins
            .iter()
            .filter(|origin| !matches!(origin.kind, OriginKind::Env | OriginKind::BaseEnv))
            .map(|origin| &*origin.name)
    }

    /// Whether the text is surely not empty.
    #[must_use]
    pub fn surely_not_empty(&self) -> bool {
        match &self.text {
            Some(text) => !text.is_empty(),
            None => self.pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if !text.is_empty())),
        }
    }
}

/// Most origins kept for one value.
pub(super) const ORIGINS_KEPT: usize = 64;

/// Adds an origin to a sorted list.
pub(super) fn add_origin(origins: &mut Vec<Origin>, origin: Origin) {
    if origins.len() < ORIGINS_KEPT
        && let Err(at) = origins.binary_search(&origin)
    {
        origins.insert(at, origin);
    }
}

/// The origin of an ARG that nothing gives a value.
pub(super) fn without_value(name: &Spanned<String>) -> Origin {
    Origin { kind: OriginKind::ArgWithoutValue, name: name.value.as_str().into(), span: Some(name.span) }
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It has a value, possibly an unknown one.
    Set(Value),
    /// Nothing defines it.
    Unset,
    /// An ARG without a default, and no `--build-arg` gives one: unset for BuildKit, unknown to us.
    ArgWithoutValue(Origin),
    /// A base image whose environment is not known may define it.
    MaybeInBase,
}

/// An expansion that BuildKit refuses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ExpandError {
    /// A quote without its end.
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    Quote(&'static str),
    /// `${` without `}`.
    #[error("missing `}}` of a `${{` substitution")]
    MissingBrace,
    /// `${v/a` without the second `/`.
    #[error("missing `/` of a `${{v/a/b}}` substitution")]
    MissingSlash,
    /// `${}`, `${{` or `${:`.
    #[error("bad substitution")]
    BadSubstitution,
    /// An operator that BuildKit does not know.
    #[error("unsupported modifier `{0}` in substitution")]
    Modifier(String),
    /// `${v?message}` on an unset or empty variable.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The text after `?`.
        message: String,
    },
    /// A pattern with an escape that means nothing.
    #[error("invalid pattern `{0}` in substitution")]
    Pattern(String),
}
