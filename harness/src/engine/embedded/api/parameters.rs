//! The parameters of a request, read as Docker reads them.

use std::num::{IntErrorKind, ParseIntError};

use leaksoak_strategies::docker_api::timestamp::Timestamp;

use super::answer::ApiError;

/// The query of a URL, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `a=b&c=d`.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first of this name; empty where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Everything is true but what says no.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        !matches!(self.get(name).trim().to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// A whole number, where one is given.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|error| wrong_number("Atoi", text, &error)),
        }
    }

    /// Seconds since the Unix epoch with up to nine digits of fraction, where they are given and not just `0`.
    ///
    /// # Errors
    /// They are none.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let text = self.get(name);
        if matches!(text, "" | "0") {
            return Ok(None);
        }
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let number = |digits: &str| digits.parse::<i64>().map_err(|error| wrong_number("ParseInt", digits, &error));
        let whole = number(seconds)?;
        let missing = u32::try_from(9_usize.saturating_sub(fraction.len())).unwrap_or(0);
        let nanos = number(fraction)?.checked_mul(10_i64.pow(missing)).unwrap_or(i64::MAX);
        Ok(Some(Timestamp::from_unix_nanos(whole.saturating_mul(1_000_000_000).saturating_add(nanos))))
    }
}

/// In the words of Go's parser, which Docker passes on with a 500.
pub(super) fn wrong_number(function: &str, text: &str, error: &ParseIntError) -> ApiError {
    ApiError::internal(go_words(function, text, error))
}

/// What Go says of a number that is none.
#[must_use]
pub fn go_words(function: &str, text: &str, error: &ParseIntError) -> String {
    let why = match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.{function}: parsing {text:?}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn flags_are_true_unless_they_say_no() {
        let parameters = Parameters::parse("a=1&b=true&c=0&d=False&e=&f=yes&g");
        for (name, flag) in [
            ("a", true),
            ("b", true),
            ("c", false),
            ("d", false),
            ("e", false),
            ("f", true),
            ("g", false),
            ("z", false),
        ] {
            assert_eq!(parameters.flag(name), flag, "{name}");
        }
    }

    #[test]
    fn times_have_up_to_nine_digits_of_fraction() {
        let time =
            |text: &str| Parameters::parse(&format!("t={text}")).time("t").map(|time| time.map(Timestamp::unix_nanos));
        assert_eq!(time("1795519618.5"), Ok(Some(1_795_519_618_500_000_000)));
        assert_eq!(time("1795519618.000000001"), Ok(Some(1_795_519_618_000_000_001)));
        assert_eq!(time("-5"), Ok(Some(-5_000_000_000)));
        assert_eq!((time(""), time("0")), (Ok(None), Ok(None)));
        assert_eq!(time("0.0"), Ok(Some(0)));
        assert_eq!(time("1.").unwrap_err().to_string(), "strconv.ParseInt: parsing \"\": invalid syntax");
        assert_eq!(time("abc").unwrap_err().to_string(), "strconv.ParseInt: parsing \"abc\": invalid syntax");
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in any::<String>()) {
            let parameters = Parameters::parse(&query);
            let _ = (parameters.flag("a"), parameters.number("a"), parameters.time("a"));
            let own = Parameters::parse(&format!("a={query}"));
            let _ = (own.flag("a"), own.number("a"), own.time("a"));
        }
    }
}
