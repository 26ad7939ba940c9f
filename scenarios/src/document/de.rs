//! From a document to typed values, by serde.
//!
//! The error is our own, so that an unknown key or a missing one is a variant with its fields, not a sentence to
//! take apart again; on its way out it collects the path and the origin.

use std::fmt;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};

use super::{Node, Origin, Value, segment_of};

/// Why a document does not have the shape it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) kind: MistakeKind,
    /// Where; `None` only until the first value around it has been left.
    pub(crate) origin: Option<Origin>,
    /// Outermost last.
    reversed_path: Vec<String>,
}

/// The mistakes there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MistakeKind {
    /// The path ends in a key that means nothing there.
    UnknownKey { known: &'static [&'static str] },
    /// The value is none of the words that it may be.
    UnknownWord { value: String, known: &'static [&'static str] },
    /// The table at the path lacks a key.
    MissingKey { key: &'static str },
    /// The value is of another type, or out of range.
    WrongType { value: String, expected: String },
    /// What the type itself says about the value.
    Refused { reason: String },
}

impl Node {
    /// This document as a `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Mistake> {
        T::deserialize(self)
    }
}

impl Mistake {
    fn new(kind: MistakeKind) -> Self {
        Self { kind, origin: None, reversed_path: Vec::new() }
    }

    fn at(mut self, origin: &Origin) -> Self {
        self.origin.get_or_insert_with(|| origin.clone());
        self
    }

    /// A quoted key can hold anything; what would steer a terminal is escaped.
    fn inside(mut self, segment: &str) -> Self {
        self.reversed_path.push(segment.escape_debug().to_string());
        self
    }

    /// The dotted path of the value; arms by name.
    pub(crate) fn path(&self) -> String {
        let segments: Vec<&str> = self.reversed_path.iter().rev().map(String::as_str).collect();
        segments.join(".")
    }
}

/// For serde, which asks for it. What the user reads is made from the fields.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` does not have the shape that it should have", self.path())
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(MistakeKind::Refused { reason: message.to_string() })
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_value(found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let value = match found {
            Unexpected::Bool(truth) => truth.to_string(),
            Unexpected::Signed(number) => number.to_string(),
            Unexpected::Unsigned(number) => number.to_string(),
            Unexpected::Float(number) => number.to_string(),
            Unexpected::Str(text) => format!("{text:?}"),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a table".to_owned(),
            other => other.to_string(),
        };
        let expected = plain(&expected.to_string());
        Self::new(MistakeKind::WrongType { value, expected })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(MistakeKind::UnknownWord { value: format!("{variant:?}"), known })
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(MistakeKind::UnknownKey { known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(MistakeKind::MissingKey { key })
    }
}

/// What serde's own types expect, in words for someone who writes TOML.
fn plain(expected: &str) -> String {
    match expected {
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number from 0".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "a text in quotes".to_owned(),
        "a sequence" => "a list of tables".to_owned(),
        other => other.to_owned(),
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let outcome = match &self.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(truth) => visitor.visit_bool(*truth),
            Value::Other(text) => Err(de::Error::invalid_type(Unexpected::Other(text), &visitor)),
            Value::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Table(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
        };
        outcome.map_err(|mistake| mistake.at(&self.origin))
    }

    /// What is left out is not in the document at all: whatever is there is something.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let outcome = match &self.value {
            Value::String(word) => {
                let word: StrDeserializer<'de, Mistake> = word.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            // A flag has no quotes to tell the word `2` from the number.
            Value::Integer(number) if matches!(self.origin, Origin::Flag(_)) => {
                let word: StringDeserializer<Mistake> = number.to_string().into_deserializer();
                visitor.visit_enum(word)
            }
            other => Err(Mistake::new(MistakeKind::UnknownWord { value: other.to_string(), known })),
        };
        outcome.map_err(|mistake| mistake.at(&self.origin))
    }

    /// Serde would read a list as a struct, field by field; nobody who writes one means that.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        if let Value::Array(_) = &self.value {
            let mistake: Mistake = de::Error::invalid_type(Unexpected::Seq, &visitor);
            return Err(mistake.at(&self.origin));
        }
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Node>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let Some((index, item)) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(item).map(Some).map_err(|mistake| mistake.inside(&segment_of(index, item)))
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, (String, Node)>,
    /// The entry whose key was taken last.
    value: Option<&'de (String, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        self.value = self.rest.next();
        let Some((key, node)) = self.value else {
            return Ok(None);
        };
        let name: StrDeserializer<'de, Mistake> = key.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|mistake| mistake.at(&node.origin).inside(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(node).map_err(|mistake| mistake.inside(key))
    }
}
