//! What can be wrong with a scenario, told so that it can be mended: the place, the key, the value, the remedy.

use std::io;
use std::path::PathBuf;

/// Why there is no scenario. Its text has a line on what is wrong and, indented below, what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// No scenario of the catalogue has that name, and no file either.
    #[error("no scenario is called `{name}`{}\n  \
             built in: {}\n  \
             a file of your own is given by its path, such as `./{name}.toml`",
            did_you_mean(nearest.as_deref()), known.join(", "))]
    UnknownScenario {
        /// What was asked for.
        name: String,
        /// The one that was perhaps meant.
        nearest: Option<String>,
        /// Those there are.
        known: Vec<&'static str>,
    },

    /// The file cannot be read.
    #[error("cannot read the scenario {}: {source}\n  {}", path.display(), remedy(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// The file is far longer than any scenario.
    #[error("{} is larger than {limit} bytes\n  \
             a scenario is a TOML file of a page or two; is this the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How much is read at most.
        limit: u64,
    },

    /// The file is not text.
    #[error("{}:{line}: this is not UTF-8\n  \
             a scenario is a TOML file in UTF-8; save it as such", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first line that is not UTF-8.
        line: usize,
    },

    /// The text is not TOML.
    #[error("{place}: this is not TOML: {message}\n  | {text}\n  | {:>caret$}", "^")]
    NotToml {
        /// File, line and column.
        place: String,
        /// What the parser says.
        message: String,
        /// The line, or a part of it.
        text: String,
        /// Where in `text`, counted from 1.
        caret: usize,
    },

    /// A key that means nothing.
    #[error("{place}: unknown key `{key}`{}\n  known here: {}",
            did_you_mean(nearest.as_deref()), known.join(", "))]
    UnknownKey {
        /// Where.
        place: String,
        /// Its path.
        key: String,
        /// The key that was perhaps meant.
        nearest: Option<String>,
        /// The keys that have a meaning there.
        known: &'static [&'static str],
    },

    /// A key that must be there and is not.
    #[error("{place}: `{key}` is missing\n  add it: it has no default")]
    MissingKey {
        /// Where it should be.
        place: String,
        /// Its path.
        key: String,
    },

    /// A word that is none of the words allowed.
    #[error("{place}: `{key}` is {value}, not one of {}{}",
            known.join(", "), did_you_mean(nearest.as_deref()))]
    UnknownWord {
        /// Where.
        place: String,
        /// Path of the key.
        key: String,
        /// What is there.
        value: String,
        /// What was perhaps meant.
        nearest: Option<String>,
        /// What may be there.
        known: &'static [&'static str],
    },

    /// A value of another type, or out of range.
    #[error("{place}: `{key}` is {value}\n  it takes {expected}")]
    WrongType {
        /// Where.
        place: String,
        /// Path of the key.
        key: String,
        /// What is there.
        value: String,
        /// What may be there.
        expected: String,
    },

    /// A value that its type refuses: a duration without a unit, ...
    #[error("{place}: `{key}`: {reason}")]
    Refused {
        /// Where.
        place: String,
        /// Path of the key.
        key: String,
        /// The value, what is wrong with it, and what to write.
        reason: String,
    },

    /// A value that is well formed and makes no sense, or not beside another one.
    #[error("{place}: `{key}` {problem}\n  {remedy}")]
    Rule {
        /// Where.
        place: String,
        /// Path of the key.
        key: String,
        /// What is wrong, with the value.
        problem: String,
        /// What to do.
        remedy: String,
    },

    /// A `--set` that does not say which key is to have which value.
    #[error(
        "`--set {text}` {problem}\n  write `--set key=value`, such as `--set duration=2m` or \
             `--set arms.naive.expect=pass`"
    )]
    BadSet {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A flag that asks for an arm or a group of containers that the scenario does not have.
    #[error("`{flag}`: no `{key}` in this scenario{}\n  {}",
            did_you_mean(nearest.as_deref()), there_is(known))]
    NoSuchItem {
        /// The flag with its value.
        flag: String,
        /// Path of what was asked for.
        key: String,
        /// What was perhaps meant.
        nearest: Option<String>,
        /// What there is.
        known: Vec<String>,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("\n  did you mean `{nearest}`?")).unwrap_or_default()
}

fn there_is(known: &[String]) -> String {
    if known.is_empty() {
        "there is none: an item is added in the scenario's file, and `--set` changes it".to_owned()
    } else {
        format!("there is: {}", known.join(", "))
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "check the path; `leaksoak scenarios` lists those that are built in",
        io::ErrorKind::PermissionDenied => "allow this user to read it, or copy it to where it can be read",
        io::ErrorKind::IsADirectory => "give the path of a TOML file in it",
        _ => "check the path and the file system",
    }
}

/// The candidate that is spelt most like `word`, where one is spelt much like it.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // Below this, the suggestions are guesses: `cpu` is no misspelling of `count`.
    const ALIKE: f64 = 0.8;
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}
