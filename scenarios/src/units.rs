//! Quantities with their units: durations ("30m"), sizes ("1MiB"), rates ("10/s").
//!
//! Guarantees: a value that parsed is finite and in range, and prints in a form that parses back to itself.
//! A bare number is refused, never guessed at: `30` could be seconds or minutes.

mod bytes;
mod rate;
mod span;

pub use bytes::Bytes;
pub use rate::Rate;
pub use span::Span;

/// A text that is not the quantity it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {what}: {problem}; write {example}", text.escape_debug())]
pub struct UnitError {
    /// What was given.
    text: String,
    /// What was wanted: `a duration`, `a size`, `a rate`.
    what: &'static str,
    /// What is wrong with it, and what is accepted.
    problem: &'static str,
    /// Texts that would be accepted.
    example: &'static str,
}

/// A number of digits only, and what follows it. Signs, spaces and exponents are none of a unit's business.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// The string forms that follow from `FromStr` and `Display`, serde's among them.
macro_rules! as_string {
    ($unit:ty, expecting $expecting:literal) => {
        impl TryFrom<String> for $unit {
            type Error = crate::units::UnitError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$unit> for String {
            fn from(unit: $unit) -> Self {
                unit.to_string()
            }
        }

        impl serde::Serialize for $unit {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $unit {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;

                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $unit;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$unit, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Visitor)
            }
        }
    };
}
use as_string;
