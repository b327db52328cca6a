//! Days of the calendar, and dates as publishers give them, whose day may be missing.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A day of the proleptic Gregorian calendar, written `2027-01-31`.
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

/// A day, or a month where the day was not published: `2027-01-31` or `2027-01`. One without a day sorts before all
/// days of its month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartialDate {
    year: u16,
    month: u8,
    day: Option<u8>,
}

/// A text that is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no date: write YYYY-MM-DD or YYYY-MM")]
pub struct PartialDateError(String);

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

    /// Days from `earlier` to this one; negative when it is later.
    #[must_use]
    pub fn days_since(self, earlier: Self) -> i64 {
        self.ordinal().saturating_sub(earlier.ordinal())
    }

    /// Days from 0000-03-01, so that a leap day ends its year (Hinnant, "chrono-compatible low-level date algorithms").
    fn ordinal(self) -> i64 {
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        year * 365 + leap_days + (153 * month + 2) / 5 + i64::from(self.day) - 1
    }
}

impl PartialDate {
    /// The day, where it is known.
    #[must_use]
    pub fn day(self) -> Option<Date> {
        Date::new(self.year, self.month, self.day?)
    }

    /// Whether all of it, the whole month where the day is not known, lies before `day`.
    #[must_use]
    pub fn is_over(self, day: Date) -> bool {
        (self.year, self.month, self.day.unwrap_or(u8::MAX)) < (day.year, day.month, day.day)
    }

    /// Whole months from `earlier` to this one, days aside; negative when it is later.
    #[must_use]
    pub fn months_since(self, earlier: Self) -> i32 {
        let months = |date: Self| i32::from(date.year) * 12 + i32::from(date.month);
        months(self) - months(earlier)
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)?;
        match self.day {
            Some(day) => write!(f, "-{day:02}"),
            None => Ok(()),
        }
    }
}

impl FromStr for PartialDate {
    type Err = PartialDateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PartialDateError(text.chars().take(40).collect());
        let (year, month, day) = numbers(text).ok_or_else(wrong)?;
        // A month without a day exists when its first day does.
        Date::new(year, month, day.unwrap_or(1)).ok_or_else(wrong)?;
        Ok(Self { year, month, day })
    }
}

impl Serialize for PartialDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PartialDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Year, month and, if there is one, day, in four, two and two digits.
fn numbers(text: &str) -> Option<(u16, u8, Option<u8>)> {
    let field = |part: &str, digits: usize| {
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u16>().ok().filter(|_| plain)
    };
    let small = |part: &str| u8::try_from(field(part, 2)?).ok();
    let mut parts = text.split('-');
    let (year, month) = (field(parts.next()?, 4)?, small(parts.next()?)?);
    let day = match parts.next() {
        Some(part) => Some(small(part)?),
        None => None,
    };
    parts.next().is_none().then_some((year, month, day))
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = numbers(text).and_then(|(year, month, day)| Self::new(year, month, day?));
        day.ok_or_else(|| DateError(text.to_owned()))
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

    #[test]
    fn counts_days_between_days() {
        let between =
            |later: &str, earlier: &str| later.parse::<Date>().unwrap().days_since(earlier.parse().unwrap());
        assert_eq!(between("2000-02-29", "1970-01-01"), 11_016);
        assert_eq!(between("2026-11-25", "1970-01-01"), 20_782);
        assert_eq!(between("2100-03-01", "1970-01-01"), 47_541);
        assert_eq!(between("2026-11-23", "2026-11-25"), -2);
        assert_eq!(between("0001-01-01", "0000-01-01"), 366);
    }

    #[test]
    fn reads_dates_without_a_day_and_nothing_else() {
        for good in ["2026-11-04", "2018-05"] {
            assert_eq!(good.parse::<PartialDate>().unwrap().to_string(), good);
        }
        for wrong in [
            "",
            "2026",
            "2026-13",
            "2026-1-1",
            "2026-11-32",
            "2026-02-30",
            "2026-11-04-1",
            "26-11-04",
            "2026-11-",
        ] {
            assert!(wrong.parse::<PartialDate>().is_err(), "{wrong}");
        }
        assert!("2026-11".parse::<PartialDate>().unwrap() < "2026-11-01".parse::<PartialDate>().unwrap());
        assert_eq!("2026-11".parse::<PartialDate>().unwrap().day(), None);
    }

    #[test]
    fn dates_without_a_day_last_a_month() {
        let partial = |text: &str| text.parse::<PartialDate>().unwrap();
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert!(!partial("2026-11").is_over(day("2026-11-30")));
        assert!(partial("2026-11").is_over(day("2026-12-01")));
        assert!(
            partial("2026-11-04").is_over(day("2026-11-05"))
                && !partial("2026-11-04").is_over(day("2026-11-04"))
        );
        assert_eq!(partial("2026-11").months_since(partial("2024-12-31")), 23);
        assert_eq!(partial("2024-12").months_since(partial("2026-11")), -23);
    }
}
