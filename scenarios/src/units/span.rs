//! Spans of time.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use super::{UnitError, as_string, split_number};

/// A span of time, written `500ms`, `30s`, `2m`, `1h30m`, `2d`, `0`. Resolution: 1 ms. At most ten years (`3650d`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// The units, largest first: the order in which they are written.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Ten years: longer than any run, and short enough that no clock's arithmetic overflows.
const MAX_MILLIS: u64 = 3_650 * 86_400_000;

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A span of so many milliseconds; what is longer than ten years is ten years.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(if millis > MAX_MILLIS { MAX_MILLIS } else { millis }))
    }

    /// A span of so many seconds; what is longer than ten years is ten years.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1_000))
    }

    /// For arithmetic and timers.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// Whole milliseconds: exact, since that is the resolution.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0.as_secs() * 1_000 + self.0.subsec_millis() as u64
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.as_millis();
        let mut text = String::new();
        for (unit, millis) in UNITS {
            if rest >= millis {
                write!(text, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_millis(text).map(Self::from_millis).map_err(|problem| UnitError {
            text: text.to_owned(),
            what: "a duration",
            problem,
            example: r#""500ms", "30s", "2m" or "1h30m""#,
        })
    }
}

fn parse_millis(text: &str) -> Result<u64, &'static str> {
    const SHAPE: &str = "it takes whole numbers, each with a unit: d, h, m, s or ms";
    const TOO_LONG: &str = "it takes at most ten years (3650d)";

    if text.is_empty() {
        return Err(SHAPE);
    }
    // No time is no time in every unit.
    if text == "0" {
        return Ok(0);
    }
    let mut total = 0_u64;
    let mut rest = text;
    let mut allowed = UNITS.as_slice();
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        if number.is_empty() || number.contains('.') || !UNITS.iter().any(|(known, _)| *known == unit) {
            return Err(SHAPE);
        }
        let Some(position) = allowed.iter().position(|(known, _)| *known == unit) else {
            return Err("it takes each unit once, the largest first");
        };
        let millis = number.parse::<u64>().ok().and_then(|n| n.checked_mul(allowed[position].1)).ok_or(TOO_LONG)?;
        total = total.checked_add(millis).filter(|total| *total <= MAX_MILLIS).ok_or(TOO_LONG)?;
        allowed = &allowed[position + 1..];
        rest = next;
    }
    Ok(total)
}

as_string!(Span, expecting r#"a duration such as "500ms", "30s", "2m" or "1h30m""#);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_the_sum_of_its_parts() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
            ("0", 0),
            ("90s", 90_000),
        ] {
            assert_eq!(text.parse(), Ok(Span::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_in_its_largest_units() {
        for (millis, text) in [(0, "0s"), (500, "500ms"), (90_000, "1m30s"), (172_800_000, "2d"), (1_001, "1s1ms")] {
            assert_eq!(Span::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_an_example() {
        let refusal = |text: &str| text.parse::<Span>().unwrap_err().to_string();
        insta::assert_snapshot!(
            ["", "30", "30 s", "-3s", "1.5h", "30parsecs", "30m1h", "1m1m", "99999d", "99999999999999999999s", "s", "½s"]
                .map(refusal)
                .join("\n"),
            @r##"
`` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"
`30` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"
`30 s` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"
`-3s` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"
`1.5h` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"
`30parsecs` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"
`30m1h` is not a duration: it takes each unit once, the largest first; write "500ms", "30s", "2m" or "1h30m"
`1m1m` is not a duration: it takes each unit once, the largest first; write "500ms", "30s", "2m" or "1h30m"
`99999d` is not a duration: it takes at most ten years (3650d); write "500ms", "30s", "2m" or "1h30m"
`99999999999999999999s` is not a duration: it takes at most ten years (3650d); write "500ms", "30s", "2m" or "1h30m"
`s` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"
`½s` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"
"##
        );
    }

    #[test]
    fn a_span_that_was_made_too_long_is_ten_years() {
        assert_eq!(Span::from_secs(u64::MAX).to_string(), "3650d");
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back_to_itself(millis in 0..=MAX_MILLIS) {
            let span = Span::from_millis(millis);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(span.as_millis(), millis);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9.dhms]*") {
            if let Ok(span) = text.parse::<Span>() {
                prop_assert_eq!(span.to_string().parse(), Ok(span));
            }
        }
    }
}
