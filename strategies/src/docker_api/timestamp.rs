//! The engine's timestamps: RFC 3339 with up to nine digits of fraction, kept as comparable nanoseconds.

use std::fmt;
use std::time::Duration;

/// A moment, in nanoseconds since the Unix epoch; between the years 1678 and 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const NANOS_PER_SEC: i64 = 1_000_000_000;

impl Timestamp {
    /// The moment that is this many nanoseconds after the Unix epoch.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// This moment less `span`, as far back as can be written.
    #[must_use]
    pub fn earlier(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Reads a whole text, e.g. `2026-11-23T13:15:57.924692206Z`.
    ///
    /// `None` when it is anything else, or out of range: Go's zero time, `0001-01-01T00:00:00Z`, is.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, rest) = Self::parse_prefix(text.as_bytes())?;
        rest.is_empty().then_some(time)
    }

    /// Reads a timestamp at the start of `bytes`, and gives what follows it.
    pub fn parse_prefix(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (date_time, rest) = bytes.split_first_chunk()?;
        let secs = secs_since_epoch(date_time)?;
        let mut cursor = Cursor(rest);
        let nanos = cursor.fraction()?;
        let secs = secs - cursor.offset_secs()?;
        let time = Self(secs.checked_mul(NANOS_PER_SEC)?.checked_add(nanos)?);
        Some((time, cursor.0))
    }
}

impl fmt::Display for Timestamp {
    /// As the engine's `since` parameter wants it: seconds, a point, nine digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0.div_euclid(NANOS_PER_SEC), self.0.rem_euclid(NANOS_PER_SEC))
    }
}

/// Of `2026-11-23T13:15:57`, as if it were UTC.
fn secs_since_epoch(text: &[u8; 19]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] = *text else {
        return None;
    };
    let [year, rest] = [[y1, y2], [y3, y4]].map(two_digits);
    let [month, day, hour, minute, second] = [[m1, m2], [d1, d2], [h1, h2], [n1, n2], [s1, s2]].map(two_digits);
    let year = year? * 100 + rest?;
    let (month, day, hour, minute, second) = (month?, day?, hour?, minute?, second?);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    in_range.then(|| days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn two_digits(text: [u8; 2]) -> Option<i64> {
    let [tens, ones] = text.map(|digit| digit.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then_some(i64::from(tens) * 10 + i64::from(ones))
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn two_digits(&mut self) -> Option<i64> {
        let (text, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        two_digits(*text)
    }

    /// Nanoseconds: `.` and one to nine digits, or nothing.
    fn fraction(&mut self) -> Option<i64> {
        if self.expect(b'.').is_none() {
            return Some(0);
        }
        let (mut number, mut digits) = (0, 0);
        while let Some((digit @ b'0'..=b'9', rest)) = self.0.split_first() {
            if digits == 9 {
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
            digits += 1;
            self.0 = rest;
        }
        (digits > 0).then(|| number * 10_i64.pow(9 - digits))
    }

    fn offset_secs(&mut self) -> Option<i64> {
        let sign = match self.0.first()? {
            b'Z' => 0,
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.0 = &self.0[1..];
        if sign == 0 {
            return Some(0);
        }
        let hours = self.two_digits()?;
        self.expect(b':')?;
        let minutes = self.two_digits()?;
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Source: Howard Hinnant, "chrono-compatible low-level
/// date algorithms", `days_from_civil`.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(text: &str) -> Option<i64> {
        Timestamp::parse(text).map(Timestamp::unix_nanos)
    }

    #[test]
    fn known_moments_are_read_to_the_nanosecond() {
        assert_eq!(nanos("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(nanos("2024-02-29T12:34:56.000000001Z"), Some(1_709_210_096_000_000_001));
        assert_eq!(nanos("2026-11-23T13:15:57.92Z"), Some(1_795_439_757_920_000_000));
        assert_eq!(nanos("1969-12-31T23:59:59.999999999Z"), Some(-1));
    }

    #[test]
    fn an_offset_is_the_same_moment_elsewhere() {
        assert_eq!(nanos("2026-11-23T15:15:57.5+02:00"), nanos("2026-11-23T13:15:57.500Z"));
        assert_eq!(nanos("2026-11-23T07:45:57-05:30"), nanos("2026-11-23T13:15:57Z"));
    }

    #[test]
    fn what_follows_is_given_back() {
        let (_, rest) = Timestamp::parse_prefix(b"2026-11-23T13:15:57.92Z hello").unwrap();
        assert_eq!(rest, b" hello");
    }

    #[test]
    fn what_is_no_timestamp_is_none() {
        for text in [
            "",
            "soak c=c01",
            "2026-11-23",
            "2026-11-23T13:15:57",
            "2026-11-23T13:15:57.Z",
            "2026-11-23T13:15:57.0123456789Z",
            "2026-13-23T13:15:57Z",
            "2026-11-23T24:15:57Z",
            "2026-11-23T13:15:57+2:00",
            "2026-11-23T13:15:57Z ",
            "0001-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
        ] {
            assert_eq!(nanos(text), None, "{text:?}");
        }
    }

    #[test]
    fn it_is_shown_as_the_since_parameter() {
        assert_eq!(Timestamp::from_unix_nanos(1_500_000_000_000_000_042).to_string(), "1500000000.000000042");
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Timestamp::parse_prefix(&bytes);
        }

        #[test]
        fn order_of_text_is_order_of_time(a in 0_u32..1_000_000_000, b in 0_u32..1_000_000_000) {
            let (one, two) = (format!("2026-11-23T13:15:57.{a:09}Z"), format!("2026-11-23T13:15:57.{b:09}Z"));
            prop_assert_eq!(one.cmp(&two), Timestamp::parse(&one).cmp(&Timestamp::parse(&two)));
        }
    }
}
