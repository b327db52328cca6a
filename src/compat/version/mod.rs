//! Ordered version types: driver, CUDA, PTX ISA, compute capability, SM target, cuDNN. No bare strings, no floats.

mod sm;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::span::Span;

pub use sm::{ComputeCapability, SmSuffix, SmTarget};

/// A text that is no version of the kind asked for: what was read, where in it, and what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {problem}{}", nearest_note(.nearest.as_deref()))]
pub struct VersionError {
    /// What was expected, e.g. "driver version".
    pub what: &'static str,
    /// The text as given (cut at 80 characters).
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
    /// Byte range of the offending part inside the text.
    pub span: Span,
    /// The nearest valid spelling, where one is evident.
    pub nearest: Option<String>,
}

/// The ", did you mean" tail of an error message.
pub(crate) fn nearest_note(nearest: Option<&str>) -> Cow<'static, str> {
    match nearest {
        Some(nearest) => Cow::Owned(format!("; did you mean `{nearest}`?")),
        None => Cow::Borrowed(""),
    }
}

impl VersionError {
    fn new(
        what: &'static str,
        text: &str,
        problem: impl Into<String>,
        span: Span,
        nearest: Option<String>,
    ) -> Self {
        Self { what, text: text.chars().take(80).collect(), problem: problem.into(), span, nearest }
    }
}

/// Most number parts of any version here.
const MAX_PARTS: usize = 4;

/// Up to four numbers as written: compared number by number, missing ones count as zero, displayed as given.
#[derive(Debug, Clone)]
struct Dotted {
    raw: Box<str>,
    parts: [u32; MAX_PARTS],
    count: u8,
}

impl Dotted {
    fn parse(what: &'static str, text: &str) -> Result<Self, VersionError> {
        let nearest = || suggest_digits(text);
        if text.is_empty() {
            return Err(VersionError::new(what, text, "it is empty", Span::new(0, 0), None));
        }
        let mut parts = [0u32; MAX_PARTS];
        let mut count = 0usize;
        let mut at = 0usize;
        for part in text.split('.') {
            let span = Span::new(at, at + part.len());
            at += part.len() + 1;
            if part.is_empty() {
                return Err(VersionError::new(what, text, "a number is missing at a dot", span, nearest()));
            }
            if !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(VersionError::new(what, text, format!("`{part}` is no number"), span, nearest()));
            }
            let Ok(number) = part.parse::<u32>() else {
                return Err(VersionError::new(what, text, format!("{part} is too large"), span, None));
            };
            let Some(slot) = parts.get_mut(count) else {
                return Err(VersionError::new(what, text, "it has more than four numbers", span, nearest()));
            };
            *slot = number;
            count += 1;
        }
        Ok(Self { raw: text.into(), parts, count: u8::try_from(count).unwrap_or(u8::MAX) })
    }
}

impl PartialEq for Dotted {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Dotted {}

impl Hash for Dotted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl Ord for Dotted {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts.cmp(&other.parts)
    }
}

impl PartialOrd for Dotted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The digits-and-dots core of a text, offered as the nearest spelling when it differs and has one.
fn suggest_digits(text: &str) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let core: String = text
        .chars()
        .skip(text.get(..start)?.chars().count())
        .map(|c| if c == '-' || c == '_' || c == ',' { '.' } else { c })
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let core = core.split('.').filter(|part| !part.is_empty()).take(MAX_PARTS).collect::<Vec<_>>().join(".");
    (core != text && !core.is_empty() && core.len() <= 40).then_some(core)
}

/// Serializes by `Display`, deserializes by `FromStr`.
macro_rules! string_serde {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Version of the NVIDIA driver on Linux, e.g. `525.60.13` or `565.77`. Compared number by number as integers
/// (`525.147.05` is above `525.60.13`), missing numbers count as zero, displayed as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DriverVersion(Dotted);

impl DriverVersion {
    /// The branch, i.e. the first number.
    #[must_use]
    pub fn branch(&self) -> DriverBranch {
        let [first, ..] = self.0.parts;
        DriverBranch(u16::try_from(first).unwrap_or(u16::MAX))
    }

    /// Up to four numbers, missing ones as zero.
    #[must_use]
    pub fn parts(&self) -> [u32; 4] {
        self.0.parts
    }

    /// How many numbers were written.
    #[must_use]
    pub fn part_count(&self) -> usize {
        usize::from(self.0.count)
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.raw
    }
}

impl FromStr for DriverVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let dotted = Dotted::parse("driver version", text)?;
        let [first, ..] = dotted.parts;
        if u16::try_from(first).is_err() {
            let end = text.find('.').unwrap_or(text.len());
            let problem = "no driver branch has so large a number";
            return Err(VersionError::new("driver version", text, problem, Span::new(0, end), None));
        }
        Ok(Self(dotted))
    }
}

impl fmt::Display for DriverVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.raw)
    }
}

pub(crate) use string_serde;

string_serde!(DriverVersion);

impl From<DriverBranch> for DriverVersion {
    fn from(branch: DriverBranch) -> Self {
        let parts = [u32::from(branch.0), 0, 0, 0];
        Self(Dotted { raw: branch.0.to_string().into(), parts, count: 1 })
    }
}

/// Number of a driver branch: the first number of its versions, e.g. 525 (NVIDIA writes R525).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DriverBranch(pub u16);

impl FromStr for DriverBranch {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "driver branch";
        let digits = text.strip_prefix(['R', 'r']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let nearest =
                suggest_digits(text).map(|core| core.split('.').next().unwrap_or_default().to_owned());
            let problem = "a branch is one whole number";
            return Err(VersionError::new(WHAT, text, problem, Span::new(0, text.len()), nearest));
        }
        digits.parse().map(Self).map_err(|_| {
            VersionError::new(WHAT, text, "the number is too large", Span::new(0, text.len()), None)
        })
    }
}

impl fmt::Display for DriverBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Version of the CUDA toolkit or runtime: `12.4`, `12.4.1`, or with a build number as 9.x and 10.x are keyed (`9.2.148`).
/// `12.4` sorts before `12.4.0`; compare [`CudaVersion::minor_only`] where the patch must not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CudaVersion {
    /// The major family, e.g. 12.
    pub major: u16,
    /// The minor release, e.g. 4.
    pub minor: u16,
    /// The update (or build) number, where one was written.
    pub patch: Option<u16>,
}

impl CudaVersion {
    /// `major.minor` without a patch.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor, patch: None }
    }

    /// The same version without its patch.
    #[must_use]
    pub const fn minor_only(self) -> Self {
        Self { patch: None, ..self }
    }

    /// From the number that `cudaRuntimeGetVersion` and `cuDriverGetVersion` return: 1000 * major + 10 * minor (12040 is 12.4).
    #[must_use]
    pub fn from_api_number(number: u32) -> Option<Self> {
        let major = u16::try_from(number / 1000).ok()?;
        let minor = u16::try_from(number % 1000 / 10).ok()?;
        (major > 0).then_some(Self::new(major, minor))
    }

    /// From the digits of a wheel's local version tag `cuNNN`: the last digit is the minor, the rest the major (118 is 11.8, 92 is 9.2).
    #[must_use]
    pub fn from_wheel_digits(digits: &str) -> Option<Self> {
        if !(2..=3).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u16 = digits.parse().ok()?;
        (number >= 10).then_some(Self::new(number / 10, number % 10))
    }

    /// The wheel tag of this version: 11.8 is `cu118`.
    #[must_use]
    pub fn wheel_tag(self) -> String {
        format!("cu{}{}", self.major, self.minor)
    }
}

impl FromStr for CudaVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "CUDA version";
        let whole = Span::new(0, text.len());
        let dotted = match Dotted::parse(WHAT, text) {
            Ok(dotted) => dotted,
            Err(mut error) => {
                let wheel = text.strip_prefix("cu").and_then(Self::from_wheel_digits);
                if let Some(wheel) = wheel {
                    error.nearest = Some(wheel.to_string());
                }
                return Err(error);
            }
        };
        let [major, minor, patch, _] = dotted.parts;
        let narrow = |number: u32| {
            u16::try_from(number)
                .map_err(|_| VersionError::new(WHAT, text, "a number is too large", whole, None))
        };
        let (major, minor, patch) = (narrow(major)?, narrow(minor)?, narrow(patch)?);
        match dotted.count {
            2 => Ok(Self { major, minor, patch: None }),
            3 => Ok(Self { major, minor, patch: Some(patch) }),
            1 => {
                let nearest = Self::from_wheel_digits(text)
                    .filter(|v| v.major >= 8)
                    .map_or_else(|| format!("{major}.0"), |v| v.to_string());
                Err(VersionError::new(WHAT, text, "the minor number is missing", whole, Some(nearest)))
            }
            _ => {
                let nearest = Some(format!("{major}.{minor}.{patch}"));
                Err(VersionError::new(WHAT, text, "it has more than three numbers", whole, nearest))
            }
        }
    }
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            None => write!(f, "{}.{}", self.major, self.minor),
            Some(patch) => write!(f, "{}.{}.{patch}", self.major, self.minor),
        }
    }
}

string_serde!(CudaVersion);

/// Version of the PTX instruction set, e.g. 8.4 (PTX files say `.version 8.4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PtxIsa {
    /// Major number.
    pub major: u8,
    /// Minor number.
    pub minor: u8,
}

impl PtxIsa {
    /// PTX ISA `major.minor`.
    #[must_use]
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }
}

impl FromStr for PtxIsa {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = two_numbers("PTX ISA version", text)?;
        Ok(Self { major, minor })
    }
}

impl fmt::Display for PtxIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

string_serde!(PtxIsa);

/// Exactly `major.minor`, both below 256.
fn two_numbers(what: &'static str, text: &str) -> Result<(u8, u8), VersionError> {
    let whole = Span::new(0, text.len());
    let dotted = Dotted::parse(what, text)?;
    let [major, minor, ..] = dotted.parts;
    let problem = match dotted.count {
        1 => "the minor number is missing",
        2 => "a number is too large",
        _ => "it has more than two numbers",
    };
    match (dotted.count, u8::try_from(major), u8::try_from(minor)) {
        (2, Ok(major), Ok(minor)) => Ok((major, minor)),
        (count, ..) => {
            let nearest = (count != 2).then(|| format!("{major}.{minor}"));
            Err(VersionError::new(what, text, problem, whole, nearest))
        }
    }
}

/// Version of cuDNN, one to four numbers, e.g. `8.9.7.29`; missing numbers count as zero when compared.
/// A package's build suffix (`-1`) and `+cuda12.2` are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CudnnVersion(Dotted);

impl CudnnVersion {
    /// The major number, which the SONAME carries (`libcudnn.so.8`).
    #[must_use]
    pub fn major(&self) -> u32 {
        let [major, ..] = self.0.parts;
        major
    }

    /// The second number, where written.
    #[must_use]
    pub fn minor(&self) -> Option<u32> {
        let [_, minor, ..] = self.0.parts;
        (self.0.count > 1).then_some(minor)
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.raw
    }
}

impl FromStr for CudnnVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Dotted::parse("cuDNN version", text).map(Self)
    }
}

impl fmt::Display for CudnnVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.raw)
    }
}

string_serde!(CudnnVersion);
