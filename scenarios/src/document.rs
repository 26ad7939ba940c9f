//! A TOML document whose every value knows where it comes from: a line of a file, or a flag of the command line.
//!
//! So a value can be replaced before anything is checked, and an error about it still names the place where the
//! reader can mend it. What the values mean is not known here.

mod de;

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(crate) use de::{Mistake, MistakeKind};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of the document, counted from 1.
    Line(usize),
    /// A flag with its value, as the user wrote it.
    Flag(String),
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

/// A TOML value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// What no key of ours takes, as it was written: a date, an integer beyond 64 bits.
    Other(String),
    Array(Vec<Node>),
    /// In the order of the document.
    Table(Vec<(String, Node)>),
}

/// A text that is not TOML.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// Counted from 1.
    pub(crate) line: usize,
    /// In characters, counted from 1.
    pub(crate) column: usize,
    /// Column in `text`.
    pub(crate) caret: usize,
    /// What the parser says.
    pub(crate) message: String,
    /// The line itself, or what is around the column of a long one; without control characters.
    pub(crate) text: String,
}

impl Node {
    /// The document as a table.
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let table = DeTable::parse(text).map_err(|error| SyntaxError::new(text, &error))?;
        Ok(Self { origin: Origin::Line(1), value: table_value(text, table.get_ref()) })
    }

    /// A value from a flag: a TOML number, truth value or quoted string where it is one, else the text as it is.
    pub(crate) fn from_flag(flag: String, text: &str) -> Self {
        let literal = DeValue::parse(text).ok().map(|value| convert(text, value.get_ref()));
        let value = match literal {
            Some(value @ (Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_))) => value,
            _ => Value::String(text.to_owned()),
        };
        Self { origin: Origin::Flag(flag), value }
    }

    /// A list of words from a flag: with commas between them, in brackets and quotes or without, of which a shell leaves none.
    pub(crate) fn list_from_flag(flag: &str, text: &str) -> Self {
        let origin = || Origin::Flag(flag.to_owned());
        let text = text.trim();
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let words = inner.split(',').map(|word| word.trim().trim_matches(['"', '\'']));
        let words = words.filter(|word| !word.is_empty());
        let items = words.map(|word| Self { origin: origin(), value: Value::String(word.to_owned()) }).collect();
        Self { origin: origin(), value: Value::Array(items) }
    }

    /// The value of `key` in this table.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|(known, _)| known == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The text, where it is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The origin of the value at a dotted path, or of the nearest thing around it that exists.
    pub(crate) fn origin_of(&self, path: &str) -> &Origin {
        let mut node = self;
        for segment in path.split('.') {
            let inner = match &node.value {
                Value::Array(items) => position(items, segment).and_then(|index| items.get(index)),
                _ => node.get(segment),
            };
            match inner {
                Some(inner) => node = inner,
                None => break,
            }
        }
        &node.origin
    }
}

/// The item of an array that a path's segment means: the one of that name, else the one of that index.
pub(crate) fn position(items: &[Node], segment: &str) -> Option<usize> {
    items
        .iter()
        .position(|item| item.get("name").and_then(Node::as_str) == Some(segment))
        .or_else(|| segment.parse().ok().filter(|index| *index < items.len()))
}

/// The segment that names an item of an array: its name where it has one, else its index.
pub(crate) fn segment_of(index: usize, item: &Node) -> String {
    item.get("name").and_then(Node::as_str).map_or_else(|| index.to_string(), str::to_owned)
}

impl fmt::Display for Value {
    /// As one would write it; of what is large, only what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Other(text) => f.write_str(text),
            Self::Array(_) => f.write_str("a list"),
            Self::Table(_) => f.write_str("a table"),
        }
    }
}

fn table_value(text: &str, table: &DeTable<'_>) -> Value {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| {
        let origin = Origin::Line(line_of(text, key.span().start));
        (key.get_ref().to_string(), Node { origin, value: convert(text, value.get_ref()) })
    });
    Value::Table(entries.collect())
}

fn convert(text: &str, value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(string) => Value::String(string.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Other(number.to_string()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::Other(number.to_string()), Value::Float)
        }
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| item_node(text, item)).collect()),
        DeValue::Table(table) => table_value(text, table),
    }
}

fn item_node(text: &str, item: &Spanned<DeValue<'_>>) -> Node {
    Node { origin: Origin::Line(line_of(text, item.span().start)), value: convert(text, item.get_ref()) }
}

/// The line in which a byte of the text stands, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

impl SyntaxError {
    fn new(text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let line = line_of(text, offset);
        let start = text.bytes().take(offset).rposition(|byte| byte == b'\n').map_or(0, |n| n + 1);
        let column = text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        // A file that is no scenario at all may be one line of a megabyte.
        let skipped = (column - 1).saturating_sub(60);
        let around = text.lines().nth(line - 1).unwrap_or_default().chars().skip(skipped).take(100);
        Self {
            line,
            column,
            caret: column - skipped,
            message: error.message().replace('\n', ", "),
            text: around.map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "name = 'x'\n\n[criteria]\nloss_pct = 1\n[[arms]]\nname = 'a'\n[[arms]]\n\
                        name = 'b'\nnofile = 64\n";

    #[test]
    fn every_value_knows_its_line() {
        let document = Node::parse(TEXT).unwrap();
        for (path, line) in [
            ("name", 1),
            ("criteria", 3),
            ("criteria.loss_pct", 4),
            ("arms.a", 5),
            ("arms.a.name", 6),
            ("arms.b.nofile", 9),
            ("arms.1.nofile", 9),
        ] {
            assert_eq!(document.origin_of(path), &Origin::Line(line), "{path}");
        }
    }

    #[test]
    fn a_value_that_is_not_there_has_the_origin_of_what_is_around_it() {
        let document = Node::parse(TEXT).unwrap();
        assert_eq!(document.origin_of("arms.b.memory"), &Origin::Line(7));
        assert_eq!(document.origin_of("nothing.at.all"), &Origin::Line(1));
    }

    #[test]
    fn a_flag_gives_a_literal_where_it_is_one_and_else_a_text() {
        for (text, value) in [
            ("3", Value::Integer(3)),
            ("0.5", Value::Float(0.5)),
            ("true", Value::Boolean(true)),
            ("\"3\"", Value::String("3".into())),
            ("2m", Value::String("2m".into())),
            ("pass", Value::String("pass".into())),
            ("10/s", Value::String("10/s".into())),
            ("", Value::String(String::new())),
            ("2026-01-01", Value::String("2026-01-01".into())),
            ("[1]", Value::String("[1]".into())),
            ("1\nx = 2", Value::String("1\nx = 2".into())),
        ] {
            assert_eq!(Node::from_flag(String::new(), text).value, value, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\PC|\n)*|([a-c]|[\\[\\]=.'\"0-9 \n{},])*") {
            let _ = Node::parse(&text);
            let _ = Node::from_flag(String::new(), &text);
        }
    }
}
