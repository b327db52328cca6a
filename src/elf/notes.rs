//! ELF notes: build-id, forward compatibility, and others as they are.

use super::facts::{ElfFacts, Note};
use super::header::{Header, PT_NOTE, SHT_NOTE, SectionHeader, Segment};
use super::parse::{SectionNames, state};
use super::sparse::Sparse;

/// Notes kept.
const MAX_NOTES: usize = 64;
/// Longest note that is kept.
const NOTE_BYTES: usize = 16 << 10;
/// Owner of the forward compatibility note.
const NVIDIA_OWNER: &[u8] = b"NVIDIA Corporation";

/// Reads note sections, and note segments where there are no sections.
pub(super) fn read(
    facts: &mut ElfFacts,
    header: &Header,
    data: &Sparse,
    segments: &[Segment],
    sections: &[SectionHeader],
    names: &SectionNames<'_>,
) {
    let mut whole = true;
    let mut areas: Vec<(u64, u64, u64, Option<String>)> = sections
        .iter()
        .filter(|section| section.kind == SHT_NOTE)
        // The compiler's own record of its options: many, large, and of no use here.
        .filter(|section| names.of(section).is_none_or(|name| !name.starts_with(".gnu.build.attributes")))
        .take(MAX_NOTES)
        .map(|section| (section.offset, section.size, section.align, names.of(section)))
        .collect();
    for segment in segments.iter().filter(|segment| segment.kind == PT_NOTE) {
        let covered = |(offset, size, ..): &(u64, u64, u64, Option<String>)| {
            segment.offset <= *offset
                && offset.saturating_add(*size) <= segment.offset.saturating_add(segment.size)
        };
        if areas.len() < 2 * MAX_NOTES && !areas.iter().any(covered) {
            areas.push((segment.offset, segment.size, segment.align, None));
        }
    }
    let present = !areas.is_empty();
    let by_section = areas.iter().any(|(.., section)| section.is_some());
    for (offset, size, align, section) in areas {
        let area = usize::try_from(size).ok().and_then(|size| data.get(offset, size));
        let Some(area) = area else {
            whole = false;
            continue;
        };
        // patchelf gives a note of four-byte padding to a section aligned to eight.
        let eight = align == 8 && notes_in(facts, header, &area, 8, section.as_deref());
        let readable = eight || notes_in(facts, header, &area, 4, section.as_deref());
        // patchelf also moves note sections and leaves the segment pointing to what took their place.
        whole &= readable || (section.is_none() && by_section);
    }
    facts.parts.notes = state(present, whole);
}

fn notes_in(facts: &mut ElfFacts, header: &Header, area: &[u8], align: usize, section: Option<&str>) -> bool {
    let n = header.numbers;
    let padded = |len: usize| len.checked_next_multiple_of(align);
    let mut at = 0usize;
    while at.saturating_add(12) <= area.len() {
        let Some((kind, owner, data, next)) = (|| {
            let name_size = usize::try_from(n.u32(area, at)?).ok()?;
            let data_size = usize::try_from(n.u32(area, at.checked_add(4)?)?).ok()?;
            let kind = n.u32(area, at.checked_add(8)?)?;
            let name_at = at.checked_add(12)?;
            let name_end = name_at.checked_add(name_size)?;
            let owner = area.get(name_at..name_end)?;
            if owner.strip_suffix(b"\0") == Some(NVIDIA_OWNER) {
                // Its padding differs between builds; the text says itself where it ends.
                let rest = area.get(name_end..)?;
                let data = rest.get(..data_size.saturating_add(16)).unwrap_or(rest);
                return Some((kind, owner, data, padded(name_end.checked_add(data_size)?)?));
            }
            let data_at = padded(name_end)?;
            let data_end = data_at.checked_add(data_size)?;
            Some((kind, owner, area.get(data_at..data_end)?, padded(data_end)?))
        })() else {
            return false;
        };
        let owner = String::from_utf8_lossy(owner).trim_end_matches('\0').to_owned();
        at = next;
        match (owner.as_str(), kind) {
            ("GNU", 3) => {
                if data.len() <= 64 {
                    facts.build_id = Some(data.iter().map(|byte| format!("{byte:02x}")).collect());
                }
            }
            ("GNU", 5) => {}
            _ => {
                let note = Note { section: section.map(str::to_owned), owner, kind, data: data.to_vec() };
                if data.len() <= NOTE_BYTES && facts.notes.len() < MAX_NOTES && !facts.notes.contains(&note) {
                    facts.notes.push(note);
                }
            }
        }
    }
    true
}
