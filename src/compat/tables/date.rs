//! Calendar dates as the tables write them: `YYYY-MM-DD`, or `YYYY-MM` where the day was not published.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A date; one without a day sorts before all days of its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// Year, four digits.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day, 1 to 31, where it is known.
    pub day: Option<u8>,
}

/// A text that is no date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no date: write YYYY-MM-DD or YYYY-MM")]
pub struct DateError(String);

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || DateError(text.chars().take(40).collect());
        let field = |part: Option<&str>, digits: usize| {
            part.filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|part| part.parse::<u16>().ok())
        };
        let mut parts = text.split('-');
        let year = field(parts.next(), 4).ok_or_else(wrong)?;
        let month = field(parts.next(), 2).filter(|month| (1..=12).contains(month)).ok_or_else(wrong)?;
        let day = match parts.next() {
            None => None,
            part => Some(field(part, 2).filter(|day| (1..=31).contains(day)).ok_or_else(wrong)?),
        };
        if parts.next().is_some() {
            return Err(wrong());
        }
        let narrow = |number: u16| u8::try_from(number).map_err(|_| wrong());
        Ok(Self { year, month: narrow(month)?, day: day.map(narrow).transpose()? })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)?;
        match self.day {
            Some(day) => write!(f, "-{day:02}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_and_nothing_else() {
        assert_eq!("2026-11-04".parse::<Date>().map(|d| d.to_string()), Ok("2026-11-04".to_owned()));
        assert_eq!("2018-05".parse::<Date>().map(|d| d.to_string()), Ok("2018-05".to_owned()));
        for wrong in ["", "2026", "2026-13", "2026-1-1", "2026-11-32", "2026-11-04-1", "26-11-04", "2026-11-"]
        {
            assert!(wrong.parse::<Date>().is_err(), "{wrong}");
        }
        assert!("2026-11".parse::<Date>().unwrap() < "2026-11-01".parse::<Date>().unwrap());
    }
}
