//! What an arm's stderr says of the end of its process: the line that tells why, where one does.
//!
//! Only what this process wrote counts, and at most its last 64 KiB. It does not decide whether the words are the cause of the
//! end: after a signal that somebody sent they are only the last that were said.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use leaksoak_reports::record::events::Exit;

const TAIL: u64 = 64 * 1024;
const MAX_CHARS: usize = 500;
/// The exit code of a process whose main thread panicked.
const PANICKED: i32 = 101;

/// The words in the part of a log file from the byte `from` on.
pub(super) fn last_words(file: &Path, from: u64, exit: Exit) -> Option<String> {
    let mut file = File::open(file).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL)))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    chosen(&String::from_utf8_lossy(&tail), exit).map(|line| line.chars().take(MAX_CHARS).collect())
}

/// An error that the host of strategies told, or the message of a panic that ended the process, whichever is later; else the last
/// line.
fn chosen(text: &str, exit: Exit) -> Option<&str> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty() && !is_aside(line)).collect();
    let last = lines.len().checked_sub(1)?;
    if !exit.by_itself() {
        return Some(lines[last]);
    }
    let told = lines.iter().rposition(|line| line.starts_with("leaksoak arm "));
    // A task's panic that the process outlived is not its end, unless nothing was said any more.
    let message = |at: usize| if at < last && !has_message(lines[at]) { at + 1 } else { at };
    let panic = lines.iter().rposition(|line| is_panic(line)).map(message);
    let panic = panic.filter(|at| *at == last || ends_by_panic(exit));
    Some(lines[told.max(panic).unwrap_or(last)])
}

fn ends_by_panic(exit: Exit) -> bool {
    matches!(exit, Exit::Code { code: PANICKED } | Exit::Signal { .. })
}

fn is_panic(line: &str) -> bool {
    line.starts_with("thread '") && line.contains("panicked at ")
}

/// Before Rust 1.73 the message stood in the same line: `panicked at 'no such thing', src/main.rs:1:2`.
fn has_message(line: &str) -> bool {
    line.contains("panicked at '")
}

/// What follows an error and does not tell it: notes, and the frames of a backtrace.
fn is_aside(line: &str) -> bool {
    let text = line.trim_start();
    let is_frame = |text: &str| {
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < text.len() && digits.starts_with(": ") && line.starts_with(' ')
    };
    text.starts_with("note:")
        || text == "stack backtrace:"
        || is_frame(text)
        || (text.starts_with("at ") && text != line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Exit = Exit::Code { code: 1 };

    #[test]
    fn the_last_words_are_the_last_line_that_says_something() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(last_words(file.path(), 0, FAILED), None);
        std::fs::write(file.path(), "first\nlast \u{1f980}\n\n").unwrap();
        assert_eq!(last_words(file.path(), 0, FAILED).as_deref(), Some("last \u{1f980}"));
    }

    #[test]
    fn what_the_process_before_it_said_is_not_its_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "leaksoak arm a: first\nsecond\n").unwrap();
        assert_eq!(last_words(file.path(), 22, FAILED).as_deref(), Some("second"));
        assert_eq!(last_words(file.path(), 29, FAILED), None);
    }

    #[test]
    fn a_panic_is_told_by_its_message() {
        let text = "WARN slow\nthread 'main' panicked at src/main.rs:3:5:\nno such thing\nstack backtrace:\n   \
                    0: std::panicking::begin_panic\n             at /rustc/library/std/src/panicking.rs:1:2\n\
                    note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.\n";
        assert_eq!(chosen(text, Exit::Code { code: PANICKED }), Some("no such thing"));
        assert_eq!(chosen(text, Exit::Signal { signal: 6 }), Some("no such thing"));
        let old = "thread 'main' panicked at 'no such thing', src/main.rs:3:5\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(
            chosen(old, Exit::Code { code: PANICKED }),
            Some("thread 'main' panicked at 'no such thing', src/main.rs:3:5")
        );
    }

    #[test]
    fn a_panic_that_was_outlived_is_not_the_end() {
        let text = "thread 'tokio-rt' panicked at src/main.rs:3:5:\nno such thing\nnote: run\ncannot bind\n";
        assert_eq!(chosen(text, FAILED), Some("cannot bind"));
        assert_eq!(chosen(text, Exit::Code { code: PANICKED }), Some("no such thing"));
    }

    #[test]
    fn the_host_s_error_goes_before_what_rust_prints_of_it() {
        let text = "leaksoak arm a: cannot bind\nError: Bind { source: Os { code: 98 } }\n";
        assert_eq!(chosen(text, FAILED), Some("leaksoak arm a: cannot bind"));
    }

    #[test]
    fn after_a_signal_of_another_s_the_last_line_stands() {
        let text = "leaksoak arm a: odd\nWARN slow\nnote: of it\n";
        assert_eq!(chosen(text, Exit::Signal { signal: 15 }), Some("WARN slow"));
        assert_eq!(chosen("note: only this\n", FAILED), None);
    }
}
