//! Compute capabilities and the targets of device code.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{VersionError, string_serde, suggest_digits, two_numbers};
use crate::span::Span;

/// Compute capability of a GPU, e.g. 8.6 (sm_86).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComputeCapability {
    /// Major number.
    pub major: u8,
    /// Minor number, one digit.
    pub minor: u8,
}

impl ComputeCapability {
    /// Compute capability `major.minor`.
    #[must_use]
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// From an SM number (capability times ten): 86 is 8.6, 120 is 12.0. `None` above 25.5.
    #[must_use]
    pub fn from_sm_number(number: u16) -> Option<Self> {
        let major = u8::try_from(number / 10).ok()?;
        let minor = u8::try_from(number % 10).ok()?;
        (major > 0).then_some(Self { major, minor })
    }

    /// The SM number: 8.6 is 86.
    #[must_use]
    pub fn sm_number(self) -> u16 {
        u16::from(self.major) * 10 + u16::from(self.minor)
    }
}

impl FromStr for ComputeCapability {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "compute capability";
        let (major, minor) = two_numbers(WHAT, text).map_err(|mut error| {
            let digits = text.strip_prefix("sm_").unwrap_or(text);
            if let Some(cc) = digits.parse().ok().and_then(Self::from_sm_number) {
                error.nearest = Some(cc.to_string());
            }
            error
        })?;
        if minor > 9 || major == 0 {
            let problem = "no compute capability has these numbers";
            return Err(VersionError::new(WHAT, text, problem, Span::new(0, text.len()), None));
        }
        Ok(Self { major, minor })
    }
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

string_serde!(ComputeCapability);

/// What the letter behind an SM number restricts the code to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum SmSuffix {
    /// No letter: the usual compatibility rules.
    #[default]
    None,
    /// `a`: this one capability only.
    ArchSpecific,
    /// `f`: the family of this capability.
    Family,
}

/// A target of device code: `8.0`, `9.0a`, `sm_90a`, `compute_90`, `120f` all parse; displayed as `9.0a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SmTarget {
    /// The capability it was compiled for.
    pub cc: ComputeCapability,
    /// The restriction, where it has one.
    pub suffix: SmSuffix,
}

impl SmTarget {
    /// A target without a letter.
    #[must_use]
    pub const fn plain(cc: ComputeCapability) -> Self {
        Self { cc, suffix: SmSuffix::None }
    }

    /// As compilers name the real architecture: `sm_90a`.
    #[must_use]
    pub fn sm_name(self) -> String {
        format!("sm_{}{}", self.cc.sm_number(), self.letter())
    }

    /// As compilers name the virtual architecture: `compute_90a`.
    #[must_use]
    pub fn compute_name(self) -> String {
        format!("compute_{}{}", self.cc.sm_number(), self.letter())
    }

    fn letter(self) -> &'static str {
        match self.suffix {
            SmSuffix::None => "",
            SmSuffix::ArchSpecific => "a",
            SmSuffix::Family => "f",
        }
    }
}

impl FromStr for SmTarget {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "SM target";
        let bare = ["sm_", "compute_", "SM_", "sm", "SM"]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))
            .unwrap_or(text);
        let (digits, suffix) = match bare.as_bytes().last() {
            Some(b'a') => (bare.strip_suffix('a'), SmSuffix::ArchSpecific),
            Some(b'f') => (bare.strip_suffix('f'), SmSuffix::Family),
            _ => (Some(bare), SmSuffix::None),
        };
        let digits = digits.unwrap_or(bare);
        let cc = if digits.contains('.') {
            digits.parse::<ComputeCapability>().ok()
        } else if (2..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            digits.parse().ok().and_then(ComputeCapability::from_sm_number)
        } else {
            None
        };
        cc.map(|cc| Self { cc, suffix }).ok_or_else(|| {
            let nearest =
                suggest_digits(text).and_then(|core| core.parse::<Self>().ok().map(|t| t.to_string()));
            let problem = "write it like 9.0, 9.0a, sm_90 or compute_90";
            VersionError::new(WHAT, text, problem, Span::new(0, text.len()), nearest)
        })
    }
}

impl fmt::Display for SmTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.cc, self.letter())
    }
}

string_serde!(SmTarget);
