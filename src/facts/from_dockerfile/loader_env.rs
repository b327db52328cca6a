//! LD_LIBRARY_PATH taken apart: the directories of the base image, and those that an ENV writes out.

use std::ops::Range;

use super::{Extraction, base_env, env};
use crate::facts::{EnvSet, Origin, StageId};
use crate::span::Span;

const VARIABLE: &str = "LD_LIBRARY_PATH";

/// Directories that the base image of a stage has on its path, as far as is known.
pub(super) fn from_base(cx: &Extraction<'_>, stage: StageId) -> Vec<String> {
    let vars = cx.base_env(stage.0).map(|env| env.vars.as_slice()).unwrap_or_default();
    let value = vars.iter().find(|(name, _)| name == VARIABLE).map(|(_, value)| value.as_str());
    value
        .into_iter()
        .flat_map(|value| value.split(':'))
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The elements that an ENV writes out, with their places; what it takes over from the value before is left out, and so
/// is what cannot be known.
pub(super) fn written_elements(cx: &Extraction<'_>, set: &EnvSet) -> Vec<(String, Origin)> {
    let Some((file, span)) = set.value_origin.as_file() else { return Vec::new() };
    let Ok(written) = std::str::from_utf8(span.slice(&cx.tree.source)) else { return Vec::new() };
    let position = cx.position(set.stage.0, cx.instruction_at(&set.instruction));
    let scope = cx.graph.scope(set.stage.0, position);
    let mut out = Vec::new();
    for element in elements(written) {
        let text = written.get(element.clone()).unwrap_or_default();
        let unsure = env::references(text).iter().any(|name| {
            cx.unsure.name(set.stage.0, name)
                || (matches!(scope.get(name), crate::dockerfile::Lookup::Unset)
                    && base_env::may_set(cx, set.stage.0, name))
        });
        let value = scope.expand(text).ok().and_then(|value| value.as_str().map(str::to_owned));
        let Some(value) = value.filter(|_| !unsure) else { continue };
        let origin = Origin::file(file, Span::new(span.start + element.start, span.start + element.end));
        for directory in value.split(':').filter(|part| !part.is_empty()) {
            out.push((directory.to_owned(), origin.clone()));
        }
    }
    out
}

/// Ranges of the elements of a colon-separated list as written: quotes at its ends and references to the variable itself
/// are left out, colons inside `${…}` separate nothing.
fn elements(written: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut kept_end = 0;
    let mut depth = 0_usize;
    let mut at = 0;
    let bytes = written.as_bytes();
    let mut push = |start: usize, end: usize| {
        if start < end {
            out.push(start..end);
        }
    };
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'$' if depth == 0 => {
                let (end, own) = reference(written, at);
                if own {
                    // What stands before it is an element of its own, and what follows begins the next.
                    push(start, kept_end);
                    start = end;
                }
                kept_end = end;
                at = end;
                continue;
            }
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => {
                push(start, kept_end);
                start = at + 1;
            }
            b'"' | b'\'' if start == at => start = at + 1,
            b'"' | b'\'' => {
                at += 1;
                continue;
            }
            _ => {}
        }
        at += 1;
        if byte != b':' || depth > 0 {
            kept_end = at;
        }
    }
    push(start, kept_end);
    out
}

/// The end of the reference that begins at `at`, and whether it is to the variable itself.
fn reference(written: &str, at: usize) -> (usize, bool) {
    let rest = written.get(at + 1..).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let Some(body) = rest.strip_prefix('{') else {
        let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        return (at + 1 + end, rest.get(..end) == Some(VARIABLE));
    };
    let name = body.get(..body.find(|c: char| !is_name(c)).unwrap_or(body.len()));
    let mut depth = 1_usize;
    let close = body.find(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    (at + 2 + close.map_or(body.len(), |close| close + 1), name == Some(VARIABLE))
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn lists_fall_into_elements() {
        let parts = |text: &str| -> Vec<String> {
            elements(text).into_iter().map(|range| text.get(range).unwrap().to_owned()).collect()
        };
        assert_eq!(parts("/a:/b"), ["/a", "/b"]);
        assert_eq!(parts("\"/a:/b:$LD_LIBRARY_PATH\""), ["/a", "/b"]);
        assert_eq!(parts("${LD_LIBRARY_PATH}:/a"), ["/a"]);
        assert_eq!(parts("/a${LD_LIBRARY_PATH:+:${LD_LIBRARY_PATH}}"), ["/a"]);
        assert_eq!(parts("${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/a"), ["/a"]);
        assert_eq!(parts("${CUDA:-/x:/y}/lib:/b"), ["${CUDA:-/x:/y}/lib", "/b"]);
        assert_eq!(parts("'/a'"), ["/a"]);
        assert_eq!(parts(""), Vec::<String>::new());
        assert_eq!(parts("${X"), ["${X"]);
    }
}
