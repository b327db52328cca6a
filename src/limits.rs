//! Every bound on outside input, in one place. Each field is a `--limit NAME=VALUE`; the name is the field's.

/// Bounds that hostile or broken input runs into. A part that exceeds one is left out, the rest is analysed, and
/// the outcome says "incomplete" with the name of the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one Dockerfile, requirements file, lock file or script.
    pub text_bytes: u64,
    /// Instructions of one Dockerfile.
    pub instructions: u64,
    /// Build stages of one Dockerfile.
    pub stages: u64,
    /// Variables of the environments of all stages of one Dockerfile together.
    pub stage_variables: u64,
    /// Bytes of one image manifest or index.
    pub manifest_bytes: u64,
    /// Bytes of one image config.
    pub config_bytes: u64,
    /// Bytes of one token answer of a registry.
    pub token_bytes: u64,
    /// Layers of one image.
    pub layers: u64,
    /// Inflated bytes of one layer.
    pub layer_bytes: u64,
    /// Inflated bytes over compressed bytes of one layer, once 64 MiB came out.
    pub layer_ratio: u64,
    /// Entries (files, folders, links) of one layer.
    pub layer_entries: u64,
    /// Bytes of one path in a layer.
    pub path_bytes: u64,
    /// Links followed while resolving one path.
    pub symlink_depth: u64,
    /// Bytes of one ELF file that are looked at.
    pub elf_file_bytes: u64,
    /// Bytes kept of one ELF file.
    pub elf_kept_bytes: u64,
    /// Fatbin entries of one file.
    pub fatbin_entries: u64,
    /// Levels of `$( … )`, `bash -c` and heredocs that are scanned in shell text.
    pub shell_depth: u64,
    /// Words kept of one shell text.
    pub shell_words: u64,
    /// Bytes of a Docker engine's save stream that are kept in a temporary file while it is read.
    pub spool_bytes: u64,
    /// Seconds without a byte before a registry counts as stalled.
    pub read_timeout_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 16 << 20,
            instructions: 100_000,
            stages: 1_000,
            stage_variables: 1_000_000,
            manifest_bytes: 4 << 20,
            config_bytes: 8 << 20,
            token_bytes: 1 << 20,
            layers: 500,
            layer_bytes: 64 << 30,
            layer_ratio: 1_000,
            layer_entries: 5_000_000,
            path_bytes: 4_096,
            symlink_depth: 40,
            elf_file_bytes: 8 << 30,
            elf_kept_bytes: 80 << 20,
            fatbin_entries: 1_000_000,
            shell_depth: 32,
            shell_words: 1_000_000,
            spool_bytes: 128 << 30,
            read_timeout_seconds: 30,
        }
    }
}
