//! Operating system and architecture of an image.

use std::fmt;

/// A platform as `docker build --platform` writes it: `os/arch` or `os/arch/variant`, in Go's names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Platform {
    /// Operating system (`linux`).
    pub os: String,
    /// Architecture (`amd64`, `arm64`).
    pub arch: String,
    /// Variant of the architecture (`v8`).
    pub variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no platform: write `os/arch` or `os/arch/variant`, for example `linux/amd64` or `linux/arm64`"
)]
pub struct PlatformError(String);

impl Default for Platform {
    fn default() -> Self {
        Self { os: "linux".to_owned(), arch: "amd64".to_owned(), variant: None }
    }
}

impl Platform {
    /// Reads `os/arch[/variant]`; `x86_64` and `aarch64` are taken as `amd64` and `arm64`.
    ///
    /// # Errors
    /// When there are not two or three parts of letters, digits, `_`, `-` and `.`.
    pub fn parse(text: &str) -> Result<Self, PlatformError> {
        let wrong = || PlatformError(text.chars().take(80).collect());
        let mut parts = text.split('/');
        let mut part = || {
            let part = parts.next()?;
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            (!part.is_empty() && part.chars().all(plain)).then(|| part.to_ascii_lowercase())
        };
        let os = part().ok_or_else(wrong)?;
        let arch = normal_arch(&part().ok_or_else(wrong)?);
        let variant = if text.split('/').nth(2).is_some() { Some(part().ok_or_else(wrong)?) } else { None };
        if text.split('/').nth(3).is_some() {
            return Err(wrong());
        }
        Ok(Self { os, arch, variant })
    }

    /// Whether an image made for `other` runs where this platform is asked for. A variant that either side leaves
    /// out does not count, and `arm64` is `arm64/v8`.
    #[must_use]
    pub fn accepts(&self, other: &Self) -> bool {
        let variants = match (&self.variant, &other.variant) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => true,
        };
        self.os == other.os && normal_arch(&self.arch) == normal_arch(&other.arch) && variants
    }
}

fn normal_arch(arch: &str) -> String {
    match arch {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl std::str::FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_parse_and_print() {
        for text in ["linux/amd64", "linux/arm64/v8", "windows/amd64"] {
            assert_eq!(Platform::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Platform::parse("linux/x86_64").unwrap(), Platform::default());
        for bad in ["", "linux", "linux/", "/amd64", "linux/amd64/", "a/b/c/d", "linux/am d64"] {
            assert!(Platform::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_missing_variant_matches_any() {
        let asked = Platform::parse("linux/arm64").unwrap();
        assert!(asked.accepts(&Platform::parse("linux/arm64/v8").unwrap()));
        assert!(!asked.accepts(&Platform::default()));
        let v7 = Platform::parse("linux/arm/v7").unwrap();
        assert!(!v7.accepts(&Platform::parse("linux/arm/v6").unwrap()));
    }
}
