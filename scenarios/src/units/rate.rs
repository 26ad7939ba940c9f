//! Rates.

use std::fmt;
use std::str::FromStr;

use super::{UnitError, as_string, split_number};

/// Events per second, written `10/s`, `600/min`, `0.5/s`, `1/h`. At least one an hour, at most 1,000,000 per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// The units with their seconds; the first is the one that is written.
const UNITS: [(&str, f64); 3] = [("/s", 1.0), ("/min", 60.0), ("/h", 3_600.0)];

/// One an hour: slower is `load = "silent"`.
const MIN_PER_SECOND: f64 = 1.0 / 3_600.0;

const MAX_PER_SECOND: f64 = 1_000_000.0;

impl Rate {
    /// So many per second; `None` where that is not from one an hour to 1,000,000 per second.
    #[must_use]
    pub fn new(per_second: f64) -> Option<Self> {
        (MIN_PER_SECOND..=MAX_PER_SECOND).contains(&per_second).then_some(Self(per_second))
    }

    /// Events per second, finite and above zero.
    #[must_use]
    pub const fn per_second(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", self.0))
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_rate(text).map_err(|problem| UnitError {
            text: text.to_owned(),
            what: "a rate",
            problem,
            example: r#""10/s", "0.5/s" or "600/min""#,
        })
    }
}

fn parse_rate(text: &str) -> Result<Rate, &'static str> {
    const SHAPE: &str = "it takes a number and a unit: /s, /min or /h";

    let (number, unit) = split_number(text);
    let (_, seconds) = UNITS.into_iter().find(|(known, _)| *known == unit).ok_or(SHAPE)?;
    let number = number.parse::<f64>().map_err(|_| SHAPE)?;
    Rate::new(number / seconds).ok_or("it takes from one an hour to 1000000 per second")
}

as_string!(Rate, expecting r#"a rate such as "10/s", "0.5/s" or "600/min""#);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_kept_per_second() {
        for (text, per_second) in
            [("10/s", 10.0), ("600/min", 10.0), ("0.5/s", 0.5), ("1/h", 1.0 / 3_600.0), ("1000000/s", 1e6)]
        {
            assert_eq!(text.parse(), Ok(Rate(per_second)), "{text}");
        }
        assert_eq!(Rate(10.0).to_string(), "10/s");
    }

    #[test]
    fn what_is_not_a_rate_is_refused_with_an_example() {
        let refusal = |text: &str| text.parse::<Rate>().unwrap_err().to_string();
        insta::assert_snapshot!(
            ["", "10", "10/sec", "10 /s", "-1/s", "0/s", "inf/s", "NaN/s", "1e3/s", "1.2.3/s", "1000001/s", "0.5/h"]
                .map(refusal)
                .join("\n"),
            @r##"
`` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`10` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`10/sec` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`10 /s` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`-1/s` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`0/s` is not a rate: it takes from one an hour to 1000000 per second; write "10/s", "0.5/s" or "600/min"
`inf/s` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`NaN/s` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`1e3/s` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`1.2.3/s` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"
`1000001/s` is not a rate: it takes from one an hour to 1000000 per second; write "10/s", "0.5/s" or "600/min"
`0.5/h` is not a rate: it takes from one an hour to 1000000 per second; write "10/s", "0.5/s" or "600/min"
"##
        );
    }

    #[test]
    fn a_rate_out_of_range_cannot_be_made() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e7] {
            assert_eq!(Rate::new(per_second), None, "{per_second}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back_to_itself(per_second in MIN_PER_SECOND..=MAX_PER_SECOND) {
            let rate = Rate::new(per_second).unwrap();
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9./minsh]*") {
            if let Ok(rate) = text.parse::<Rate>() {
                prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            }
        }
    }
}
