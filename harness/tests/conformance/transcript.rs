//! Transcripts held against each other, and kept: what the real engine said is in `recorded/`, so that ours is held
//! against it also where no Docker is.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::excuses;
use crate::session::Transcript;

/// Where the transcript of a scenario lies.
fn recording(scenario: &str) -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/recorded");
    path.extend(scenario.split("::"));
    path.set_extension("jsonl");
    path
}

/// Keeps what the real engine said.
pub(crate) fn record(scenario: &str, transcript: &Transcript) {
    let path = recording(scenario);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = transcript.iter().fold(String::new(), |text, entry| text + &entry.to_string() + "\n");
    fs::write(path, text).unwrap();
}

/// What the real engine said when it was asked last.
pub(crate) fn recorded(scenario: &str) -> Result<Transcript, String> {
    let path = recording(scenario);
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; make it with LEAKSOAK_RECORD=1", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{}: {error}", path.display())))
        .collect()
}

/// How many answers a transcript tells of.
pub(crate) fn calls(transcript: &Transcript) -> usize {
    transcript.len()
}

/// Every difference, but those that have an excuse in `scenario`.
pub(crate) fn differences(
    scenario: Option<&str>,
    names: [&str; 2],
    one: &Transcript,
    other: &Transcript,
) -> Vec<String> {
    let mut found = Vec::new();
    for (number, (one, other)) in one.iter().zip(other).enumerate() {
        let what = ["call", "stream", "saw"].iter().find_map(|key| one.get(key)?.as_str()).unwrap_or_default();
        let mut differing = Vec::new();
        compare("", one, other, &mut differing);
        differing.retain(|(path, _, _)| !scenario.is_some_and(|scenario| excuses::excuses(scenario, what, path)));
        for (path, one, other) in differing {
            let mut text = format!("{}. {what}: {path}", number + 1);
            for (name, value) in names.iter().zip([one, other]) {
                let value = value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                let _ = write!(text, "\n      {name:<9} {value}");
            }
            found.push(text);
        }
    }
    if one.len() != other.len() {
        found.push(format!("{} heard {} things, {} heard {}", names[0], one.len(), names[1], other.len()));
    }
    found
}

type Difference<'v> = (String, Option<&'v Value>, Option<&'v Value>);

fn compare<'v>(path: &str, one: &'v Value, other: &'v Value, found: &mut Vec<Difference<'v>>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let mut both = |key: &str, one: Option<&'v Value>, other: Option<&'v Value>| match (one, other) {
        (Some(one), Some(other)) => compare(&below(key), one, other, found),
        (one, other) => found.push((below(key), one, other)),
    };
    match (one, other) {
        (Value::Object(ones), Value::Object(others)) => {
            for (key, one) in ones {
                both(key, Some(one), others.get(key));
            }
            for (key, other) in others.iter().filter(|(key, _)| !ones.contains_key(*key)) {
                both(key, None, Some(other));
            }
        }
        (Value::Array(ones), Value::Array(others)) => {
            for at in 0..ones.len().max(others.len()) {
                both(&at.to_string(), ones.get(at), others.get(at));
            }
        }
        (one, other) if one == other => {}
        (one, other) => found.push((path.to_owned(), Some(one), Some(other))),
    }
}
