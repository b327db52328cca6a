//! Walking a TOML document with the byte span of every value.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::span::Span;

use super::ManifestError;

/// A value with its place.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// Parses a document. A document with errors is refused at its first one.
pub(super) fn parse(text: &str) -> Result<DeTable<'_>, ManifestError> {
    DeTable::parse(text).map(Spanned::into_inner).map_err(|error| ManifestError {
        message: error.message().to_owned(),
        span: error.span().map_or_else(|| Span::new(0, 0), Span::from),
    })
}

/// The value under a key.
pub(super) fn get<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<&'t Value<'i>> {
    table.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
}

/// The table at the end of a path of keys.
pub(super) fn table<'t, 'i>(table: &'t DeTable<'i>, path: &[&str]) -> Option<&'t DeTable<'i>> {
    path.iter().try_fold(table, |table, key| get(table, key)?.get_ref().as_table())
}

/// The array under a key; empty without one.
pub(super) fn array<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> &'t [Value<'i>] {
    get(table, key).and_then(|value| value.get_ref().as_array()).map_or(&[], items)
}

/// The values of an array.
pub(super) fn items<'t, 'i>(array: &'t DeArray<'i>) -> &'t [Value<'i>] {
    array
}

/// The tables of an array of tables, or the one table that stands in its place.
pub(super) fn tables<'t, 'i>(value: &'t Value<'i>) -> Vec<&'t DeTable<'i>> {
    match value.get_ref() {
        DeValue::Array(array) => array.iter().filter_map(|item| item.get_ref().as_table()).collect(),
        DeValue::Table(table) => vec![table],
        _ => Vec::new(),
    }
}

/// The text under a key.
pub(super) fn text<'t>(table: &'t DeTable<'_>, key: &str) -> Option<&'t str> {
    get(table, key).and_then(|value| value.get_ref().as_str())
}

/// Span of a string value without its quotes; other values as they are.
pub(super) fn inner(source: &str, range: Range<usize>) -> Span {
    let raw = source.get(range.clone()).unwrap_or_default();
    for quotes in ["\"\"\"", "'''", "\"", "'"] {
        if raw.len() >= quotes.len() * 2 && raw.starts_with(quotes) && raw.ends_with(quotes) {
            return Span::new(range.start + quotes.len(), range.end - quotes.len());
        }
    }
    Span::from(range)
}
