//! Reads one TOML document of tables into typed rows, row by row: a bad row costs that row and names its place.

use std::fmt;

use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::de::{DeTable, DeValue};

use crate::compat::version::nearest_note;
use crate::date::PartialDate;
use crate::nearest::nearest;
use crate::span::{LineColumn, LineIndex, Span};

/// One thing wrong with a data document: which, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{document}:{}:{}: {message}{}", .at.line, .at.column, nearest_note(.nearest.as_deref()))]
pub struct DataError {
    /// Name of the document (a file name, or the name of a built-in table).
    pub document: String,
    /// What is wrong, with the table's name.
    pub message: String,
    /// Byte range in the document.
    pub span: Span,
    /// Line and column of the start of `span`.
    pub at: LineColumn,
    /// The nearest known key or word, where one is close.
    pub nearest: Option<String>,
}

/// Everything wrong with one data document; never empty as an error value.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
pub struct DataErrors(pub Vec<DataError>);

impl fmt::Display for DataErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// Where a row's figures come from; every row has one, by its own keys or by its table's header.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Provenance {
    /// Keys into the table of sources.
    pub source: Vec<String>,
    /// When the sources were read.
    pub as_of: Option<PartialDate>,
}

/// A typed row of a table.
pub(crate) trait Row: DeserializeOwned {
    /// Name of the table in a document, as in `[[toolkit]]`.
    const TABLE: &'static str;

    /// What makes the row unique in its table; a row of an extension replaces the row of the same key.
    fn key(&self) -> String;

    /// The row's provenance, to be completed from the table header.
    fn provenance_mut(&mut self) -> &mut Provenance;

    /// The row's provenance.
    fn provenance(&self) -> &Provenance;
}

/// Declares a row type: its fields, the name of its table and its key. `source` and `as_of` are added to each.
macro_rules! row {
    (
        $(#[$meta:meta])*
        pub struct $name:ident in $table:literal, key |$row:ident| $key:expr, as $raw:ident {
            $( $(#[doc = $doc:literal])* $(#[serde($serde:meta)])* pub $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
            /// Where the figures come from.
            pub provenance: $crate::compat::tables::load::Provenance,
        }

        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $raw {
            $( $(#[serde($serde)])* $field: $type, )*
            #[serde(default)]
            source: Vec<String>,
            as_of: Option<$crate::date::PartialDate>,
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = $raw::deserialize(deserializer)?;
                Ok(Self {
                    $( $field: raw.$field, )*
                    provenance: $crate::compat::tables::load::Provenance { source: raw.source, as_of: raw.as_of },
                })
            }
        }

        impl $crate::compat::tables::load::Row for $name {
            const TABLE: &'static str = $table;

            fn key(&self) -> String {
                let $row = self;
                $key
            }

            fn provenance_mut(&mut self) -> &mut $crate::compat::tables::load::Provenance {
                &mut self.provenance
            }

            fn provenance(&self) -> &$crate::compat::tables::load::Provenance {
                &self.provenance
            }
        }
    };
}
pub(crate) use row;

/// The `[table]` header of a document: provenance of all rows that bring none of their own.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    as_of: Option<PartialDate>,
    #[serde(default)]
    source: Vec<String>,
}

/// A parsed document whose tables are taken out one after the other.
pub(crate) struct Document<'t> {
    name: &'t str,
    text: &'t str,
    lines: LineIndex,
    tables: DeTable<'t>,
    header: Provenance,
    known: Vec<&'static str>,
    /// What was wrong so far.
    pub(crate) errors: Vec<DataError>,
}

impl<'t> Document<'t> {
    /// Parses `text`; what is no TOML at all is one error and an empty document.
    pub(crate) fn parse(name: &'t str, text: &'t str) -> Self {
        let lines = LineIndex::new(text.as_bytes());
        let (tables, error) = match DeTable::parse(text) {
            Ok(tables) => (tables.into_inner(), None),
            Err(error) => (DeTable::new(), Some(error)),
        };
        let mut document = Self {
            name,
            text,
            lines,
            tables,
            header: Provenance::default(),
            known: vec!["table"],
            errors: Vec::new(),
        };
        if let Some(error) = error {
            document.toml_error("", &error, Span::new(0, 0));
        }
        if let Some(header) = document.single::<Header>("table") {
            document.header = Provenance { source: header.source, as_of: header.as_of };
        }
        document
    }

    /// Whether the document has a table of this name that was not taken yet.
    fn take(&mut self, table: &'static str) -> Option<(Span, toml::Spanned<DeValue<'t>>)> {
        self.known.push(table);
        let (key, value) = self.tables.remove_entry(table)?;
        Some((Span::from(key.span()), value))
    }

    /// The plain table `[name]`, if there and right.
    pub(crate) fn single<T: DeserializeOwned>(&mut self, table: &'static str) -> Option<T> {
        let (at, value) = self.take(table)?;
        match T::deserialize(value.into_deserializer()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.toml_error(table, &error, at);
                None
            }
        }
    }

    /// All right rows of `[[T::TABLE]]` with their places; the wrong ones are in `errors`.
    pub(crate) fn rows<T: Row>(&mut self) -> Vec<(T, Span)> {
        let Some((at, value)) = self.take(T::TABLE) else { return Vec::new() };
        let DeValue::Array(array) = value.into_inner() else {
            self.error(format!("`{0}` must be a list of tables, written [[{0}]]", T::TABLE), at, None);
            return Vec::new();
        };
        let mut rows = Vec::new();
        for value in array {
            let span = Span::from(value.span());
            match T::deserialize(value.into_deserializer()) {
                Ok(mut row) => {
                    let provenance = row.provenance_mut();
                    if provenance.source.is_empty() {
                        provenance.source.clone_from(&self.header.source);
                    }
                    if provenance.as_of.is_none() {
                        provenance.as_of = self.header.as_of;
                    }
                    rows.push((row, span));
                }
                Err(error) => self.toml_error(T::TABLE, &error, span),
            }
        }
        rows
    }

    /// Reports the tables that nobody asked for and hands over all errors.
    pub(crate) fn finish(mut self) -> Vec<DataError> {
        let rest: Vec<_> =
            self.tables.iter().map(|(key, _)| (key.get_ref().to_string(), Span::from(key.span()))).collect();
        for (key, span) in rest {
            let near = nearest(&key, self.known.iter().copied()).map(str::to_owned);
            self.error(format!("there is no table `{key}`"), span, near);
        }
        self.errors
    }

    /// Records an error at a place.
    pub(crate) fn error(&mut self, message: String, span: Span, nearest: Option<String>) {
        let at = self.lines.line_column(self.text.as_bytes(), span.start);
        self.errors.push(DataError { document: self.name.to_owned(), message, span, at, nearest });
    }

    fn toml_error(&mut self, table: &str, error: &toml::de::Error, fallback: Span) {
        let span = error.span().map_or(fallback, Span::from);
        let near = unknown_field(error.message());
        let prefix = if table.is_empty() { String::new() } else { format!("[{table}] ") };
        let message = match &near {
            Some((field, _)) => format!("{prefix}unknown key `{field}`"),
            None => format!("{prefix}{}", error.message().replace('\n', " ")),
        };
        self.error(message, span, near.and_then(|(_, nearest)| nearest));
    }
}

/// Takes serde's "unknown field `x`, expected one of `a`, `b`" apart into the field and the nearest known one.
fn unknown_field(message: &str) -> Option<(String, Option<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let mut words = rest.split('`');
    let field = words.next()?.to_owned();
    let known: Vec<&str> = words.skip(1).step_by(2).collect();
    let near = nearest(&field, known).map(str::to_owned);
    Some((field, near))
}
