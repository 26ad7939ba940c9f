//! Sizes.

use std::fmt;
use std::str::FromStr;

use super::{UnitError, as_string, split_number};

/// A number of bytes, written `120B`, `64KiB`, `1MiB`, `2GiB` (binary) or `10kB`, `5MB`, `1GB` (decimal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

/// The units in the order in which they are tried for writing: the first that divides evenly is used.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Bytes {
    /// So many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) =
            UNITS.into_iter().find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size)).unwrap_or(("B", 1));
        f.pad(&format!("{}{unit}", self.0 / size))
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_bytes(text).map(Self).map_err(|problem| UnitError {
            text: text.to_owned(),
            what: "a size",
            problem,
            example: r#""120B", "64KiB", "1MiB" or "10MB""#,
        })
    }
}

fn parse_bytes(text: &str) -> Result<u64, &'static str> {
    const SHAPE: &str = "it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB";

    let (number, unit) = split_number(text);
    if number.is_empty() || number.contains('.') {
        return Err(SHAPE);
    }
    let (_, size) = UNITS.into_iter().find(|(known, _)| *known == unit).ok_or(SHAPE)?;
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(size)).ok_or("it is more than 64 bits can count")
}

as_string!(Bytes, expecting r#"a size such as "120B", "64KiB", "1MiB" or "10MB""#);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_size_is_its_number_times_its_unit() {
        for (text, bytes) in [
            ("0B", 0),
            ("120B", 120),
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("2GiB", 2 << 30),
            ("10kB", 10_000),
            ("5MB", 5_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
            assert_eq!(Bytes::new(bytes).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_an_example() {
        let refusal = |text: &str| text.parse::<Bytes>().unwrap_err().to_string();
        insta::assert_snapshot!(
            ["", "120", "1.5MiB", "1 MiB", "1mb", "1M", "-1B", "99999999999GiB"].map(refusal).join("\n"),
            @r##"
`` is not a size: it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB; write "120B", "64KiB", "1MiB" or "10MB"
`120` is not a size: it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB; write "120B", "64KiB", "1MiB" or "10MB"
`1.5MiB` is not a size: it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB; write "120B", "64KiB", "1MiB" or "10MB"
`1 MiB` is not a size: it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB; write "120B", "64KiB", "1MiB" or "10MB"
`1mb` is not a size: it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB; write "120B", "64KiB", "1MiB" or "10MB"
`1M` is not a size: it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB; write "120B", "64KiB", "1MiB" or "10MB"
`-1B` is not a size: it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB; write "120B", "64KiB", "1MiB" or "10MB"
`99999999999GiB` is not a size: it is more than 64 bits can count; write "120B", "64KiB", "1MiB" or "10MB"
"##
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back_to_itself(bytes in any::<u64>(), shift in 0..64_u32) {
            let size = Bytes::new(bytes >> shift << (shift / 2));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9.KMGiB]*") {
            if let Ok(size) = text.parse::<Bytes>() {
                prop_assert_eq!(size.to_string().parse(), Ok(size));
            }
        }
    }
}
