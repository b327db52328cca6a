//! Versions as the container toolkit's Go code reads them (Masterminds semver, coercing form): one to three numbers, an
//! optional leading `v`, an optional pre-release after `-` and build metadata after `+`.

use std::cmp::Ordering;

/// Longest text that is read at all.
const MAX_LENGTH: usize = 256;

/// A version of the toolkit's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SemVer {
    numbers: [u64; 3],
    pre: String,
}

impl SemVer {
    /// The first number.
    pub(super) fn major(&self) -> u64 {
        let [major, ..] = self.numbers;
        major
    }

    /// The second number, zero when missing.
    pub(super) fn minor(&self) -> u64 {
        let [_, minor, _] = self.numbers;
        minor
    }

    /// Reads a text; the error is the Go code's own text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const INVALID: &str = "invalid semantic version";
        if text.len() > MAX_LENGTH {
            return Err(format!("version string is too long (max {MAX_LENGTH} bytes)"));
        }
        let invalid = || INVALID.to_owned();
        let mut rest = text.strip_prefix('v').unwrap_or(text);
        let mut digits = [""; 3];
        for (index, slot) in digits.iter_mut().enumerate() {
            let body = if index == 0 { Some(rest) } else { rest.strip_prefix('.') };
            let Some(body) = body else { break };
            let end = body.find(|c: char| !c.is_ascii_digit()).unwrap_or(body.len());
            let (number, after) = body.split_at_checked(end).ok_or_else(invalid)?;
            if number.is_empty() {
                return Err(invalid());
            }
            *slot = number;
            rest = after;
        }
        let (pre, metadata) = match rest.strip_prefix('-') {
            Some(tail) => {
                tail.split_once('+').map_or((Some(tail), None), |(pre, meta)| (Some(pre), Some(meta)))
            }
            None => match rest.strip_prefix('+') {
                Some(metadata) => (None, Some(metadata)),
                None if rest.is_empty() => (None, None),
                None => return Err(invalid()),
            },
        };
        let identifiers = |text: &str| {
            text.split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        };
        if !pre.is_none_or(identifiers) || !metadata.is_none_or(identifiers) {
            return Err(invalid());
        }
        let mut numbers = [0u64; 3];
        for (number, digits) in numbers.iter_mut().zip(digits).filter(|(_, digits)| !digits.is_empty()) {
            *number = digits.parse().map_err(|_| {
                format!("error parsing version segment: strconv.ParseUint: parsing \"{digits}\": value out of range")
            })?;
        }
        let pre = pre.unwrap_or_default().to_owned();
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !pre.is_empty()
            && pre.split('.').any(|part| numeric(part) && part.len() > 1 && part.starts_with('0'))
        {
            return Err("version segment starts with 0".to_owned());
        }
        Ok(Self { numbers, pre })
    }

    /// Compares numbers, then pre-releases: none is above any.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        })
    }
}

/// Identifier by identifier; a number is below a word, a missing one below all.
fn compare_pre(left: &str, right: &str) -> Ordering {
    let mut left = left.split('.');
    let mut right = right.split('.');
    loop {
        let (l, r) = (left.next(), right.next());
        let ordering = match (l, r) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(l), Some(r)) => match (l.parse::<u64>(), r.parse::<u64>()) {
                (Ok(l), Ok(r)) => l.cmp(&r),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => l.cmp(r),
            },
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(left: &str, right: &str) -> Ordering {
        SemVer::parse(left).unwrap().compare(&SemVer::parse(right).unwrap())
    }

    #[test]
    fn reads_what_the_go_code_reads() {
        for good in [
            "12",
            "12.4",
            "12.4.1",
            "v12.4",
            "012.04",
            "12-4",
            "12.4-rc.1+build.5",
            "12.4+b",
            "1.2.3-0a",
            "12.4--",
        ] {
            assert!(SemVer::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "v",
            "vv1",
            "V1",
            "12.",
            ".12",
            "12.4.1.2",
            "cu124",
            " 12.4",
            "12.4 ",
            "12.x",
            "12.4-",
            "12.4+",
            "12.4-a..b",
            "12.4-é",
        ] {
            assert_eq!(SemVer::parse(bad), Err("invalid semantic version".to_owned()), "{bad}");
        }
        assert_eq!(SemVer::parse("1.2-01"), Err("version segment starts with 0".to_owned()));
        assert_eq!(
            SemVer::parse("99999999999999999999"),
            Err("error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value out of range".to_owned())
        );
        assert!(SemVer::parse(&"1".repeat(257)).is_err());
    }

    #[test]
    fn orders_as_the_go_code_orders() {
        assert_eq!(compare("12.2", "12.2.0"), Ordering::Equal);
        assert_eq!(compare("12.2", "12.2-rc1"), Ordering::Greater);
        assert_eq!(compare("12.2-rc1", "12.2-rc2"), Ordering::Less);
        assert_eq!(compare("12.2-9", "12.2-10"), Ordering::Less);
        assert_eq!(compare("12.2-9", "12.2-a"), Ordering::Less);
        assert_eq!(compare("12.2-a", "12.2-a.1"), Ordering::Less);
        assert_eq!(compare("12.2+1", "12.2+2"), Ordering::Equal);
    }
}
