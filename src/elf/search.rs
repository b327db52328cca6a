//! Texts and code constants, searched while the bytes of a file pass.

use std::collections::{BTreeSet, VecDeque};

use memchr::memmem::Finder;

use super::cudart::RuntimeVersion;
use super::facts::Machine;

/// An error text of the CUDA runtime, with its NUL. In 323 of 323 files with a static runtime; the one file that has
/// the text without a runtime lacks the constant.
const RUNTIME_TEXT: &[u8] = b"CUDA driver version is insufficient for CUDA runtime version\0";
/// Precedes the driver's version in libcuda and libnvidia-opencl, which list other versions elsewhere.
const PROFILES: &[u8] = b"nvidia-application-profiles-";
/// In stubs of libnvidia-ml.
const NVML_STUB: &[u8] = b"stub library that is attached only for";
/// x86_64: `mov dword ptr [rdi], imm32`; what stands around it decides.
const X86_STORE: &[u8] = &[0xc7, 0x07];
/// aarch64: `mov w0, #0; str w2, [x1]; ret`, after `mov w2, #version`.
const ARM_TAIL: &[u8] = &[0, 0, 0x80, 0x52, 0x22, 0, 0, 0xb9, 0xc0, 0x03, 0x5f, 0xd6];

/// In the table of section names, which lld and Bazel put up to 178 MB before the section table.
const NAME_TABLE: &[u8] = b"\0.shstrtab\0";
/// Bytes before and after that which may belong to the same table.
const NAME_TABLE_BYTES: (usize, usize) = (4 << 10, 1 << 10);
/// Candidates for the name table that are kept: the last ones, for it comes late.
const MAX_NAME_TABLES: usize = 8;

/// Bytes that may be needed before the start of a match.
pub(super) const LOOK_BEHIND: usize = NAME_TABLE_BYTES.0;
/// Bytes that may be needed from the start of a match on.
pub(super) const LOOK_AHEAD: usize = NAME_TABLE_BYTES.1;
/// Longest library name.
const NAME_BYTES: usize = 96;
/// Distinct values kept of one kind.
const MAX_DISTINCT: usize = 64;

/// Libraries that are opened by name when a program decides to (`dlopen`).
pub(super) const NAMES: [&str; 9] = [
    "libcuda.so",
    "libcudart.so",
    "libnvidia-ml.so",
    "libnvidia-encode.so",
    "libnvidia-opticalflow.so",
    "libnvcuvid.so",
    "libnvoptix.so",
    "libnvrtc.so",
    "libcudnn",
];

/// Searchers, built once and used for many files.
#[derive(Debug)]
pub(super) struct Searchers {
    runtime_text: Finder<'static>,
    profiles: Finder<'static>,
    nvml_stub: Finder<'static>,
    x86: Finder<'static>,
    arm: Finder<'static>,
    name_table: Finder<'static>,
    names: Vec<Finder<'static>>,
}

impl Searchers {
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            runtime_text: Finder::new(RUNTIME_TEXT),
            profiles: Finder::new(PROFILES),
            nvml_stub: Finder::new(NVML_STUB),
            x86: Finder::new(X86_STORE),
            arm: Finder::new(ARM_TAIL),
            name_table: Finder::new(NAME_TABLE),
            names: names
                .into_iter()
                .filter(|name| !name.is_empty() && name.len() < NAME_BYTES)
                .map(|name| Finder::new(name.as_bytes()).into_owned())
                .collect(),
        }
    }
}

/// What was found in one file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub runtime_text: bool,
    pub nvml_stub: bool,
    /// Values of the constant that `cudaRuntimeGetVersion` (or `cuDriverGetVersion`) returns.
    pub constants: BTreeSet<RuntimeVersion>,
    /// Texts behind `nvidia-application-profiles-`.
    pub profiles: BTreeSet<String>,
    /// Library names.
    pub names: BTreeSet<String>,
    /// Offsets and bytes around what may be the table of section names.
    pub name_tables: VecDeque<(u64, Vec<u8>)>,
}

impl Found {
    /// Searches for matches that begin in `window[start..end]`. The window may hold more on both sides; it begins at
    /// `base` in the file.
    pub fn search(
        &mut self,
        searchers: &Searchers,
        machine: Option<Machine>,
        (base, window): (u64, &[u8]),
        start: usize,
        end: usize,
    ) {
        // Long enough for any match that begins before `end`.
        let area =
            |needle: usize| window.get(start..end.saturating_add(needle).saturating_sub(1).min(window.len()));
        let hits = |finder: &Finder<'static>| {
            let area = area(finder.needle().len()).unwrap_or_default();
            finder.find_iter(area).map(|at| at.saturating_add(start)).collect::<Hits>()
        };
        if !self.runtime_text {
            self.runtime_text =
                searchers.runtime_text.find(area(RUNTIME_TEXT.len()).unwrap_or_default()).is_some();
        }
        if !self.nvml_stub {
            self.nvml_stub = searchers.nvml_stub.find(area(NVML_STUB.len()).unwrap_or_default()).is_some();
        }
        if machine != Some(Machine::Aarch64) {
            let area = area(X86_STORE.len()).unwrap_or_default();
            for at in searchers.x86.find_iter(area) {
                self.constants.extend(x86_constant(window, at.saturating_add(start)));
            }
        }
        if machine != Some(Machine::X86_64) && machine != Some(Machine::I386) {
            for at in hits(&searchers.arm).0 {
                self.constants.extend(arm_constant(window, at));
            }
        }
        for at in hits(&searchers.name_table).0 {
            let from = at.saturating_sub(NAME_TABLE_BYTES.0);
            let to = at.saturating_add(NAME_TABLE_BYTES.1).min(window.len());
            if self.name_tables.len() >= MAX_NAME_TABLES {
                self.name_tables.pop_front();
            }
            let bytes = window.get(from..to).unwrap_or_default().to_vec();
            self.name_tables.push_back((base.saturating_add(from as u64), bytes));
        }
        for at in hits(&searchers.profiles).0 {
            let rest = window.get(at.saturating_add(PROFILES.len())..).unwrap_or_default();
            let text = leading(rest, |byte| byte.is_ascii_digit() || byte == b'.', 32);
            if self.profiles.len() < MAX_DISTINCT && !text.is_empty() {
                self.profiles.insert(text);
            }
        }
        for finder in &searchers.names {
            for at in hits(finder).0 {
                let rest = window.get(at..).unwrap_or_default();
                let name =
                    leading(rest, |byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte), NAME_BYTES);
                if self.names.len() < MAX_DISTINCT {
                    self.names.insert(name.trim_end_matches(['.', '-']).to_owned());
                }
            }
        }
        while self.constants.len() > MAX_DISTINCT {
            self.constants.pop_last();
        }
    }
}

/// Positions of matches in one window, of which there are rarely any.
struct Hits(Vec<usize>);

impl FromIterator<usize> for Hits {
    fn from_iter<T: IntoIterator<Item = usize>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// The bytes at the start of `bytes` that fit, at most `max`, as text.
fn leading(bytes: &[u8], fits: impl Fn(u8) -> bool, max: usize) -> String {
    bytes.iter().copied().take(max).take_while(|byte| fits(*byte)).map(char::from).collect()
}

/// `74 xx c7 07 vv vv 00 00 (30|31) c0 [f3] c3`, `at` being that of `c7`: `je; mov dword [rdi], v; xor eax, eax; ret`.
fn x86_constant(window: &[u8], at: usize) -> Option<RuntimeVersion> {
    let jump = window.get(at.checked_sub(2)?..at)?;
    let after = window.get(at.saturating_add(2)..)?;
    let (value, after) = after.split_first_chunk::<4>()?;
    let jumps = matches!(jump, [0x74, 0x08..=0x0f]);
    let returns = matches!(after, [0x30 | 0x31, 0xc0, 0xc3, ..] | [0x30 | 0x31, 0xc0, 0xf3, 0xc3, ..]);
    (jumps && returns).then(|| release(u32::from_le_bytes(*value))).flatten()
}

/// The word before the tail at `at`: `0x52800002 | v << 5`, `mov w2, #v`.
fn arm_constant(window: &[u8], at: usize) -> Option<RuntimeVersion> {
    let word: [u8; 4] = window.get(at.checked_sub(4)?..at)?.try_into().ok()?;
    let word = u32::from_le_bytes(word);
    (word & 0xffe0_001f == 0x5280_0002).then(|| release((word >> 5) & 0xffff)).flatten()
}

/// `major * 1000 + minor * 10`, in the range of CUDA 5.0 to 19.x.
fn release(value: u32) -> Option<RuntimeVersion> {
    if !(5_000..20_000).contains(&value) || !value.is_multiple_of(10) {
        return None;
    }
    Some(RuntimeVersion {
        major: u16::try_from(value / 1_000).ok()?,
        minor: u16::try_from(value % 1_000 / 10).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(machine: Option<Machine>, bytes: &[u8]) -> Found {
        let mut found = Found::default();
        found.search(&Searchers::new(NAMES), machine, (0, bytes), 0, bytes.len());
        found
    }

    fn versions(found: &Found) -> Vec<String> {
        found.constants.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn x86_constant_in_all_four_forms() {
        for tail in [
            &[0x31, 0xc0, 0xc3][..],
            &[0x30, 0xc0, 0xc3],
            &[0x31, 0xc0, 0xf3, 0xc3],
            &[0x30, 0xc0, 0xf3, 0xc3],
        ] {
            let mut code = vec![0x48, 0x74, 0x0c, 0xc7, 0x07, 0x08, 0x2f, 0, 0];
            code.extend_from_slice(tail);
            assert_eq!(versions(&search(Some(Machine::X86_64), &code)), ["12.4"]);
            assert!(search(Some(Machine::Aarch64), &code).constants.is_empty());
            for cut in 0..code.len() {
                assert!(search(None, &code[..cut]).constants.is_empty(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn x86_near_misses() {
        let good = [0x74, 0x0c, 0xc7, 0x07, 0x08, 0x2f, 0, 0, 0x31, 0xc0, 0xc3];
        assert_eq!(versions(&search(None, &good)), ["12.4"]);
        for (at, value) in
            [(0, 0x75), (1, 0x07), (1, 0x10), (4, 0x09), (5, 0x00), (5, 0xff), (6, 1), (8, 0x33), (10, 0xc4)]
        {
            let mut bad = good;
            bad[at] = value;
            assert!(search(None, &bad).constants.is_empty(), "byte {at} = {value:#x}");
        }
    }

    #[test]
    fn arm_constant() {
        let word = 0x5280_0002u32 | (13_050 << 5);
        let mut code = word.to_le_bytes().to_vec();
        code.extend_from_slice(ARM_TAIL);
        assert_eq!(versions(&search(Some(Machine::Aarch64), &code)), ["13.5"]);
        assert!(search(Some(Machine::X86_64), &code).constants.is_empty());
        code[0] ^= 1;
        assert!(search(None, &code).constants.is_empty());
    }

    #[test]
    fn texts_and_names() {
        let found = search(
            None,
            b"\0libcuda.so.1\0xlibcudnn_ops.so.9\0nvidia-application-profiles-535.261.03-rc\0libnvrtc.so.",
        );
        assert_eq!(
            found.names.iter().collect::<Vec<_>>(),
            ["libcuda.so.1", "libcudnn_ops.so.9", "libnvrtc.so"]
        );
        assert_eq!(found.profiles.iter().collect::<Vec<_>>(), ["535.261.03"]);
        assert!(!found.runtime_text);
        assert!(search(None, RUNTIME_TEXT).runtime_text);
        assert!(!search(None, &RUNTIME_TEXT[..RUNTIME_TEXT.len() - 1]).runtime_text);
    }
}
