//! A day of the calendar, for ignores that expire.

use std::fmt;
use std::str::FromStr;

/// A day of the proleptic Gregorian calendar, written `2027-01-31`. Days are ordered; nothing else is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A text that is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a date; write it as 2027-01-31")]
pub struct DateError(
    /// The text.
    pub String,
);

impl Date {
    /// A day; `None` when the calendar does not have it.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        (1..=days).contains(&day).then_some(Self { year, month, day })
    }

    /// The day, in UTC, on which `seconds` have passed since 1970-01-01. Days past the year 9999 are taken as its last.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let last = Self { year: 9_999, month: 12, day: 31 };
        let mut days = seconds / 86_400;
        if days > 2_932_896 {
            return last;
        }
        let mut year: u16 = 1970;
        loop {
            let length = if Self::new(year, 2, 29).is_some() { 366 } else { 365 };
            if days < length {
                break;
            }
            days -= length;
            year = year.saturating_add(1);
        }
        for month in 1..=12 {
            let length = (28..=31).rev().find(|day| Self::new(year, month, *day).is_some()).unwrap_or(28);
            if days < u64::from(length) {
                let day = u8::try_from(days + 1).unwrap_or(1);
                return Self { year, month, day };
            }
            days -= u64::from(length);
        }
        last
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || DateError(text.to_owned());
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            parts
                .next()
                .filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|part| part.parse::<u16>().ok())
                .ok_or_else(error)
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if parts.next().is_some() {
            return Err(error());
        }
        let small = |number: u16| u8::try_from(number).map_err(|_| error());
        Self::new(year, small(month)?, small(day)?).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_days_that_exist() {
        for good in ["2027-01-31", "2024-02-29", "2000-02-29", "1970-01-01"] {
            assert_eq!(good.parse::<Date>().unwrap().to_string(), good);
        }
        for bad in [
            "2027-02-29",
            "1900-02-29",
            "2027-13-01",
            "2027-1-1",
            "27-01-01",
            "2027-01-01-01",
            "+027-01-01",
            "",
        ] {
            assert_eq!(bad.parse::<Date>(), Err(DateError(bad.into())), "{bad}");
        }
    }

    #[test]
    fn orders_by_time() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert!(day("2026-12-31") < day("2027-01-01"));
        assert!(day("2027-01-31") < day("2027-02-01"));
    }

    #[test]
    fn counts_days_since_the_epoch() {
        assert_eq!(Date::from_unix_seconds(0).to_string(), "1970-01-01");
        assert_eq!(Date::from_unix_seconds(951_782_400).to_string(), "2000-02-29");
        assert_eq!(Date::from_unix_seconds(1_795_564_800 + 86_399).to_string(), "2026-11-25");
        assert_eq!(Date::from_unix_seconds(253_402_300_799).to_string(), "9999-12-31");
        assert_eq!(Date::from_unix_seconds(u64::MAX).to_string(), "9999-12-31");
    }
}
