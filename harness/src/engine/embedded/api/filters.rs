//! Filters, as `containers/json`, `images/json` and `events` take them: `{"label": ["a=b"], "name": ["x"]}`, or, as old
//! clients say it, `{"label": {"a=b": true}}`. One value of every key has to match.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::ApiError;
use super::parameters::Parameters;

/// Filters by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads the parameter `filters`, of which keys in `not_done` are refused by their name, and others that nobody knows
    /// are passed over.
    ///
    /// # Errors
    /// It is no JSON of that shape.
    pub fn of_any(parameters: &Parameters, not_done: &[&str]) -> Result<Self, ApiError> {
        let text = parameters.get("filters");
        let filters = if text.is_empty() { Self::default() } else { Self::parse(text)? };
        match filters.0.keys().find(|key| not_done.contains(&key.as_str())) {
            Some(key) => Err(ApiError::unsupported(format!("the filter '{key}'"))),
            None => Ok(filters),
        }
    }

    /// Reads the parameter `filters`; every key has to be in `known`, or in `not_done`, which is refused by its name.
    ///
    /// # Errors
    /// It is no JSON of that shape, or has a key that nobody knows.
    pub fn of(parameters: &Parameters, known: &[&str], not_done: &[&str]) -> Result<Self, ApiError> {
        let text = parameters.get("filters");
        if text.is_empty() {
            return Ok(Self::default());
        }
        let filters = Self::parse(text)?;
        for key in filters.0.keys() {
            if not_done.contains(&key.as_str()) {
                return Err(ApiError::unsupported(format!("the filter '{key}'")));
            }
            if !known.contains(&key.as_str()) {
                return Err(ApiError::bad(format!("Invalid filter '{key}'")));
            }
        }
        Ok(filters)
    }

    fn parse(text: &str) -> Result<Self, ApiError> {
        let given = serde_json::from_str(text).map_err(|error| ApiError::internal(error.to_string()))?;
        let wrong = |value: &Value, wanted| {
            ApiError::internal(format!("json: cannot unmarshal {} into Go value of type {wanted}", kind(value)))
        };
        let given: Map<String, Value> = match given {
            Value::Object(given) => given,
            Value::Null => Map::new(),
            other => return Err(wrong(&other, "map[string]map[string]bool")),
        };
        let mut filters = BTreeMap::new();
        for (key, values) in given {
            let words: Option<Vec<String>> = match &values {
                Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
                // Whatever they are set to, as in Docker.
                Value::Object(values) => Some(values.keys().cloned().collect()),
                _ => None,
            };
            filters.insert(key, words.ok_or_else(|| wrong(&values, "map[string]bool"))?);
        }
        Ok(Self(filters))
    }

    /// The values of a key; none where it is not given.
    #[must_use]
    pub fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether a key is given.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        !self.values(key).is_empty()
    }

    /// Whether one value of the key is such, or none is given.
    pub fn any(&self, key: &str, mut is: impl FnMut(&str) -> bool) -> bool {
        !self.has(key) || self.values(key).iter().any(|value| is(value))
    }

    /// Whether all labels that are asked for (`key` or `key=value`) are there.
    #[must_use]
    pub fn labels_match(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").iter().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|got| got == value),
            None => labels.contains_key(wanted),
        })
    }
}

/// As Go names the kinds of JSON.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether `name` holds `pattern`, at its beginning after a `^`, at its end before a `$`.
///
/// # Errors
/// Docker takes a regular expression; anything that would be one is refused.
pub fn name_matches(pattern: &str, name: &str) -> Result<bool, ApiError> {
    let begins = pattern.strip_prefix('^');
    let text = begins.unwrap_or(pattern);
    let ends = text.strip_suffix('$');
    let text = ends.unwrap_or(text);
    if text.contains(['*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '\\', '^', '$']) {
        return Err(ApiError::unsupported(format!("a regular expression in a name filter, {pattern:?}")));
    }
    // Names are told with a slash before them, and match with and without it.
    let slashed = format!("/{name}");
    let is = |name: &str| match (begins.is_some(), ends.is_some()) {
        (true, true) => name == text,
        (true, false) => name.starts_with(text),
        (false, true) => name.ends_with(text),
        (false, false) => name.contains(text),
    };
    Ok(is(name) || is(&slashed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(text: &str) -> Result<Filters, ApiError> {
        let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("filters", text).finish();
        Filters::of(&Parameters::parse(&query), &["label", "name"], &["volume"])
    }

    #[test]
    fn both_shapes_of_filters_are_read() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())]);
        for text in [r#"{"label":["a=b","c"]}"#, r#"{"label":{"a=b":true,"c":true}}"#] {
            assert!(filters(text).unwrap().labels_match(&labels), "{text}");
        }
        assert!(!filters(r#"{"label":["a=x"]}"#).unwrap().labels_match(&labels));
    }

    #[test]
    fn what_is_no_filter_has_docker_s_status() {
        assert_eq!(filters("abc").unwrap_err().status(), 500);
        assert_eq!(filters(r#"{"label":5}"#).unwrap_err().status(), 500);
        assert_eq!(filters(r#"{"volume":["x"]}"#).unwrap_err().status(), 501);
        let error = filters(r#"{"foo":["x"]}"#).unwrap_err();
        assert_eq!((error.status().as_u16(), error.to_string().as_str()), (400, "Invalid filter 'foo'"));
    }

    #[test]
    fn a_name_matches_in_part_or_whole() {
        for (pattern, is) in
            [("ob", true), ("^/probe$", true), ("^probe", true), ("^robe", false), ("/pr", true), ("x", false)]
        {
            assert_eq!(name_matches(pattern, "probe"), Ok(is), "{pattern}");
        }
        assert_eq!(name_matches("a|b", "a").unwrap_err().status(), 501);
    }
}
