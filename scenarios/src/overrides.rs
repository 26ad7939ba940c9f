//! `--set key=value`: changes to a document, before anything in it is checked.
//!
//! A path goes through tables by key and through lists by name (`arms.naive.expect`) or by index
//! (`containers.0.rate`). What is not there yet is made; whether it may be there is the reader's question.

use crate::document::{Node, Origin, Value, position, segment_of};
use crate::error::{ScenarioError, nearest};
use crate::raw::{LoadKind, StrategyKind, is_list_of_words};

/// Carries out one `key=value`.
pub(crate) fn set(document: &mut Node, text: &str) -> Result<(), ScenarioError> {
    let bad = |problem| ScenarioError::BadSet { text: text.to_owned(), problem };
    let (path, value) = text.split_once('=').ok_or_else(|| bad("has no `=`"))?;
    let segments: Vec<&str> = path.split('.').collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err(bad("has an empty key"));
    }
    let flag = format!("--set {text}");
    let value = if is_list_of_words(&segments) {
        Node::list_from_flag(&flag, value)
    } else {
        Node::from_flag(flag.clone(), value)
    };
    Path { flag: &flag, segments: &segments }.put(document, value)
}

/// Puts a value at the top of the document.
pub(crate) fn set_top(document: &mut Node, key: &str, flag: String, value: String) {
    if let Value::Table(entries) = &mut document.value {
        put_entry(entries, key, Node { origin: Origin::Flag(flag), value: Value::String(value) });
    }
}

/// The way to a value, and the flag that asks for it.
struct Path<'a> {
    flag: &'a str,
    segments: &'a [&'a str],
}

impl Path<'_> {
    fn put(&self, document: &mut Node, value: Node) -> Result<(), ScenarioError> {
        let Some((last, parents)) = self.segments.split_last() else {
            return Ok(());
        };
        let mut node = document;
        for (depth, segment) in parents.iter().enumerate() {
            node = self.step(node, depth, segment)?;
        }
        match &mut node.value {
            Value::Table(entries) => {
                drop_foreign_options(entries, last, &value);
                put_entry(entries, last, value);
                Ok(())
            }
            Value::Array(items) => {
                let index = self.item(items, parents.len(), last)?;
                items[index] = value;
                Ok(())
            }
            other => Err(self.not_a_table(parents.len(), other)),
        }
    }

    fn step<'n>(&self, node: &'n mut Node, depth: usize, segment: &str) -> Result<&'n mut Node, ScenarioError> {
        match &mut node.value {
            Value::Table(entries) => {
                if let Some(index) = entries.iter().position(|(key, _)| key == segment) {
                    return Ok(&mut entries[index].1);
                }
                // No table has numbers for keys: an item of a list is meant, and the list is not there.
                if let Some(item) = self.segments.get(depth + 1).filter(|item| item.parse::<usize>().is_ok()) {
                    self.item(&[], depth + 1, item)?;
                }
                let origin = Origin::Flag(self.flag.to_owned());
                let made = Node { origin, value: Value::Table(Vec::new()) };
                entries.push((segment.to_owned(), made));
                let made = entries.len() - 1;
                Ok(&mut entries[made].1)
            }
            Value::Array(items) => {
                let index = self.item(items, depth, segment)?;
                Ok(&mut items[index])
            }
            other => Err(self.not_a_table(depth, other)),
        }
    }

    fn item(&self, items: &[Node], depth: usize, segment: &str) -> Result<usize, ScenarioError> {
        position(items, segment).ok_or_else(|| {
            let known: Vec<String> = items.iter().enumerate().map(|(index, item)| segment_of(index, item)).collect();
            ScenarioError::NoSuchItem {
                flag: self.flag.to_owned(),
                key: self.segments[..=depth].join("."),
                nearest: nearest(segment, known.iter().map(String::as_str)),
                known,
            }
        })
    }

    /// The value before the segment at `depth` has nothing inside it.
    fn not_a_table(&self, depth: usize, value: &Value) -> ScenarioError {
        ScenarioError::Rule {
            place: format!("`{}`", self.flag),
            key: self.segments[..depth].join("."),
            problem: format!("is {value}, and has no keys inside it"),
            remedy: format!("set it as a whole: `--set {}=...`", self.segments[..depth].join(".")),
        }
    }
}

fn put_entry(entries: &mut Vec<(String, Node)>, key: &str, value: Node) {
    match entries.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key.to_owned(), value)),
    }
}

/// Another strategy or load takes other options: what the file gave for the former one goes with it. What the user
/// gave by a flag stays, to be refused if it does not fit.
fn drop_foreign_options(entries: &mut Vec<(String, Node)>, key: &str, value: &Node) {
    let (all, own): (Vec<&str>, &[&str]) = match key {
        "strategy" => {
            let Some(kind) = word(&StrategyKind::ALL, StrategyKind::word, value) else {
                return;
            };
            (StrategyKind::ALL.iter().flat_map(|kind| kind.options()).copied().collect(), kind.options())
        }
        "load" => {
            let Some(kind) = word(&LoadKind::ALL, LoadKind::word, value) else {
                return;
            };
            (LoadKind::ALL.iter().flat_map(|kind| kind.options()).copied().collect(), kind.options())
        }
        _ => return,
    };
    entries.retain(|(option, node)| {
        let foreign = all.contains(&option.as_str()) && !own.contains(&option.as_str());
        !(foreign && matches!(node.origin, Origin::Line(_)))
    });
}

fn word<K: Copy>(all: &[K], word: fn(K) -> &'static str, value: &Node) -> Option<K> {
    all.iter().copied().find(|kind| value.as_str() == Some(word(*kind)))
}
