//! Layers that are damaged, hostile or merely odd: what is good is seen, what is not is said, nothing else happens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test may fail loudly"
)]

#[path = "support/oci.rs"]
mod oci;
#[path = "support/scan.rs"]
mod scan;

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use cudalint::image::{Digest, LayerContent, LayerDescriptor, LayerOutcome, walk_layer};
use cudalint::limits::Limits;
use oci::{LayerBuilder, Packing, gzip, pack};
use proptest::prelude::*;
use tar::EntryType;

fn descriptor(blob: &[u8], tar: &[u8]) -> LayerDescriptor {
    LayerDescriptor {
        index: 3,
        digest: Some(Digest::sha256(blob)),
        diff_id: Some(Digest::sha256(tar)),
        size: Some(blob.len() as u64),
        media_type: String::new(),
        created_by: None,
        foreign: false,
    }
}

fn walk_as(blob: &[u8], layer: &LayerDescriptor, limits: &Limits) -> (LayerOutcome, String) {
    let mut lines = String::new();
    let content = LayerContent::Stream(Box::new(std::io::Cursor::new(blob.to_vec())));
    let outcome = walk_layer(content, layer, limits, &AtomicBool::new(false), &mut |_| {}, &mut |entry| {
        scan::describe(3, entry, &mut lines);
    });
    (outcome, lines)
}

/// The lines of a layer and its problems, behind a `!` each.
fn walk(blob: &[u8], tar: &[u8], limits: &Limits) -> String {
    let (outcome, mut lines) = walk_as(blob, &descriptor(blob, tar), limits);
    assert_eq!(outcome.complete, outcome.problems.is_empty());
    for problem in &outcome.problems {
        let text = problem.to_string();
        let start = format!("layer 3 ({}): ", Digest::sha256(blob).short());
        lines.push_str(&format!("! {}\n", text.strip_prefix(&start).unwrap()));
    }
    lines
}

fn plain(tar: &[u8]) -> String {
    walk(tar, tar, &Limits::default())
}

fn small() -> Vec<u8> {
    LayerBuilder::new().file("a", b"first").file("b", &noise(200_000)).file("c", b"last").build()
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(length)
    .collect()
}

#[test]
fn every_packing_is_found_by_its_magic() {
    let tar = small();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let lines = walk(&pack(&tar, packing), &tar, &Limits::default());
        assert_eq!(lines, "3 file /a first\n3 file /b (200000 bytes)\n3 file /c last\n");
    }
    for (magic, format) in [(&b"BZh91AY"[..], "bzip2"), (&b"\xfd7zXZ\0\0"[..], "xz")] {
        let lines = walk(magic, b"", &Limits::default());
        assert!(
            lines.starts_with(&format!("! it does not decompress ({format}): this format is not used")),
            "{lines}"
        );
    }
}

#[test]
fn members_frames_and_padding_do_not_hide_entries() {
    let tar = small();
    let (head, tail) = tar.split_at(1_000);
    let members = [gzip(head), gzip(tail)].concat();
    assert_eq!(walk(&members, &tar, &Limits::default()).lines().count(), 3);
    let padded = [gzip(&tar), vec![0; 700]].concat();
    assert_eq!(walk(&padded, &tar, &Limits::default()).lines().count(), 3);
    let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0toc!".to_vec();
    let frames =
        [skippable.clone(), pack(head, Packing::Zstd), skippable, pack(tail, Packing::Zstd)].concat();
    assert_eq!(walk(&frames, &tar, &Limits::default()).lines().count(), 3);
}

#[test]
fn a_truncated_layer_keeps_what_came() {
    let tar = small();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let blob = pack(&tar, packing);
        let layer = descriptor(&blob, &tar);
        let (outcome, lines) = walk_as(&blob[..100_000], &layer, &Limits::default());
        assert!(lines.starts_with("3 file /a first\n"), "{packing:?}: {lines}");
        assert!(!lines.contains("/c") && !outcome.complete);
        let expected = format!(
            "layer 3 ({}): it is truncated: 100000 of {} bytes came; pull or save the image again",
            layer.digest.unwrap().short(),
            blob.len()
        );
        assert_eq!(outcome.problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn a_stream_cut_at_the_source_is_said_too() {
    let tar = small();
    let blob = gzip(&tar);
    let cut = &blob[..blob.len() - 30];
    assert!(walk(cut, &tar, &Limits::default()).contains("! it does not decompress (gzip): "));
    let lines = plain(&tar[..100_000]);
    assert!(lines.contains("CUT\n! its tar archive ends inside an entry, after 1 whole ones"), "{lines}");
    // Without the two blocks at the end an archive is still whole.
    let open = LayerBuilder::new().file("a", b"x").build_open();
    assert_eq!(plain(&open), "3 file /a x\n");
}

#[test]
fn wrong_digests_are_told_apart() {
    let tar = small();
    let blob = gzip(&tar);
    let mut layer = descriptor(&blob, &tar);
    layer.digest = Some(Digest::sha256(b"other"));
    let (outcome, lines) = walk_as(&blob, &layer, &Limits::default());
    assert_eq!(lines.lines().count(), 3);
    let text = outcome.problems[0].to_string();
    assert!(
        text.contains("wrong digest: expected sha256:d9298a10") && text.contains("got sha256:"),
        "{text}"
    );
    let mut layer = descriptor(&blob, &tar);
    layer.diff_id = Some(Digest::sha256(b"other"));
    let (outcome, _) = walk_as(&blob, &layer, &Limits::default());
    assert!(outcome.problems[0].to_string().contains("wrong diffID: the config promises sha256:d9298a10"));
    let mut layer = descriptor(&blob, &tar);
    layer.size = Some(1_000);
    let (outcome, _) = walk_as(&blob, &layer, &Limits::default());
    assert!(outcome.problems[0].to_string().contains("longer than the 1000 bytes"));
    // The digest counts for bytes behind the end of the archive as well.
    let longer = [gzip(&tar), vec![0; 50_000]].concat();
    let mut layer = descriptor(&longer, &tar);
    assert!(walk_as(&longer, &layer, &Limits::default()).0.complete);
    layer.digest = Some(Digest::sha256(&gzip(&tar)));
    assert!(!walk_as(&longer, &layer, &Limits::default()).0.complete);
}

#[test]
fn bombs_stop_at_their_limit_and_name_it() {
    let bomb = |size: usize| {
        let mut header = LayerBuilder::header(EntryType::Regular, size as u64, 0o644);
        header.set_path("bomb").unwrap();
        header.set_cksum();
        let start = LayerBuilder::new().file("a", b"x").build_open();
        [start, header.as_bytes().to_vec(), vec![0; size]].concat()
    };
    let blob = pack(&bomb(65 << 20), Packing::Zstd);
    let layer = LayerDescriptor { diff_id: None, ..descriptor(&blob, b"") };
    let limits = Limits { layer_ratio: 100, ..Limits::default() };
    let content = LayerContent::Stream(Box::new(std::io::Cursor::new(blob)));
    let mut seen = Vec::new();
    let outcome = walk_layer(content, &layer, &limits, &AtomicBool::new(false), &mut |_| {}, &mut |entry| {
        seen.push(entry.path.to_string());
    });
    assert_eq!(seen, ["/a", "/bomb"]);
    let text = outcome.problems[0].to_string();
    let message = "it exceeds the limit of 100 inflated bytes for each stored one; raise it with --limit layer_ratio=NUMBER";
    assert!(text.contains(message), "{text}");

    let tar = bomb(300_000);
    let limits = Limits { layer_bytes: 100_000, ..Limits::default() };
    let lines = walk(&gzip(&tar), &tar, &limits);
    assert!(
        lines.contains("! it exceeds the limit of 100000 inflated bytes; raise it with --limit layer_bytes"),
        "{lines}"
    );
}

#[test]
fn too_many_entries_and_too_long_paths_stop_at_their_limit() {
    let tar = (0..50).fold(LayerBuilder::new(), |layer, n| layer.file(&format!("f{n}"), b"")).build();
    let limits = Limits { layer_entries: 20, ..Limits::default() };
    let lines = walk(&tar, &tar, &limits);
    assert!(
        lines.contains("! it exceeds the limit of 20 entries; raise it with --limit layer_entries"),
        "{lines}"
    );
    let globals = [global("comment", "x").repeat(30), tar].concat();
    assert!(walk(&globals, &globals, &limits).contains("--limit layer_entries"));
    let long = LayerBuilder::new().file("a", b"x").file(&"d/".repeat(3_000), b"y").build();
    let lines = plain(&long);
    assert!(lines.starts_with("3 file /a x\n! it exceeds the limit of 4096 bytes in one path"), "{lines}");
    let longest = "d/".repeat(2_000) + "f";
    assert!(plain(&LayerBuilder::new().file(&longest, b"y").build()).ends_with("/f y\n"));
}

fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

fn special(kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = LayerBuilder::header(EntryType::new(kind), size, 0o644);
    header.set_path("special").unwrap();
    header.set_cksum();
    let mut bytes = [header.as_bytes().as_slice(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn global(key: &str, value: &str) -> Vec<u8> {
    let content = record(key, value);
    special(b'g', content.len() as u64, content.as_bytes())
}

#[test]
fn long_name_bombs_are_refused_before_they_are_read() {
    let good = LayerBuilder::new().file("a", b"x").build_open();
    for kind in [b'L', b'K', b'x', b'g'] {
        for size in [2 << 20, 4 << 30, (8 << 30) - 1] {
            let tar = [good.clone(), special(kind, size, b"")].concat();
            let lines = plain(&tar);
            assert!(
                lines.starts_with(
                    "3 file /a x\n! its tar archive is broken after 1 entries: metadata exceeds"
                ),
                "{lines}"
            );
        }
    }
    let chain = [good, special(b'L', 2, b"b\0").repeat(40)].concat();
    assert!(plain(&chain).contains("duplicate GNU long name"));
}

#[test]
fn the_pax_size_decides_as_in_go() {
    let hidden = LayerBuilder::new().file("hidden", b"libcuda").build_open();
    let size = hidden.len();
    // The header says 0, the PAX header the length of another archive: one reader sees `hidden`, another a file.
    let pax = record("size", &size.to_string());
    let mut header = LayerBuilder::header(EntryType::Regular, 0, 0o644);
    header.set_path("outer").unwrap();
    header.set_cksum();
    let tar = [
        special(b'x', pax.len() as u64, pax.as_bytes()),
        header.as_bytes().to_vec(),
        hidden,
        LayerBuilder::new().file("after", b"x").build(),
    ]
    .concat();
    assert_eq!(plain(&tar), format!("3 file /outer ({size} bytes)\n3 file /after x\n"));
    let bad = LayerBuilder::new().pax(&[("size", "12x")]).file("a", b"x").build();
    assert!(plain(&bad).starts_with("! its tar archive is broken after 0 entries: invalid PAX size"));
    let both = LayerBuilder::new().pax(&[("mtime", "-1.5"), ("size", "12x")]).file("a", b"x").build();
    assert!(plain(&both).starts_with("! its tar archive is broken after 0 entries: a PAX size is no number"));
    let before_1970 = LayerBuilder::new().pax(&[("mtime", "-1.5")]).file("a", b"x").build();
    assert_eq!(plain(&before_1970), "3 file /a x\n");
}

#[test]
fn folders_and_links_have_no_content_as_in_go() {
    let inner = LayerBuilder::new().file("seen", b"x").build_open();
    for kind in [EntryType::Directory, EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Char]
    {
        let mut header = LayerBuilder::header(kind, inner.len() as u64, 0o644);
        header.set_path("outer").unwrap();
        header.set_link_name("t").unwrap();
        header.set_cksum();
        let tar = [header.as_bytes().to_vec(), inner.clone(), LayerBuilder::new().build()].concat();
        let lines = plain(&tar);
        assert!(lines.ends_with("3 file /seen x\n"), "{kind:?}: {lines}");
    }
}

#[test]
fn names_of_every_kind() {
    let tar = LayerBuilder::new()
        .raw(EntryType::Directory, b"./", b"", b"")
        .raw(EntryType::Regular, b"./usr//lib/./x", b"", b"1")
        .raw(EntryType::Regular, b"/abs", b"", b"2")
        .raw(EntryType::Regular, b"../../evil", b"", b"3")
        .raw(EntryType::Regular, b"bad\xff\x1bname", b"", b"4")
        .raw(EntryType::Symlink, b"link", b"../../etc/shadow", b"")
        .raw(EntryType::Link, b"hard", b"/usr/lib/../lib/x", b"")
        .raw(EntryType::Block, b"dev/sda", b"", b"")
        .raw(EntryType::Regular, b"usr/lib/x", b"", b"again")
        .build();
    let expected = "3 dir /\n3 file /usr/lib/x 1\n3 file /abs 2\n3 file /evil 3\n3 file /bad\\xff\\u{1b}name 4\n\
                    3 symlink /link -> ../../etc/shadow\n3 hardlink /hard -> /usr/lib/x\n3 device /dev/sda\n\
                    3 file /usr/lib/x again\n";
    assert_eq!(plain(&tar), expected);
}

#[test]
fn whiteouts_of_every_kind() {
    let tar = LayerBuilder::new()
        .raw(EntryType::Regular, b".wh.root-file", b"", b"")
        .raw(EntryType::Regular, b".wh..wh..opq", b"", b"")
        .raw(EntryType::Regular, b"a/.wh..wh..opq", b"", b"")
        .raw(EntryType::Char, b"a/.wh.b", b"", b"")
        .raw(EntryType::Directory, b".wh..wh.plnk/", b"", b"")
        .raw(EntryType::Regular, b".wh..wh.plnk/1.2", b"", b"")
        .raw(EntryType::Regular, b"c/.wh.", b"", b"")
        .raw(EntryType::Regular, b"c/.wh...", b"", b"")
        .build();
    let expected = "3 whiteout /root-file\n3 opaque /\n3 opaque /a\n3 whiteout /a/b\n\
                    ! entry /c/.wh. was left out: it is a whiteout without a name\n\
                    ! entry /c/.wh... was left out: it is a whiteout without a name\n";
    assert_eq!(plain(&tar), expected);
}

#[test]
fn odd_entries_are_left_out_one_by_one() {
    let tar = LayerBuilder::new()
        .raw(EntryType::new(b'Z'), b"z", b"", b"12")
        .raw(EntryType::Regular, b"..", b"", b"")
        .raw(EntryType::Link, b"l", b"", b"")
        .pax(&[("path", "nul\0byte")])
        .file("x", b"x")
        .file("good", b"1")
        .build();
    let expected = "3 file /good 1\n\
                    ! entry /z was left out: its type is unknown\n\
                    ! entry / was left out: it would replace the root folder\n\
                    ! entry /l was left out: it is a hard link to nothing\n\
                    ! entry /nul\\0byte was left out: its name holds a NUL byte\n";
    assert_eq!(plain(&tar), expected.replace("\\0byte", "\\u{0}byte"));
    let many = (0..300)
        .fold(LayerBuilder::new(), |layer, _| layer.raw(EntryType::new(b'Z'), b"z", b"", b""))
        .build();
    assert_eq!(plain(&many).lines().count(), 101);
}

#[test]
fn a_sparse_file_has_its_holes() {
    // Old GNU format: one piece of 4 bytes at 6, 12 bytes in all.
    let mut header = LayerBuilder::header(EntryType::GNUSparse, 4, 0o644);
    header.set_path("sparse").unwrap();
    let gnu = header.as_gnu_mut().unwrap();
    gnu.sparse[0].offset.copy_from_slice(b"00000000006\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000004\0");
    gnu.realsize.copy_from_slice(b"00000000014\0");
    header.set_cksum();
    let tail = LayerBuilder::new().file("after", b"x").build();
    let mut content = b"data".to_vec();
    content.resize(512, 0);
    let tar = [header.as_bytes().to_vec(), content.clone(), tail.clone()].concat();
    assert_eq!(plain(&tar), "3 file /sparse (12 bytes)\n3 file /after x\n");
    header.as_gnu_mut().unwrap().realsize.copy_from_slice(b"00000000001\0");
    header.set_cksum();
    let tar = [header.as_bytes().to_vec(), content, tail].concat();
    let lines = plain(&tar);
    assert!(lines.starts_with("3 file /after x\n! entry /sparse was left out: its sparse map"), "{lines}");
}

#[test]
fn a_zstd_window_beyond_the_limit_is_an_answer() {
    let tar = small();
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(&tar).unwrap();
    let lines = walk(&encoder.finish().unwrap(), &tar, &Limits::default());
    assert!(lines.starts_with("! it does not decompress (zstd): "), "{lines}");
}

#[test]
fn other_media_types_are_no_layers() {
    let tar = small();
    let mut layer = descriptor(&tar, &tar);
    for media_type in
        ["application/vnd.in-toto+json", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"]
    {
        layer.media_type = media_type.to_owned();
        let (outcome, lines) = walk_as(&tar, &layer, &Limits::default());
        assert!(lines.is_empty());
        assert!(
            outcome.problems[0]
                .to_string()
                .ends_with(&format!("it is no file system layer but `{media_type}`"))
        );
    }
}

#[test]
fn a_cancelled_walk_ends_at_once() {
    let tar = small();
    let cancel = AtomicBool::new(false);
    let content = LayerContent::Stream(Box::new(std::io::Cursor::new(tar.clone())));
    let mut seen = 0;
    let mut told = 0;
    let outcome = walk_layer(
        content,
        &descriptor(&tar, &tar),
        &Limits::default(),
        &cancel,
        &mut |bytes| told += bytes,
        &mut |_| {
            seen += 1;
            cancel.store(true, Ordering::Relaxed);
        },
    );
    assert_eq!(seen, 1);
    assert_eq!(told, outcome.compressed_bytes);
    assert!(outcome.problems[0].to_string().ends_with("the scan was stopped before its end"));
}

#[test]
fn a_visitor_may_read_as_little_as_it_likes() {
    let tar = small();
    let blob = gzip(&tar);
    let content = LayerContent::Stream(Box::new(std::io::Cursor::new(blob.clone())));
    let mut starts = Vec::new();
    let outcome = walk_layer(
        content,
        &descriptor(&blob, &tar),
        &Limits::default(),
        &AtomicBool::new(false),
        &mut |_| {},
        &mut |entry| {
            let mut first = [0];
            entry.reader.read_exact(&mut first).unwrap();
            starts.push((entry.path.to_string(), entry.size));
        },
    );
    assert!(outcome.complete);
    assert_eq!(starts, [("/a".to_owned(), 5), ("/b".to_owned(), 200_000), ("/c".to_owned(), 4)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_agrees_with_the_tar_crate(
        entries in prop::collection::vec(("[a-z]{1,8}(/[a-z]{1,60}){0,4}", 0_u8..4, 0_usize..3_000), 0..20)
    ) {
        let mut layer = LayerBuilder::new();
        for (path, kind, size) in &entries {
            layer = match kind {
                0 => layer.folder(path),
                1 => layer.symlink(path, "../target"),
                2 => layer.hardlink(path, "some/file"),
                _ => layer.file(path, &vec![b'x'; *size]),
            };
        }
        let tar = layer.build();
        let mut expected = String::new();
        for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            expected.push_str(&match entry.header().entry_type() {
                EntryType::Directory => format!("3 dir /{path}\n"),
                EntryType::Symlink => format!("3 symlink /{path} -> ../target\n"),
                EntryType::Link => format!("3 hardlink /{path} -> /some/file\n"),
                _ if entry.size() <= 40 => format!("3 file /{path} {}\n", "x".repeat(entry.size() as usize)),
                _ => format!("3 file /{path} ({} bytes)\n", entry.size()),
            });
        }
        prop_assert_eq!(walk(&gzip(&tar), &tar, &Limits::default()), expected);
    }

    #[test]
    fn no_damage_panics_or_goes_unnoticed(places in prop::collection::vec((0_usize..4_096, any::<u8>()), 1..6), packing in 0_usize..3) {
        let tar = LayerBuilder::new().file("a", b"first").symlink("l", "a").file("b", &noise(1_500)).build();
        let packing = [Packing::Plain, Packing::Gzip, Packing::Zstd][packing];
        let whole = pack(&tar, packing);
        let mut damaged = whole.clone();
        for (place, byte) in places {
            let place = place % damaged.len();
            damaged[place] = byte;
        }
        let (outcome, _) = walk_as(&damaged, &descriptor(&whole, &tar), &Limits::default());
        prop_assert_eq!(outcome.complete, damaged == whole);
        // With digests that fit the damage, only the inner checks are left.
        let (_, _) = walk_as(&damaged, &descriptor(&damaged, &tar), &Limits::default());
    }
}
