//! The file system a container sees: layers laid over each other, with whiteouts, opaque folders and links.
//!
//! A caller keeps a payload for the entries it cares about, and a layer may have millions of others. Those are
//! remembered as keyed 128-bit fingerprints of their paths only: enough to know that an upper layer replaced a path,
//! at 16 bytes an entry.
//!
//! Semantics follow the OCI image specification (layer.md): a whiteout acts on the layers below, never on its own; an
//! opaque folder hides all that layers below put into it; what is no folder replaces a whole tree; a folder over a
//! folder merges.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::{Arc, LazyLock};

use super::layer::{EntryKind, LayerPath};

type Fingerprint = u128;

/// Two independent keyed hashes (SipHash with random keys): nobody can prepare paths that collide, and by chance
/// none do.
static KEYS: LazyLock<(RandomState, RandomState)> =
    LazyLock::new(|| (RandomState::new(), RandomState::new()));

fn fingerprint(path: &[u8]) -> Fingerprint {
    (u128::from(KEYS.0.hash_one(path)) << 64) | u128::from(KEYS.1.hash_one(path))
}

/// A kept node of a tree.
#[derive(Debug)]
enum Node<T> {
    File(Arc<T>),
    Symlink(Arc<[u8]>),
    /// A hard link to a file that its own layer does not hold.
    Dangling(LayerPath),
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Self::File(payload) => Self::File(Arc::clone(payload)),
            Self::Symlink(target) => Self::Symlink(Arc::clone(target)),
            Self::Dangling(target) => Self::Dangling(target.clone()),
        }
    }
}

/// What one layer adds and deletes.
#[derive(Debug)]
pub struct LayerTree<T> {
    kept: BTreeMap<LayerPath, Node<T>>,
    /// What is there, is no folder, and was not kept.
    others: HashSet<Fingerprint>,
    /// Folders, those that are only implied by a deeper entry included.
    folders: HashSet<Fingerprint>,
    whiteouts: BTreeSet<LayerPath>,
    opaque: BTreeSet<LayerPath>,
}

impl<T> Default for LayerTree<T> {
    fn default() -> Self {
        Self {
            kept: BTreeMap::new(),
            others: HashSet::new(),
            folders: HashSet::new(),
            whiteouts: BTreeSet::new(),
            opaque: BTreeSet::new(),
        }
    }
}

/// Links followed while a path of one layer is resolved against the same layer.
const OWN_LINKS: usize = 40;

impl<T> LayerTree<T> {
    /// An empty layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry; call it for every entry of the layer in archive order. A file is kept when it has a payload;
    /// symbolic links are always kept; a hard link shares what its target has.
    pub fn add(&mut self, path: &LayerPath, kind: &EntryKind, payload: Option<T>) {
        match kind {
            EntryKind::OpaqueWhiteout => {
                let folder = self.through_own_links(path);
                self.note_folders(&folder, true);
                self.opaque.insert(folder);
                return;
            }
            EntryKind::Whiteout => {
                let path = self.place(path);
                self.whiteouts.insert(path);
                return;
            }
            EntryKind::Directory => {
                let path = self.place(path);
                if !path.is_root() && !self.folders.contains(&fingerprint(path.as_bytes())) {
                    self.kept.remove(&path);
                    self.others.remove(&fingerprint(path.as_bytes()));
                }
                self.note_folders(&path, true);
                return;
            }
            _ => {}
        }
        let path = self.place(path);
        if path.is_root() {
            return;
        }
        let node = match kind {
            EntryKind::File => payload.map(|payload| Node::File(Arc::new(payload))),
            EntryKind::Symlink(target) => Some(Node::Symlink(Arc::from(target.as_slice()))),
            EntryKind::Hardlink(target) => {
                let target = self.place(target);
                match self.kept.get(&target) {
                    Some(node) => Some(node.clone()),
                    None if self.others.contains(&fingerprint(target.as_bytes())) => None,
                    None => Some(Node::Dangling(target)),
                }
            }
            _ => None,
        };
        let mark = fingerprint(path.as_bytes());
        if self.folders.remove(&mark) {
            remove_below(&mut self.kept, &path);
        }
        match node {
            Some(node) => {
                self.others.remove(&mark);
                self.kept.insert(path, node);
            }
            None => {
                self.kept.remove(&path);
                self.others.insert(mark);
            }
        }
    }

    /// Number of paths that are kept in full.
    #[must_use]
    pub fn kept_len(&self) -> usize {
        self.kept.len()
    }

    /// Where an entry lands: a folder on its way that this same layer made a symbolic link is followed, as
    /// the runtimes do while they unpack.
    fn place(&mut self, path: &LayerPath) -> LayerPath {
        let Some(parent) = path.parent() else { return path.clone() };
        if parent.is_root() || self.folders.contains(&fingerprint(parent.as_bytes())) {
            return path.clone();
        }
        let real = self.through_own_links(&parent);
        self.note_folders(&real, false);
        if real == parent { path.clone() } else { real.join(path.file_name()) }
    }

    fn through_own_links(&self, path: &LayerPath) -> LayerPath {
        let link = |at: &LayerPath| match self.kept.get(at) {
            Some(Node::Symlink(target)) => Some(Arc::clone(target)),
            _ => None,
        };
        follow(path, OWN_LINKS, true, link).unwrap_or_else(|| path.clone())
    }

    /// Notes `path` and all folders above it; `replace` lets the folder itself take the place of a file.
    fn note_folders(&mut self, path: &LayerPath, replace: bool) {
        let mut at = path.clone();
        let mut first = replace;
        while !at.is_root() {
            let mark = fingerprint(at.as_bytes());
            if first || !self.folders.contains(&mark) {
                self.others.remove(&mark);
                self.kept.remove(&at);
            }
            if !self.folders.insert(mark) {
                return;
            }
            first = false;
            at = at.parent().unwrap_or_default();
        }
    }

    /// Whether this layer puts something at `path` or something that is no folder above it.
    fn replaces(&self, path: &LayerPath) -> bool {
        let mark = fingerprint(path.as_bytes());
        if self.others.contains(&mark) || self.folders.contains(&mark) || self.kept.contains_key(path) {
            return true;
        }
        let mut at = path.parent();
        while let Some(folder) = at.filter(|folder| !folder.is_root()) {
            let mark = fingerprint(folder.as_bytes());
            if self.folders.contains(&mark) {
                return false;
            }
            if self.others.contains(&mark) || self.kept.contains_key(&folder) {
                return true;
            }
            at = folder.parent();
        }
        false
    }
}

/// Follows symbolic links in `path`, rooted at `/`; the last component too when `last`. `None` when more than `limit`
/// links would be followed.
fn follow(
    path: &LayerPath,
    limit: usize,
    last: bool,
    link: impl Fn(&LayerPath) -> Option<Arc<[u8]>>,
) -> Option<LayerPath> {
    let mut todo: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    let mut at = LayerPath::root();
    let mut links = 0;
    while let Some(component) = todo.pop_front() {
        if component == b".." {
            at = at.parent().unwrap_or_default();
            continue;
        }
        let next = at.join(&component);
        let target = if last || !todo.is_empty() { link(&next) } else { None };
        let Some(target) = target else {
            at = next;
            continue;
        };
        links += 1;
        if links > limit {
            return None;
        }
        if target.first() == Some(&b'/') {
            at = LayerPath::root();
        }
        let parts = target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
        for part in parts.rev() {
            todo.push_front(part.to_vec());
        }
    }
    Some(at)
}

/// Removes everything strictly below `folder`.
fn remove_below<V>(map: &mut BTreeMap<LayerPath, V>, folder: &LayerPath) {
    if folder.is_root() {
        map.clear();
        return;
    }
    let below: Vec<LayerPath> = map
        .range((Bound::Included(folder.below()), Bound::Unbounded))
        .map(|(path, _)| path)
        .take_while(|path| path.starts_with(folder))
        .cloned()
        .collect();
    for path in below {
        map.remove(&path);
    }
}

#[derive(Debug)]
struct Placed<T> {
    layer: usize,
    node: Node<T>,
}

/// A file that survives in the merged file system.
#[derive(Debug)]
pub struct MergedFile<'a, T> {
    /// Where it is.
    pub path: &'a LayerPath,
    /// The layer that brought it, 0 for the oldest.
    pub layer: usize,
    /// What the caller kept of it.
    pub payload: &'a T,
}

/// A symbolic link that survives in the merged file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedLink<'a> {
    /// Where it is.
    pub path: &'a LayerPath,
    /// The layer that brought it, 0 for the oldest.
    pub layer: usize,
    /// Its target as written.
    pub target: &'a [u8],
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Resolved<'a, T> {
    /// To a kept file.
    File {
        /// Its real path.
        path: LayerPath,
        /// The layer that brought it, 0 for the oldest.
        layer: usize,
        /// What the caller kept of it.
        payload: &'a T,
    },
    /// To this place, where nothing was kept: a folder, a file without payload, or nothing at all.
    Elsewhere(LayerPath),
    /// Through more symbolic links than allowed, probably a loop.
    TooManyLinks,
}

/// The merged file system of all layers: files with a payload, and symbolic links.
#[derive(Debug)]
pub struct MergedTree<T> {
    nodes: BTreeMap<LayerPath, Placed<T>>,
}

/// Lays `layers` over each other, oldest first.
#[must_use]
pub fn merge<T>(layers: impl IntoIterator<Item = LayerTree<T>>) -> MergedTree<T> {
    let mut nodes: BTreeMap<LayerPath, Placed<T>> = BTreeMap::new();
    for (layer, tree) in layers.into_iter().enumerate() {
        // Hard links into layers below see those layers as they were before this one.
        let mut added: Vec<(LayerPath, Placed<T>)> = Vec::with_capacity(tree.kept.len());
        for (path, node) in &tree.kept {
            let placed = match node {
                Node::Dangling(target) => {
                    // A link to a later entry of the same layer, or to a layer below.
                    let own = tree.kept.get(target).filter(|node| !matches!(node, Node::Dangling(_)));
                    match (own, nodes.get(target)) {
                        (Some(node), _) => Placed { layer, node: node.clone() },
                        (None, Some(below)) => Placed { layer: below.layer, node: below.node.clone() },
                        (None, None) => continue,
                    }
                }
                node => Placed { layer, node: node.clone() },
            };
            added.push((path.clone(), placed));
        }
        for folder in &tree.opaque {
            remove_below(&mut nodes, folder);
        }
        for path in &tree.whiteouts {
            nodes.remove(path);
            remove_below(&mut nodes, path);
        }
        nodes.retain(|path, _| !tree.replaces(path));
        nodes.extend(added);
    }
    MergedTree { nodes }
}

impl<T> MergedTree<T> {
    /// The kept files in path order.
    pub fn files(&self) -> impl Iterator<Item = MergedFile<'_, T>> {
        self.nodes.iter().filter_map(|(path, placed)| match &placed.node {
            Node::File(payload) => Some(MergedFile { path, layer: placed.layer, payload: payload.as_ref() }),
            _ => None,
        })
    }

    /// The symbolic links in path order.
    pub fn links(&self) -> impl Iterator<Item = MergedLink<'_>> {
        self.nodes.iter().filter_map(|(path, placed)| match &placed.node {
            Node::Symlink(target) => Some(MergedLink { path, layer: placed.layer, target }),
            _ => None,
        })
    }

    /// The kept file at exactly this path, links not followed.
    #[must_use]
    pub fn file(&self, path: &LayerPath) -> Option<MergedFile<'_, T>> {
        let (path, placed) = self.nodes.get_key_value(path)?;
        match &placed.node {
            Node::File(payload) => Some(MergedFile { path, layer: placed.layer, payload: payload.as_ref() }),
            _ => None,
        }
    }

    /// Follows symbolic links from `path`, rooted at the image's `/`; at most `limit` of them
    /// ([`Limits::symlink_depth`](crate::limits::Limits::symlink_depth)).
    #[must_use]
    pub fn resolve(&self, path: &LayerPath, limit: u64) -> Resolved<'_, T> {
        let link = |at: &LayerPath| match self.nodes.get(at) {
            Some(Placed { node: Node::Symlink(target), .. }) => Some(Arc::clone(target)),
            _ => None,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let Some(path) = follow(path, limit, true, link) else { return Resolved::TooManyLinks };
        match self.nodes.get(&path) {
            Some(Placed { layer, node: Node::File(payload) }) => {
                Resolved::File { layer: *layer, payload: payload.as_ref(), path }
            }
            _ => Resolved::Elsewhere(path),
        }
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
