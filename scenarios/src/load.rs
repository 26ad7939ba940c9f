//! From a name or a path to a checked scenario, with what the command line changes.
//!
//! In this order: the file is read; `--set` and `--duration` change the document; warm-up and checkpoints are fitted
//! to a shorter run; everything is checked; then arms are chosen and containers counted anew, which can break
//! nothing that was checked. Last, the programs of the arms that are left must be there.

mod adjust;
mod programs;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::catalog;
use crate::document::{Mistake, MistakeKind, Node, Origin, SyntaxError};
use crate::error::{ScenarioError, nearest};
use crate::overrides;
use crate::raw::{RawScenario, RuleError, most_of};
use crate::scenario::{Expect, Scenario};
use crate::units::Span;

/// More than any scenario needs: a path given by mistake (a device, a log) is not read to its end.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the command line changes in a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--set key=value`, in order: `duration=2m`, `arms.naive.expect=pass`, `containers.0.rate=20/s`.
    pub set: Vec<String>,
    /// `--duration`. Where a shorter run leaves too little room for `warmup` and `checkpoint_every` (either takes
    /// more than half of it), those of the two that were not set by `--set` shrink in the same proportion.
    pub duration: Option<Span>,
    /// `--containers`: so many in all, shared out over the groups in proportion. Each group keeps one at least as
    /// long as there are enough.
    pub containers: Option<u32>,
    /// `--arm`, any number: only these arms run, in the scenario's order. None given: all. A control may be run
    /// alone.
    pub arms: Vec<String>,
}

/// Reads the scenario of that name in the catalogue, or the file at that path.
///
/// What contains a `/` or ends in `.toml` is a path; anything else is first looked up in the catalogue.
pub fn load(name_or_path: &str, overrides: &Overrides) -> Result<Scenario, ScenarioError> {
    let source = Source::find(name_or_path)?;
    let text = source.text()?;
    let mut document = Node::parse(&text).map_err(|error| source.not_toml(error))?;

    let written_duration = span_at(&document, "duration");
    for set in &overrides.set {
        overrides::set(&mut document, set)?;
    }
    if let Some(duration) = overrides.duration {
        let flag = format!("--duration {duration}");
        overrides::set_top(&mut document, "duration", flag, duration.to_string());
    }

    let mut raw: RawScenario = document.read().map_err(|mistake| source.mistake(mistake))?;
    if let Some(before) = written_duration {
        let fixed = |key: &str| matches!(document.get(key), Some(Node { origin: Origin::Flag(_), .. }));
        adjust::fit_times(&mut raw, before, fixed("warmup"), fixed("checkpoint_every"));
    }
    let mut scenario = Scenario::try_from(raw).map_err(|error| source.rule(&document, error))?;

    if scenario.arms.iter().all(|arm| arm.expect == Expect::Fail) {
        return Err(source.rule(&document, no_judged_arm()));
    }
    adjust::keep_arms(&mut scenario, &overrides.arms)?;
    if let Some(count) = overrides.containers {
        adjust::scale_containers(&mut scenario, count)?;
    }
    programs::are_there(&scenario.arms).map_err(|error| source.rule(&document, error))?;
    Ok(scenario)
}

/// Not a rule of `Scenario` itself: a control that the user chose with `--arm` may run alone.
fn no_judged_arm() -> RuleError {
    RuleError {
        key: "arms".to_owned(),
        problem: "has only controls (`expect = \"fail\"`)".to_owned(),
        remedy: "add an arm with `expect = \"pass\"`: a run is there to judge one".to_owned(),
    }
}

fn span_at(document: &Node, key: &str) -> Option<Span> {
    document.get(key).and_then(Node::as_str).and_then(|text| text.parse().ok())
}

/// Where a scenario's text comes from.
enum Source<'a> {
    BuiltIn(&'static catalog::Entry),
    File(&'a Path),
}

impl<'a> Source<'a> {
    fn find(name_or_path: &'a str) -> Result<Self, ScenarioError> {
        let path = Path::new(name_or_path);
        if name_or_path.contains('/') || path.extension().is_some_and(|extension| extension == "toml") {
            return Ok(Self::File(path));
        }
        let entries = catalog::entries();
        if let Some(entry) = entries.iter().find(|entry| entry.name == name_or_path) {
            return Ok(Self::BuiltIn(entry));
        }
        if path.is_file() {
            return Ok(Self::File(path));
        }
        let known: Vec<&'static str> = entries.iter().map(|entry| entry.name).collect();
        Err(ScenarioError::UnknownScenario {
            name: name_or_path.to_owned(),
            nearest: nearest(name_or_path, known.iter().copied()),
            known,
        })
    }

    fn text(&self) -> Result<String, ScenarioError> {
        match self {
            Self::BuiltIn(entry) => Ok(entry.toml.to_owned()),
            Self::File(path) => read(path),
        }
    }

    fn place(&self, origin: &Origin) -> String {
        match (self, origin) {
            (_, Origin::Flag(flag)) => format!("`{flag}`"),
            (Self::BuiltIn(entry), Origin::Line(line)) => {
                format!("built-in `{}`, line {line}", entry.name)
            }
            (Self::File(path), Origin::Line(line)) => format!("{}:{line}", path.display()),
        }
    }

    fn not_toml(&self, error: SyntaxError) -> ScenarioError {
        let SyntaxError { line, column, caret, message, text } = error;
        let place = format!("{}:{column}", self.place(&Origin::Line(line)));
        ScenarioError::NotToml { place, message, text, caret }
    }

    fn mistake(&self, mistake: Mistake) -> ScenarioError {
        let key = mistake.path();
        let place = self.place(mistake.origin.as_ref().unwrap_or(&Origin::Line(1)));
        match mistake.kind {
            MistakeKind::UnknownKey { known } => {
                let last = key.rsplit('.').next().unwrap_or(&key);
                let nearest = nearest(last, known.iter().copied());
                ScenarioError::UnknownKey { place, nearest, known, key }
            }
            MistakeKind::UnknownWord { value, known } => {
                // Quotes are all that it lacks.
                if known.contains(&value.as_str()) {
                    let last = key.rsplit('.').next().unwrap_or(&key);
                    let expected = format!("a text in quotes: write `{last} = \"{value}\"`");
                    return ScenarioError::WrongType { place, key, value, expected };
                }
                let nearest = nearest(value.trim_matches('"'), known.iter().copied());
                ScenarioError::UnknownWord { place, key, value, nearest, known }
            }
            MistakeKind::MissingKey { key: missing } => {
                let key = if key.is_empty() { missing.to_owned() } else { format!("{key}.{missing}") };
                ScenarioError::MissingKey { place, key }
            }
            MistakeKind::WrongType { value, expected } => {
                let expected = most_of(&key).map_or(expected, |most| format!("a whole number from 1 to {most}"));
                ScenarioError::WrongType { place, key, value, expected }
            }
            MistakeKind::Refused { reason } => ScenarioError::Refused { place, key, reason },
        }
    }

    fn rule(&self, document: &Node, error: RuleError) -> ScenarioError {
        let place = self.place(document.origin_of(&error.key));
        let RuleError { key, problem, remedy } = error;
        ScenarioError::Rule { place, key, problem, remedy }
    }
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    let unreadable = |source: io::Error| ScenarioError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ScenarioError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].split(|byte| *byte == b'\n').count();
        ScenarioError::NotUtf8 { path: path.to_owned(), line }
    })
}
