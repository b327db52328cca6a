//! A layer of any bytes: it is walked within its limits, and its entries merge with those of another.
#![no_main]

use std::io::{Cursor, Read};
use std::sync::atomic::AtomicBool;

use cudalint::image::merge::{LayerTree, merge};
use cudalint::image::{LayerContent, LayerDescriptor, walk_layer};
use cudalint::limits::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let limits = Limits { layer_bytes: 16 << 20, layer_entries: 20_000, ..Limits::default() };
    let mut trees = Vec::new();
    for (index, bytes) in [input.0, input.1].into_iter().enumerate() {
        let layer = LayerDescriptor {
            index,
            digest: None,
            diff_id: None,
            size: Some(bytes.len() as u64),
            media_type: String::new(),
            created_by: None,
            foreign: false,
        };
        let mut tree = LayerTree::new();
        let content = LayerContent::Stream(Box::new(Cursor::new(bytes)));
        let outcome =
            walk_layer(content, &layer, &limits, &AtomicBool::new(false), &mut |_| {}, &mut |entry| {
                let mut first = Vec::new();
                let _ = entry.reader.take(64).read_to_end(&mut first);
                tree.add(&entry.path, &entry.kind, Some(first));
            });
        assert_eq!(outcome.complete, outcome.problems.is_empty());
        trees.push(tree);
    }
    let merged = merge(trees);
    for link in merged.links() {
        let _ = merged.resolve(link.path, limits.symlink_depth);
    }
});
