//! COPY and ADD.

use super::{Extraction, base, env};
use crate::dockerfile::stages::{LinkKind, LinkSource};
use crate::dockerfile::{Dockerfile, Instruction, InstructionKind, LogicalText, Transfer};
use crate::facts::{Copy, CopyFrom, Facts, Origin, StageId, Word};
use crate::span::Spanned;

/// Fills [`Facts::copies`].
pub(super) fn extract(cx: &Extraction<'_>, facts: &mut Facts) {
    for stage in 0..cx.graph.stages.len() {
        for (index, instruction) in cx.instructions_of(stage) {
            let (transfer, add) = match &instruction.kind {
                InstructionKind::Copy(transfer) => (transfer, false),
                InstructionKind::Add(transfer) => (transfer, true),
                _ => continue,
            };
            let sources = transfer.sources.iter().map(|source| word(cx, stage, index, source)).collect();
            facts.copies.push(Copy {
                stage: StageId(stage),
                add,
                from: from(cx, stage, index, instruction),
                sources,
                destination: word(cx, stage, index, &transfer.dest),
                heredoc: has_heredoc(transfer),
                origin: cx.origin(instruction.span),
                instruction: index,
            });
        }
    }
}

/// A file that COPY or ADD writes from an inline heredoc.
pub(super) struct HeredocFile<'t> {
    /// Stage.
    pub stage: StageId,
    /// Number of the instruction.
    pub instruction: usize,
    /// Where it goes.
    pub path: String,
    /// Its text.
    pub text: &'t LogicalText,
    /// The whole instruction.
    pub origin: Origin,
}

/// All files written from inline heredocs whose destination is known.
pub(super) fn heredocs<'t>(cx: &Extraction<'t>) -> Vec<HeredocFile<'t>> {
    let tree: &'t Dockerfile = cx.tree;
    let mut found = Vec::new();
    for stage in 0..cx.graph.stages.len() {
        for (index, instruction) in cx.instructions_of(stage) {
            let (InstructionKind::Copy(transfer) | InstructionKind::Add(transfer)) = &instruction.kind else {
                continue;
            };
            if transfer.heredocs.is_empty() {
                continue;
            }
            // The tree outlives the instruction that is lent here; a trigger has no heredoc of its own.
            let Some(owner) = tree.instructions.get(index) else { continue };
            let Some(destination) = word(cx, stage, index, &transfer.dest).text else { continue };
            let folder = destination.trim_end_matches('/');
            for heredoc in transfer.heredocs.iter().filter_map(|at| owner.heredocs.get(*at)) {
                let inside = destination.ends_with('/') || folder.ends_with(".d");
                found.push(HeredocFile {
                    stage: StageId(stage),
                    instruction: index,
                    path: if inside {
                        format!("{folder}/{}", heredoc.delimiter)
                    } else {
                        destination.clone()
                    },
                    text: &heredoc.body.text,
                    origin: cx.origin(owner.span),
                });
            }
        }
    }
    found
}

fn has_heredoc(transfer: &Transfer) -> bool {
    !transfer.heredocs.is_empty()
}

/// A word that BuildKit expands.
pub(super) fn word(cx: &Extraction<'_>, stage: usize, instruction: usize, written: &Spanned<String>) -> Word {
    let unsure = env::references(&written.value).iter().any(|name| cx.unsure.name(stage, name));
    let value = cx.graph.scope(stage, cx.position(stage, instruction)).expand(&written.value);
    let text = value.ok().filter(|_| !unsure).and_then(|value| value.as_str().map(str::to_owned));
    Word { text, raw: written.value.clone(), origin: cx.origin(written.span) }
}

fn from(cx: &Extraction<'_>, stage: usize, index: usize, instruction: &Instruction) -> CopyFrom {
    let Some(flag) = instruction.flag("from") else { return CopyFrom::Context };
    let written = flag.value.as_ref().map(|value| value.value.clone()).unwrap_or_default();
    let links = cx.graph.stages.get(stage).map(|stage| stage.links.as_slice()).unwrap_or_default();
    // Links stand in the order of their instructions.
    let first = links.partition_point(|link| link.instruction < index);
    let own = links.iter().skip(first).take_while(|link| link.instruction == index);
    let link = own.filter(|link| link.kind == LinkKind::Copy).last();
    match link.map(|link| (&link.source, link.span)) {
        Some((LinkSource::Stage(source), _)) => CopyFrom::Stage(StageId(*source)),
        Some((LinkSource::Image { reference, name: Some(name) }, span)) => {
            let mut image = base::of_reference(reference, Some(name), cx.tables);
            image.origin = cx.origin(span);
            image.tag_origin = base::tag_range(reference, image.tag.as_deref()).map(|range| {
                cx.origin(crate::span::Span::new(span.start + range.start, span.start + range.end))
            });
            CopyFrom::Image(Box::new(image))
        }
        _ => CopyFrom::Unknown(written),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{at, facts};
    use crate::facts::{BaseKind, CopyFrom, StageId};

    #[test]
    fn sources_have_their_origin_and_values() {
        let facts = facts(
            "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04 AS cuda\nFROM debian:12\nARG L=libcudart.so.12\nCOPY --from=cuda /usr/local/cuda/lib64/$L /lib/\nCOPY --from=0 [\"/a b\", \"/c\"]\nCOPY --from=nvidia/cuda:12.6.3-base-ubuntu22.04 /x /y\nADD https://example.com/f.tar.gz /f\nCOPY <<EOF /etc/x\n$L\nEOF\n",
        );
        let [lib, list, image, url, text] = facts.copies.as_slice() else { panic!("five") };
        assert_eq!(lib.from, CopyFrom::Stage(StageId(0)));
        assert_eq!(lib.sources[0].text.as_deref(), Some("/usr/local/cuda/lib64/libcudart.so.12"));
        assert_eq!(at(&facts, &lib.sources[0].origin), "/usr/local/cuda/lib64/$L");
        assert_eq!(lib.destination.text.as_deref(), Some("/lib/"));
        assert_eq!(
            (&list.from, list.sources[0].text.as_deref()),
            (&CopyFrom::Stage(StageId(0)), Some("/a b"))
        );
        let CopyFrom::Image(base) = &image.from else { panic!("image") };
        assert_eq!(
            (base.kind, base.cuda.map(|v| v.to_string()).as_deref()),
            (BaseKind::Cuda, Some("12.6.3"))
        );
        assert_eq!(base.tag_origin.as_ref().map(|o| at(&facts, o)), Some("12.6.3-base-ubuntu22.04"));
        assert!(url.add && url.from == CopyFrom::Context);
        assert!(text.heredoc && text.sources.is_empty());
        assert!(lib.instruction < list.instruction);
    }
}
