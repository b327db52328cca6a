//! Paths inside a layer: always relative to its root, always clean.

use std::fmt;

/// The path of a file inside an image: relative to the root, `/` between components, never `.`, `..` or an empty
/// component. Bytes that are no UTF-8 are kept. The root is the empty path. It is never used to write a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LayerPath(Box<[u8]>);

impl LayerPath {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Cleans a name from an archive or a link: leading `/` and `./` go, `//` is one, `..` takes a component back and
    /// stays at the root there, as a container runtime resolves it.
    #[must_use]
    pub fn clean(raw: &[u8]) -> Self {
        let mut out: Vec<u8> = Vec::with_capacity(raw.len());
        push_components(&mut out, raw);
        Self(out.into_boxed_slice())
    }

    /// The path of `raw` seen from the folder `self`; an absolute `raw` starts at the root.
    #[must_use]
    pub fn join(&self, raw: &[u8]) -> Self {
        let mut out: Vec<u8> = Vec::with_capacity(self.0.len() + raw.len() + 1);
        if raw.first() != Some(&b'/') {
            out.extend_from_slice(&self.0);
        }
        push_components(&mut out, raw);
        Self(out.into_boxed_slice())
    }

    /// The bytes, without a leading `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// The folder it lies in; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = memchr::memrchr(b'/', &self.0).unwrap_or(0);
        Some(Self(self.0.get(..end).unwrap_or_default().into()))
    }

    /// Its components, from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// The least value in path order that can lie below `self`; only for range searches, it is no clean path.
    pub(in crate::image) fn below(&self) -> Self {
        let mut bytes = self.0.to_vec();
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        Self(bytes.into_boxed_slice())
    }

    /// Whether it lies below `folder`, or is it.
    #[must_use]
    pub fn starts_with(&self, folder: &Self) -> bool {
        match self.0.strip_prefix(folder.as_bytes()) {
            Some(rest) => folder.is_root() || rest.is_empty() || rest.first() == Some(&b'/'),
            None => false,
        }
    }
}

fn push_components(out: &mut Vec<u8>, raw: &[u8]) {
    for component in raw.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => out.truncate(memchr::memrchr(b'/', out).unwrap_or(0)),
            name => {
                if !out.is_empty() {
                    out.push(b'/');
                }
                out.extend_from_slice(name);
            }
        }
    }
}

/// With a leading `/`, as seen inside the container; bytes that are no UTF-8 as `\xNN`, control characters escaped.
impl fmt::Display for LayerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for LayerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayerPath({self})")
    }
}

impl From<&str> for LayerPath {
    fn from(text: &str) -> Self {
        Self::clean(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_never_leave_the_root() {
        for (raw, clean) in [
            ("./usr/lib", "usr/lib"),
            ("/abs/./x//y/", "abs/x/y"),
            ("../../evil", "evil"),
            ("a/../b", "b"),
            ("a/b/../../../c", "c"),
            ("./", ""),
            ("", ""),
            ("..", ""),
            ("...", "..."),
        ] {
            assert_eq!(LayerPath::from(raw).as_bytes(), clean.as_bytes(), "{raw}");
        }
    }

    #[test]
    fn links_are_seen_from_their_folder() {
        let folder = LayerPath::from("usr/lib");
        assert_eq!(folder.join(b"libcuda.so.1"), LayerPath::from("usr/lib/libcuda.so.1"));
        assert_eq!(folder.join(b"../lib64/x"), LayerPath::from("usr/lib64/x"));
        assert_eq!(folder.join(b"/etc/x"), LayerPath::from("etc/x"));
        assert_eq!(LayerPath::from("a/b/c").parent(), Some(LayerPath::from("a/b")));
        assert_eq!(LayerPath::from("a").parent(), Some(LayerPath::root()));
        assert_eq!(LayerPath::root().parent(), None);
        assert!(LayerPath::from("a/b").starts_with(&LayerPath::from("a")));
        assert!(!LayerPath::from("ab").starts_with(&LayerPath::from("a")));
    }

    #[test]
    fn strange_bytes_print_safely() {
        assert_eq!(LayerPath::clean(b"a\xff\n\x1b[2J").to_string(), "/a\\xff\\n\\u{1b}[2J");
    }
}
