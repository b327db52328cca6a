//! Every bound on outside input, in one place. Each field is a `--limit NAME=VALUE`; the name is the field's.

/// A limit that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// No such limit.
    #[error("there is no limit `{0}`; the limits are {list}", list = Limits::NAMES.join(", "))]
    Unknown(String),
    /// Not `NAME=VALUE` with a whole number.
    #[error("`{0}` is no NAME=VALUE with a whole number above zero")]
    Malformed(String),
}

macro_rules! limits {
    ($( $(#[doc = $doc:literal])+ $name:ident = $default:expr; )*) => {
        /// Bounds that hostile or broken input runs into. A part that exceeds one is left out, the rest is analysed, and
        /// the outcome says "incomplete" with the name of the limit.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $( $(#[doc = $doc])+ pub $name: u64, )*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $( $name: $default, )* }
            }
        }

        impl Limits {
            /// Names of all limits.
            pub const NAMES: &'static [&'static str] = &[$( stringify!($name), )*];

            fn field(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $( stringify!($name) => Some(&mut self.$name), )*
                    _ => None,
                }
            }
        }
    };
}

limits! {
    /// Bytes of one Dockerfile, requirements file, lock file or script.
    text_bytes = 16 << 20;
    /// Bytes of a list of Kubernetes nodes.
    nodes_bytes = 512 << 20;
    /// Instructions of one Dockerfile.
    instructions = 100_000;
    /// Build stages of one Dockerfile.
    stages = 1_000;
    /// Variables of the environments of all stages of one Dockerfile together.
    stage_variables = 1_000_000;
    /// Bytes of one image manifest or index.
    manifest_bytes = 4 << 20;
    /// Bytes of one image config.
    config_bytes = 8 << 20;
    /// Bytes of one token answer of a registry.
    token_bytes = 1 << 20;
    /// Layers of one image.
    layers = 500;
    /// Inflated bytes of one layer.
    layer_bytes = 64 << 30;
    /// Inflated bytes over compressed bytes of one layer, once 64 MiB came out.
    layer_ratio = 1_000;
    /// Entries (files, folders, links) of one layer.
    layer_entries = 5_000_000;
    /// Bytes of one path in a layer.
    path_bytes = 4_096;
    /// Links followed while resolving one path.
    symlink_depth = 40;
    /// Bytes of one ELF file that are looked at.
    elf_file_bytes = 8 << 30;
    /// Bytes kept of one ELF file.
    elf_kept_bytes = 80 << 20;
    /// Fatbin entries of one file.
    fatbin_entries = 1_000_000;
    /// Levels of `$( … )`, `bash -c` and heredocs that are scanned in shell text.
    shell_depth = 32;
    /// Words kept of one shell text.
    shell_words = 1_000_000;
    /// Bytes of a Docker engine's save stream that are kept in a temporary file while it is read.
    spool_bytes = 128 << 30;
    /// Seconds without a byte before a registry counts as stalled.
    read_timeout_seconds = 30;
}

impl Limits {
    /// Sets a limit from `NAME=VALUE`; `-` and `_` in the name are the same.
    ///
    /// # Errors
    /// An unknown name, or a value that is no whole number above zero.
    pub fn set(&mut self, assignment: &str) -> Result<(), LimitError> {
        let malformed = || LimitError::Malformed(assignment.to_owned());
        let (name, value) = assignment.split_once('=').ok_or_else(malformed)?;
        let name = name.trim().replace('-', "_");
        let value: u64 = value.trim().parse().map_err(|_| malformed())?;
        if value == 0 {
            return Err(malformed());
        }
        let field = self.field(&name).ok_or(LimitError::Unknown(name))?;
        *field = value;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_name() {
        let mut limits = Limits::default();
        limits.set("layer-entries=7").unwrap();
        assert_eq!(limits.layer_entries, 7);
        assert_eq!(limits.set("layer_entries=0"), Err(LimitError::Malformed("layer_entries=0".into())));
        assert_eq!(limits.set("layers"), Err(LimitError::Malformed("layers".into())));
        assert!(limits.set("nonsense=1").unwrap_err().to_string().contains("layer_bytes"));
    }
}
