//! CU601: the whole CUDA folder is copied.

use super::paths::{is_cuda_tree, source_base};
use crate::diagnostics::RuleId;
use crate::facts::{Copy, CopyFrom, Facts, Flavour};
use crate::rules::{Context, Rule, Sink};

pub(super) struct CopyCudaTree;

impl Rule for CopyCudaTree {
    fn id(&self) -> RuleId {
        RuleId::new("CU601")
    }

    fn page(&self) -> &'static str {
        include_str!("../../../rules/CU601-copy-cuda-tree.md")
    }

    fn check(&self, cx: &Context<'_>, out: &mut Sink<'_>) {
        let facts = cx.facts;
        for copy in facts.copies.iter().filter(|copy| facts.is_shipped(copy.stage)) {
            if matches!(copy.from, CopyFrom::Context) || !arrives(facts, copy) {
                continue;
            }
            let Some((word, path)) = copy.sources.iter().find_map(|word| {
                word.text.as_deref().filter(|path| is_cuda_tree(path)).map(|path| (word, path))
            }) else {
                continue;
            };
            let base = source_base(facts, copy);
            let contents = match base.and_then(|base| base.flavour) {
                Some(Flavour::Base) => "of a `-base` image holds little more than libcudart",
                Some(Flavour::Runtime) => "brings libraries",
                _ => "brings compiler, headers and static libraries (2 to 6 GB)",
            };
            out.finding(
                &word.origin,
                format!("COPY of the whole `{path}` {contents}, but no environment, loader cache or requirement"),
            )
            .help("start the final stage from nvidia/cuda:…-runtime of the same version, or copy single libraries")
            .emit();
        }
    }
}

/// Whether the tree reaches the shipped image: a stage that only builds with it may hold it.
fn arrives(facts: &Facts, copy: &Copy) -> bool {
    let to = copy.destination.text.as_deref();
    to.map_or_else(|| facts.in_final_lineage(copy.stage), |to| facts.ships_path(copy.stage, to))
}
