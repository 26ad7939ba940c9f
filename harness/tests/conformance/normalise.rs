//! What differs from one engine and one run to the next without meaning anything, replaced by what it is.
//!
//! Ids, names and times that a scenario knows are replaced by its words for them ([`Aliases`]), so that it still shows
//! where they stand; what is left that has the form of an id or a time becomes `<id>` or `<time>`; numbers become
//! `<n>` under the keys that hold times, sizes and PIDs, unless they are zero, which says something.

use serde_json::{Map, Value};

/// Keys whose numbers are times, sizes, PIDs or counts of the moment.
const VOLATILE_NUMBERS: &[&str] = &[
    "Created",
    "Pid",
    "time",
    "timeNano",
    "Size",
    "SizeRw",
    "SizeRootFs",
    "VirtualSize",
    "NFd",
    "NGoroutines",
    "NEventsListener",
    "Containers",
    "ContainersRunning",
    "ContainersPaused",
    "ContainersStopped",
    "Images",
    "MemTotal",
    "NCPU",
];
/// Keys of what is a matter of the machine: its cgroups, the daemon's storage.
const OF_THE_MACHINE: &[&str] =
    &["CgroupnsMode", "Driver", "GraphDriver", "MaskedPaths", "ReadonlyPaths", "SandboxKey"];
/// Longer strings are told by their ends, length and sum.
const LONGEST: usize = 400;

/// Replacements, the longest first.
#[derive(Debug, Default, Clone)]
pub(crate) struct Aliases(Vec<(String, String)>);

impl Aliases {
    pub(crate) fn add(&mut self, what: &str, word: &str) {
        if !what.is_empty() && !self.0.iter().any(|(known, _)| known == what) {
            self.0.push((what.to_owned(), word.to_owned()));
            self.0.sort_by_key(|(what, _)| std::cmp::Reverse(what.len()));
        }
    }

    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (what, word) in &self.0 {
            if text.contains(what.as_str()) {
                text = text.replace(what.as_str(), word);
            }
        }
        shorten(&patterns(&text))
    }

    pub(crate) fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Object(fields) => {
                let field = |(key, value): (&String, &Value)| {
                    if OF_THE_MACHINE.contains(&key.as_str()) && *value != "" {
                        return (key.clone(), format!("<{key}>").into());
                    }
                    if let ("Status", Some(text)) = (key.as_str(), value.as_str()) {
                        return (key.clone(), status(text).into());
                    }
                    let volatile = VOLATILE_NUMBERS.contains(&key.as_str()) && value.as_f64().is_some_and(|n| n != 0.0);
                    (self.text(key), if volatile { "<n>".into() } else { self.json(value) })
                };
                Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }
}

/// The status in a list of containers, without how long ago it came to be.
fn status(text: &str) -> String {
    let paused = if text.ends_with(" (Paused)") { " (Paused)" } else { "" };
    match text.split_once(' ') {
        Some(("Up", _)) => format!("Up <for a while>{paused}"),
        Some(("Exited" | "Restarting", rest)) => {
            let code = rest.split(' ').next().unwrap_or_default();
            format!("{} {code} <a while> ago", text.split(' ').next().unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}

/// Replaces what has the form of a time, of an id, or of the time in a workload's line.
fn patterns(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let before = out.chars().next_back();
        let is_word = !before.is_some_and(|c| c.is_ascii_alphanumeric());
        let (length, word) = match () {
            () if time_len(rest).is_some() => {
                let (length, fraction) = time_len(rest).unwrap_or_default();
                // Log lines carry nine digits always, JSON as many as it takes.
                (length, if fraction == 9 && rest[length..].starts_with(' ') { "<time of 9 digits>" } else { "<time>" })
            }
            () if is_word && hex_len(rest) == 64 => (64, "<id>"),
            () if is_word && hex_len(rest) == 12 && (digits(rest) < 12 || announces_an_id(&out)) => (12, "<id, 12>"),
            () if before == Some(' ') && rest.starts_with("t=") && digits(&rest[2..]) == 19 => (21, "t=<t>"),
            () => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        out.push_str(word);
        rest = &rest[length..];
    }
    out
}

/// One id in three hundred has no letter among its first twelve, and looks like a number.
fn announces_an_id(before: &str) -> bool {
    ["image ", "container "].iter().any(|word| before.ends_with(word))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn hex_len(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)).count()
}

/// The length of the RFC 3339 time that `text` begins with, and of its fraction. The time that means "never" is none.
fn time_len(text: &str) -> Option<(usize, usize)> {
    let head = text.as_bytes().get(..19)?;
    let formed = head.iter().zip(b"0000-00-00T00:00:00").all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    if !formed || head.starts_with(b"0001-01-01") {
        return None;
    }
    let rest = &text[19..];
    let fraction = rest.strip_prefix('.').map_or(0, digits);
    let length = 19 + if fraction > 0 { fraction + 1 } else { 0 };
    let zone = &text[length..];
    if zone.starts_with('Z') {
        Some((length + 1, fraction))
    } else {
        let offset = zone.as_bytes().get(..6)?;
        (matches!(offset[0], b'+' | b'-') && offset[3] == b':').then_some((length + 6, fraction))
    }
}

fn shorten(text: &str) -> String {
    if text.len() <= LONGEST || !text.is_ascii() {
        return text.to_owned();
    }
    // FNV-1a: it tells texts apart, which is all that is asked of it.
    let sum = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{}<{} bytes, sum {sum:016x}>{}", &text[..100], text.len(), &text[text.len() - 20..])
}
