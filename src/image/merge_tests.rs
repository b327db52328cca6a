//! Layers on top of each other: replaced files, whiteouts, links.

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> LayerPath {
    LayerPath::from(text)
}

fn tree(entries: &[(&str, EntryKind)]) -> LayerTree<String> {
    let mut tree = LayerTree::new();
    for (name, kind) in entries {
        let payload = (*kind == EntryKind::File).then(|| (*name).to_owned());
        tree.add(&path(name), kind, payload);
    }
    tree
}

fn link(target: &str) -> EntryKind {
    EntryKind::Symlink(target.as_bytes().to_vec())
}

fn names(merged: &MergedTree<String>) -> Vec<(String, usize)> {
    merged.files().map(|file| (file.path.to_string(), file.layer)).collect()
}

#[test]
fn whiteouts_act_below_and_not_on_their_own_layer() {
    let lower = tree(&[("a/x", EntryKind::File), ("a/y", EntryKind::File), ("b", EntryKind::File)]);
    let upper = tree(&[("a/x", EntryKind::File), ("a/x", EntryKind::Whiteout), ("b", EntryKind::Whiteout)]);
    assert_eq!(names(&merge([lower, upper])), [("/a/x".to_owned(), 1), ("/a/y".to_owned(), 0)]);
}

#[test]
fn a_whiteout_of_a_folder_takes_the_tree_but_not_its_namesakes() {
    let lower = tree(&[("a/b/c", EntryKind::File), ("a-b", EntryKind::File), ("a0", EntryKind::File)]);
    let upper = tree(&[("a", EntryKind::Whiteout)]);
    assert_eq!(names(&merge([lower, upper])), [("/a-b".to_owned(), 0), ("/a0".to_owned(), 0)]);
}

#[test]
fn an_opaque_folder_hides_below_in_any_order() {
    for order in [[0, 1], [1, 0]] {
        let lower = tree(&[("d/old", EntryKind::File), ("e", EntryKind::File)]);
        let entries = [("d", EntryKind::OpaqueWhiteout), ("d/new", EntryKind::File)];
        let upper = tree(&order.map(|at| entries[at].clone()));
        assert_eq!(names(&merge([lower, upper])), [("/d/new".to_owned(), 1), ("/e".to_owned(), 0)]);
    }
    let root = tree(&[("", EntryKind::OpaqueWhiteout)]);
    assert!(names(&merge([tree(&[("a/b", EntryKind::File)]), root])).is_empty());
}

#[test]
fn files_and_folders_replace_each_other() {
    let lower = || tree(&[("p/x", EntryKind::File), ("q", EntryKind::File)]);
    assert_eq!(
        names(&merge([lower(), tree(&[("p", EntryKind::File)])])),
        [("/p".to_owned(), 1), ("/q".to_owned(), 0)]
    );
    let folder_over_file = tree(&[("q", EntryKind::Directory)]);
    assert_eq!(names(&merge([lower(), folder_over_file])), [("/p/x".to_owned(), 0)]);
    // A file nobody keeps replaces as well.
    let mut unkept = LayerTree::new();
    unkept.add(&path("p"), &EntryKind::File, None);
    unkept.add(&path("q"), &EntryKind::Device, None);
    assert!(names(&merge([lower(), unkept])).is_empty());
}

#[test]
fn hard_links_share_the_file_of_their_layer() {
    let layer = tree(&[
        ("a", EntryKind::File),
        ("b", EntryKind::Hardlink(path("a"))),
        ("c", EntryKind::Hardlink(path("late"))),
        ("late", EntryKind::File),
        ("nowhere", EntryKind::Hardlink(path("gone"))),
    ]);
    let upper = tree(&[("a", EntryKind::Whiteout), ("d", EntryKind::Hardlink(path("b")))]);
    let merged = merge([layer, upper]);
    assert_eq!(merged.file(&path("b")).unwrap().payload, "a");
    assert_eq!(merged.file(&path("c")).unwrap().payload, "late");
    assert_eq!(merged.file(&path("d")).unwrap().layer, 0);
    assert!(merged.file(&path("nowhere")).is_none() && merged.file(&path("a")).is_none());
}

#[test]
fn links_resolve_from_the_images_root_and_loops_end() {
    let layer = tree(&[
        ("lib", link("usr/lib")),
        ("usr/lib/x.so.1", EntryKind::File),
        ("usr/lib/x.so", link("x.so.1")),
        ("usr/local/cuda", link("/etc/alternatives/cuda")),
        ("etc/alternatives/cuda", link("../../../../usr/local/cuda-12.4")),
        ("usr/local/cuda-12.4/lib/y", EntryKind::File),
        ("l1", link("l2")),
        ("l2", link("l1")),
    ]);
    let merged = merge([layer]);
    let at = |from: &str| match merged.resolve(&path(from), 40) {
        Resolved::File { path, .. } => path.to_string(),
        Resolved::Elsewhere(path) => format!("? {path}"),
        Resolved::TooManyLinks => "loop".to_owned(),
    };
    assert_eq!(at("lib/x.so"), "/usr/lib/x.so.1");
    assert_eq!(at("usr/local/cuda/lib/y"), "/usr/local/cuda-12.4/lib/y");
    assert_eq!(at("lib/none"), "? /usr/lib/none");
    assert_eq!(at("l1"), "loop");
    assert_eq!(merged.links().count(), 6);
}

#[test]
fn an_entry_below_a_link_of_its_own_layer_lands_behind_the_link() {
    let layer = tree(&[("lib", link("usr/lib")), ("lib/hidden.so", EntryKind::File)]);
    assert_eq!(names(&merge([layer])), [("/usr/lib/hidden.so".to_owned(), 0)]);
    let looped = tree(&[("a", link("a")), ("a/b", EntryKind::File)]);
    assert_eq!(names(&merge([looped])), [("/a/b".to_owned(), 0)]);
}

/// The obvious model: a map from path to what is there, folders included.
#[derive(Clone, PartialEq, Debug)]
enum Plain {
    Folder,
    File(usize, usize),
}

fn plain_merge(layers: &[Vec<(LayerPath, EntryKind)>]) -> BTreeMap<LayerPath, Plain> {
    let mut world: BTreeMap<LayerPath, Plain> = BTreeMap::new();
    let below = |world: &mut BTreeMap<LayerPath, Plain>, folder: &LayerPath| {
        world.retain(|at, _| at == folder || !at.starts_with(folder));
    };
    for (layer, entries) in layers.iter().enumerate() {
        for (at, kind) in entries {
            match kind {
                EntryKind::OpaqueWhiteout => below(&mut world, at),
                EntryKind::Whiteout => {
                    below(&mut world, at);
                    world.remove(at);
                }
                _ => {}
            }
        }
        for (number, (at, kind)) in entries.iter().enumerate() {
            let is_folder = matches!(kind, EntryKind::Directory | EntryKind::OpaqueWhiteout);
            let mut up = if is_folder { Some(at.clone()) } else { at.parent() };
            while let Some(folder) = up.filter(|folder| !folder.is_root()) {
                world.insert(folder.clone(), Plain::Folder);
                up = folder.parent();
            }
            if *kind == EntryKind::File {
                below(&mut world, at);
                world.insert(at.clone(), Plain::File(layer, number));
            }
        }
    }
    world
}

proptest! {
    #[test]
    fn merging_agrees_with_the_obvious_model(
        layers in prop::collection::vec(prop::collection::vec(("[ab](/[ab]){0,3}", 0_u8..5, any::<bool>()), 0..8), 1..5)
    ) {
        // In one layer, a name that is both a file and a folder has no agreed meaning for what lies below it across
        // layers; such layers do not come from builders. Every other mixture is compared.
        let layers: Vec<Vec<(LayerPath, EntryKind)>> = layers
            .into_iter()
            .map(|entries| {
                let mut kinds: BTreeMap<LayerPath, EntryKind> = BTreeMap::new();
                for (name, kind, _) in &entries {
                    let at = path(name);
                    let kind = match kind {
                        0 | 1 => EntryKind::File,
                        2 => EntryKind::Directory,
                        3 => EntryKind::Whiteout,
                        _ => EntryKind::OpaqueWhiteout,
                    };
                    let clash = kinds.iter().any(|(other, other_kind)| {
                        (*other != at && at.starts_with(other) && *other_kind == EntryKind::File)
                            || (*other != at && other.starts_with(&at) && kind == EntryKind::File)
                    });
                    if !clash {
                        kinds.entry(at).or_insert(kind);
                    }
                }
                kinds.into_iter().collect()
            })
            .collect();
        let keep: Vec<bool> = (0..40).map(|n| n % 3 != 0).collect();
        let mut trees = Vec::new();
        for (layer, entries) in layers.iter().enumerate() {
            let mut tree = LayerTree::new();
            for (number, (at, kind)) in entries.iter().enumerate() {
                let payload = (*kind == EntryKind::File && keep[number]).then_some((layer, number));
                tree.add(at, kind, payload);
            }
            trees.push(tree);
        }
        let expected: Vec<(LayerPath, (usize, usize))> = plain_merge(&layers)
            .into_iter()
            .filter_map(|(at, what)| match what {
                Plain::File(layer, number) if keep[number] => Some((at, (layer, number))),
                _ => None,
            })
            .collect();
        let merged = merge(trees);
        let got: Vec<(LayerPath, (usize, usize))> =
            merged.files().map(|file| (file.path.clone(), *file.payload)).collect();
        prop_assert_eq!(got, expected);
    }
}
