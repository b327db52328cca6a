//! Choosing fixes that go together, applying them, and showing them as a diff.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use super::{Edit, Finding, Fix, Safety};
use crate::span::Span;

/// Fixes chosen so that none touches another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FixPlan {
    /// Edits per file, in order of their places, free of overlaps.
    pub edits: BTreeMap<Arc<str>, Vec<Edit>>,
    /// Findings whose fix was taken.
    pub applied: usize,
    /// Findings whose fix stands in the way of another; a second run may take it.
    pub skipped: usize,
}

/// Edits that do not fit the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{file}` changed while it was being fixed: bytes {}..{} are not there; run again", span.start, span.end)]
pub struct ApplyError {
    /// The file.
    pub file: Arc<str>,
    /// The bytes that were to be replaced.
    pub span: Span,
}

/// Takes the best allowed fix of each finding, in order of place. A fix that overlaps one already taken is left out as a
/// whole; edits that are the same as one already taken count as done.
#[must_use]
pub fn plan_fixes<'a>(findings: impl IntoIterator<Item = &'a Finding>, allow: Safety) -> FixPlan {
    let mut fixes: Vec<&Fix> = findings
        .into_iter()
        .filter_map(|finding| finding.fixes.iter().find(|fix| fix.safety <= allow))
        .collect();
    fixes.sort_by_key(|fix| fix.edits.iter().min());
    let mut taken = Taken::default();
    let mut plan = FixPlan::default();
    for fix in fixes {
        if taken.take(fix) {
            plan.applied = plan.applied.saturating_add(1);
        } else {
            plan.skipped = plan.skipped.saturating_add(1);
        }
    }
    plan.edits =
        taken.files.into_iter().map(|(file, edits)| (file, edits.into_values().cloned().collect())).collect();
    plan
}

/// Edits taken so far, by file and first byte; they never overlap.
#[derive(Default)]
struct Taken<'a> {
    files: BTreeMap<Arc<str>, BTreeMap<usize, &'a Edit>>,
}

impl<'a> Taken<'a> {
    /// Takes all edits of a fix, or none.
    fn take(&mut self, fix: &'a Fix) -> bool {
        if fix.edits.is_empty() {
            return false;
        }
        let mut own: Vec<&'a Edit> = fix.edits.iter().collect();
        own.sort();
        own.dedup();
        let overlaps_itself = own.windows(2).any(|pair| match pair {
            [a, b] => a.file == b.file && touch(a.span, b.span),
            _ => false,
        });
        if overlaps_itself {
            return false;
        }
        own.retain(|edit| !self.has(edit));
        if own.iter().any(|edit| self.is_in_the_way(edit)) {
            return false;
        }
        for edit in own {
            self.files.entry(Arc::clone(&edit.file)).or_default().insert(edit.span.start, edit);
        }
        true
    }

    fn has(&self, edit: &Edit) -> bool {
        self.files.get(&edit.file).and_then(|edits| edits.get(&edit.span.start)) == Some(&edit)
    }

    fn is_in_the_way(&self, edit: &Edit) -> bool {
        let Some(edits) = self.files.get(&edit.file) else { return false };
        let before = edits.range(..edit.span.start).next_back();
        let after = edits.range(edit.span.start..=edit.span.end).next();
        before.into_iter().chain(after).any(|(_, taken)| touch(taken.span, edit.span))
    }
}

/// Whether two edits cannot both be applied: they share a byte, or one inserts where the other begins or ends, so that
/// their order would matter.
fn touch(a: Span, b: Span) -> bool {
    if a.is_empty() || b.is_empty() {
        a.start <= b.end && b.start <= a.end
    } else {
        a.start < b.end && b.start < a.end
    }
}

/// The source with the edits applied. They are in order of their places and free of overlaps, as [`FixPlan`] has them.
///
/// # Errors
/// An edit lies outside the source or before its predecessor's end: the file is not the one that was analysed.
pub fn apply_edits(source: &[u8], edits: &[Edit]) -> Result<Vec<u8>, ApplyError> {
    let mut out = Vec::with_capacity(source.len());
    let mut from = 0;
    for edit in edits {
        let kept = source.get(from..edit.span.start).filter(|_| edit.span.end <= source.len());
        let Some(kept) = kept else {
            return Err(ApplyError { file: Arc::clone(&edit.file), span: edit.span });
        };
        out.extend_from_slice(kept);
        out.extend_from_slice(edit.replacement.as_bytes());
        from = edit.span.end;
    }
    out.extend_from_slice(source.get(from..).unwrap_or_default());
    Ok(out)
}

/// Lines around a change in a diff.
const CONTEXT: usize = 3;

/// A change of whole lines: lines `from..to` of the old text become `new`.
struct Change {
    from: usize,
    to: usize,
    new: Vec<u8>,
}

/// Writes what the edits change as a unified diff that `patch` takes. Nothing is written when they change nothing.
///
/// # Errors
/// The writer's, or an [`ApplyError`] (kind `InvalidInput`) when the edits do not fit the source.
pub fn unified_diff(name: &str, source: &[u8], edits: &[Edit], out: &mut dyn Write) -> io::Result<()> {
    let lines: Vec<&[u8]> = source.split_inclusive(|byte| *byte == b'\n').collect();
    let changes = line_changes(source, &lines, edits)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "--- {name}\n+++ {name}")?;
    let mut shift: isize = 0;
    let mut rest = changes.as_slice();
    while !rest.is_empty() {
        let close = rest.windows(2).take_while(|pair| match pair {
            [a, b] => b.from.saturating_sub(a.to) <= 2 * CONTEXT,
            _ => false,
        });
        let (hunk, later) = rest.split_at(close.count() + 1);
        rest = later;
        write_hunk(&lines, hunk, &mut shift, out)?;
    }
    Ok(())
}

fn write_hunk(lines: &[&[u8]], hunk: &[Change], shift: &mut isize, out: &mut dyn Write) -> io::Result<()> {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return Ok(()) };
    let start = first.from.saturating_sub(CONTEXT);
    let end = last.to.saturating_add(CONTEXT).min(lines.len());
    let removed: usize = hunk.iter().map(|change| change.to - change.from).sum();
    let added: usize = hunk.iter().map(|change| count_lines(&change.new)).sum();
    let old = end - start;
    let new = old - removed + added;
    // An empty side is named by the line before it.
    let number = |start: usize, count: usize| if count == 0 { start } else { start + 1 };
    let new_start = start.saturating_add_signed(*shift);
    writeln!(out, "@@ -{},{old} +{},{new} @@", number(start, old), number(new_start, new))?;
    *shift = shift.saturating_add_unsigned(added).saturating_sub_unsigned(removed);
    let mut at = start;
    for change in hunk {
        write_lines(b' ', lines.get(at..change.from).unwrap_or_default().iter().copied(), out)?;
        write_lines(b'-', lines.get(change.from..change.to).unwrap_or_default().iter().copied(), out)?;
        write_lines(b'+', change.new.split_inclusive(|byte| *byte == b'\n'), out)?;
        at = change.to;
    }
    write_lines(b' ', lines.get(at..end).unwrap_or_default().iter().copied(), out)
}

fn count_lines(text: &[u8]) -> usize {
    text.split_inclusive(|byte| *byte == b'\n').count()
}

fn write_lines<'a>(mark: u8, lines: impl Iterator<Item = &'a [u8]>, out: &mut dyn Write) -> io::Result<()> {
    for line in lines {
        out.write_all(&[mark])?;
        out.write_all(line)?;
        if !line.ends_with(b"\n") {
            out.write_all(b"\n\\ No newline at end of file\n")?;
        }
    }
    Ok(())
}

/// The edits as changes of whole lines, those that change nothing left out.
fn line_changes(source: &[u8], lines: &[&[u8]], edits: &[Edit]) -> Result<Vec<Change>, ApplyError> {
    let mut starts = Vec::with_capacity(lines.len() + 1);
    let mut offset = 0;
    for line in lines {
        starts.push(offset);
        offset += line.len();
    }
    starts.push(offset);
    // Line that holds an offset; the end of a text that ends in a line feed is a line of its own, without bytes.
    let line_of = |offset: usize| {
        let line = starts.partition_point(|start| *start <= offset).saturating_sub(1);
        if line == lines.len() && !source.ends_with(b"\n") { line.saturating_sub(1) } else { line }
    };
    let offset_of = |line: usize| starts.get(line).copied().unwrap_or(source.len());
    let mut changes = Vec::new();
    let mut rest = edits;
    while let Some(first) = rest.first() {
        let from = line_of(first.span.start);
        let mut taken = 0;
        let mut to = from;
        // Takes every edit that begins in the lines taken so far, and one line more when the last lost its line feed.
        let new = loop {
            while let Some(edit) = rest.get(taken).filter(|edit| taken == 0 || line_of(edit.span.start) < to)
            {
                let last = edit.span.end.saturating_sub(usize::from(!edit.span.is_empty()));
                to = to.max((line_of(last) + 1).min(lines.len()));
                taken += 1;
            }
            let (start, end) = (offset_of(from), offset_of(to));
            let block = source.get(start..end).unwrap_or_default();
            let moved: Vec<Edit> = rest
                .iter()
                .take(taken)
                .map(|edit| Edit {
                    span: Span::new(
                        edit.span.start.saturating_sub(start),
                        edit.span.end.saturating_sub(start),
                    ),
                    ..edit.clone()
                })
                .collect();
            let new = apply_edits(block, &moved).map_err(|error| ApplyError {
                span: Span::new(error.span.start + start, error.span.end + start),
                ..error
            })?;
            if new.is_empty() || new.ends_with(b"\n") || to >= lines.len() {
                break new;
            }
            to += 1;
        };
        rest = rest.get(taken..).unwrap_or_default();
        changes.extend(trimmed(lines, from, to, &new));
    }
    Ok(changes)
}

/// The change without the lines that stay the same at its ends; `None` when nothing is left.
fn trimmed(lines: &[&[u8]], from: usize, to: usize, new: &[u8]) -> Option<Change> {
    let old = lines.get(from..to).unwrap_or_default();
    let new: Vec<&[u8]> = new.split_inclusive(|byte| *byte == b'\n').collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail =
        old.iter().skip(head).rev().zip(new.iter().skip(head).rev()).take_while(|(a, b)| a == b).count();
    let new = new.get(head..new.len() - tail).unwrap_or_default().concat();
    let change = Change { from: from + head, to: to - tail, new };
    (change.from < change.to || !change.new.is_empty()).then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Severity;
    use crate::diagnostics::testing::file_finding;
    use proptest::prelude::*;

    fn edit(start: usize, end: usize, replacement: &str) -> Edit {
        Edit { file: "Dockerfile".into(), span: Span::new(start, end), replacement: replacement.into() }
    }

    fn with_fix(safety: Safety, edits: Vec<Edit>) -> Finding {
        let mut finding = file_finding("CU301", Severity::Error, "m");
        finding.fixes = vec![Fix { title: "do it".into(), safety, edits }];
        finding
    }

    fn run(source: &str, findings: &[Finding]) -> (String, usize, usize) {
        let plan = plan_fixes(findings, Safety::Safe);
        let edits = plan.edits.get("Dockerfile").cloned().unwrap_or_default();
        let fixed = apply_edits(source.as_bytes(), &edits).unwrap();
        (String::from_utf8(fixed).unwrap(), plan.applied, plan.skipped)
    }

    fn diff(source: &str, edits: &[Edit]) -> String {
        let mut out = Vec::new();
        unified_diff("Dockerfile", source.as_bytes(), edits, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_by_place_wins_and_the_other_is_left_out_as_a_whole() {
        let second = with_fix(Safety::Safe, vec![edit(2, 5, "Y"), edit(8, 9, "Z")]);
        let first = with_fix(Safety::Safe, vec![edit(0, 3, "X")]);
        assert_eq!(run("abcdefghij", &[second, first]), ("Xdefghij".into(), 1, 1));
    }

    #[test]
    fn equal_edits_of_two_findings_are_applied_once() {
        let one = || with_fix(Safety::Safe, vec![edit(3, 3, "+")]);
        assert_eq!(run("abcdef", &[one(), one()]), ("abc+def".into(), 2, 0));
    }

    #[test]
    fn insertions_that_touch_another_edit_wait_for_the_next_run() {
        let replace = with_fix(Safety::Safe, vec![edit(0, 3, "X")]);
        let insert = with_fix(Safety::Safe, vec![edit(3, 3, "+")]);
        let beside = with_fix(Safety::Safe, vec![edit(3, 4, "Y")]);
        assert_eq!(run("abcdef", &[replace.clone(), insert]), ("Xdef".into(), 1, 1));
        assert_eq!(run("abcdef", &[replace, beside]), ("XYef".into(), 2, 0));
    }

    #[test]
    fn unsafe_fixes_need_leave_and_the_best_allowed_is_taken() {
        let mut finding = with_fix(Safety::Unsafe, vec![edit(0, 1, "U")]);
        assert_eq!(run("abc", std::slice::from_ref(&finding)), ("abc".into(), 0, 0));
        assert_eq!(plan_fixes([&finding], Safety::Unsafe).applied, 1);
        finding.fixes.push(Fix { title: "t".into(), safety: Safety::Safe, edits: vec![edit(0, 1, "S")] });
        assert_eq!(run("abc", &[finding]), ("Sbc".into(), 1, 0));
    }

    #[test]
    fn edits_that_do_not_fit_are_an_error() {
        let error = apply_edits(b"abc", &[edit(2, 9, "")]).unwrap_err();
        assert!(error.to_string().contains("bytes 2..9"), "{error}");
        assert!(apply_edits(b"abc", &[edit(1, 2, ""), edit(0, 1, "")]).is_err());
    }

    #[test]
    fn diffs_show_three_lines_around_and_join_near_changes() {
        let source: String = (1..=30).map(|n| format!("line {n:02}\n")).collect();
        let at = |line: usize| (line - 1) * 8;
        let edits = [edit(at(5), at(5) + 4, "LINE"), edit(at(9), at(10), ""), edit(at(30), at(30), "new\n")];
        insta::assert_snapshot!(diff(&source, &edits), @r"
        --- Dockerfile
        +++ Dockerfile
        @@ -2,11 +2,10 @@
         line 02
         line 03
         line 04
        -line 05
        +LINE 05
         line 06
         line 07
         line 08
        -line 09
         line 10
         line 11
         line 12
        @@ -27,4 +26,5 @@
         line 27
         line 28
         line 29
        +new
         line 30
        ");
    }

    #[test]
    fn diffs_know_missing_line_feeds() {
        insta::assert_snapshot!(diff("a\nb", &[edit(3, 3, "c\n")]), @r"
        --- Dockerfile
        +++ Dockerfile
        @@ -1,2 +1,2 @@
         a
        -b
        \ No newline at end of file
        +bc
        ");
        assert_eq!(diff("a\n", &[edit(0, 1, "a")]), "");
    }

    /// Applies a unified diff the way `patch` does, without fuzz.
    fn patch(source: &str, diff: &str) -> String {
        let mut old = source.split_inclusive('\n');
        let mut position = 0;
        let mut out = String::new();
        let mut lines = diff.split_inclusive('\n').skip(2).peekable();
        while let Some(line) = lines.next() {
            let bare = lines.next_if(|next| next.starts_with('\\')).is_some();
            let (mark, text) = line.split_at(1);
            let text = if bare { text.trim_end_matches('\n') } else { text };
            match mark {
                "@" => {
                    let mut words = text.strip_prefix("@ -").unwrap().split([',', ' ']);
                    let start: usize = words.next().unwrap().parse().unwrap();
                    let count: usize = words.next().unwrap().parse().unwrap();
                    let before = if count == 0 { start } else { start - 1 };
                    while position < before {
                        out.push_str(old.next().unwrap());
                        position += 1;
                    }
                }
                " " | "-" => {
                    assert_eq!(old.next(), Some(text));
                    position += 1;
                    if mark == " " {
                        out.push_str(text);
                    }
                }
                "+" => out.push_str(text),
                other => panic!("unexpected line mark {other}"),
            }
        }
        out.extend(old);
        out
    }

    proptest! {
        #[test]
        fn any_fixes_compose_and_the_diff_says_the_same(
            source in "[ab\n]{0,60}",
            spans in proptest::collection::vec(proptest::collection::vec((0_usize..60, 0_usize..6, "[xy\n]{0,4}"), 1..3), 0..8),
        ) {
            let findings: Vec<Finding> = spans
                .iter()
                .map(|edits| {
                    with_fix(Safety::Safe, edits.iter().map(|(start, length, text)| {
                        let start = (*start).min(source.len());
                        edit(start, (start + length).min(source.len()), text)
                    }).collect())
                })
                .collect();
            let plan = plan_fixes(&findings, Safety::Safe);
            prop_assert_eq!(plan.applied + plan.skipped, findings.len());
            let edits = plan.edits.get("Dockerfile").cloned().unwrap_or_default();
            for pair in edits.windows(2) {
                prop_assert!(pair[0].span.end <= pair[1].span.start);
            }
            let fixed = String::from_utf8(apply_edits(source.as_bytes(), &edits).unwrap()).unwrap();
            let kept: usize = source.len() - edits.iter().map(|edit| edit.span.len()).sum::<usize>();
            let added: usize = edits.iter().map(|edit| edit.replacement.len()).sum();
            prop_assert_eq!(fixed.len(), kept + added);
            let mut again: Vec<Finding> = findings.clone();
            again.reverse();
            prop_assert_eq!(plan_fixes(&again, Safety::Safe).edits.is_empty(), plan.edits.is_empty());
            prop_assert_eq!(patch(&source, &diff(&source, &edits)), fixed);
        }
    }
}
