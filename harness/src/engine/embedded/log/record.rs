//! Records of a json-file log, `{"log":"text\n","stream":"stdout","time":"2026-11-24T11:26:49.8Z"}`, written and read.
//!
//! Written with the escapes of Docker's own encoder, so that the bytes are the same. Reading takes what this module
//! wrote without looking at it twice, and any other JSON of that shape through serde.

use std::borrow::Cow;

use leaksoak_strategies::line::StreamKind;
use serde::Deserialize;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// The text without its newline.
    pub text: Cow<'a, str>,
    /// It had one. A part of a longer line has none.
    pub newline: bool,
    /// Which output.
    pub stream: StreamKind,
    /// RFC 3339, as it was written.
    pub time: Cow<'a, str>,
}

const HEAD: &[u8] = br#"{"log":""#;
const MIDDLE: &[u8] = br#"","stream":""#;
const STDOUT: &[u8] = br#"stdout","time":""#;
const STDERR: &[u8] = br#"stderr","time":""#;
const TAIL: &[u8] = br#""}"#;

/// Appends the record of `text` followed by `end`, and its newline. Bytes that are not UTF-8 become U+FFFD.
pub fn encode(out: &mut Vec<u8>, stream: StreamKind, text: &[u8], end: &[u8], time: &[u8]) {
    out.extend_from_slice(HEAD);
    escape(out, text);
    escape(out, end);
    out.extend_from_slice(MIDDLE);
    out.extend_from_slice(match stream {
        StreamKind::Stdout => STDOUT,
        StreamKind::Stderr => STDERR,
    });
    out.extend_from_slice(time);
    out.extend_from_slice(TAIL);
    out.push(b'\n');
}

/// As Go's encoder does it for HTML's sake: `<`, `>`, `&` and the two line separators are escaped too.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(needs_escape) {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            let mut after = rest[at..].chars();
            match after.next().unwrap_or_default() {
                '"' => out.extend_from_slice(br#"\""#),
                '\\' => out.extend_from_slice(br"\\"),
                '\n' => out.extend_from_slice(br"\n"),
                '\r' => out.extend_from_slice(br"\r"),
                other => out.extend(format!("\\u{:04x}", u32::from(other)).bytes()),
            }
            rest = after.as_str();
        }
        out.extend_from_slice(rest.as_bytes());
        // Go writes one replacement for each byte that belongs to no character.
        for _ in chunk.invalid() {
            out.extend_from_slice(br"\ufffd");
        }
    }
}

fn needs_escape(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

/// Reads one record, without its newline; `None` where it is none.
#[must_use]
pub fn decode(line: &[u8]) -> Option<Record<'_>> {
    decode_ours(line).or_else(|| {
        #[derive(Deserialize)]
        struct Shape<'a> {
            #[serde(borrow, default)]
            log: Cow<'a, str>,
            stream: StreamKind,
            #[serde(borrow)]
            time: Cow<'a, str>,
        }
        let Shape { log, stream, time } = serde_json::from_slice(line).ok()?;
        let (text, newline) = without_newline(log);
        Some(Record { text, newline, stream, time })
    })
}

/// What [`encode`] wrote: found from both ends, so that only the text between has to be looked at.
fn decode_ours(line: &[u8]) -> Option<Record<'_>> {
    let rest = line.strip_prefix(HEAD)?.strip_suffix(TAIL)?;
    let quote = memchr::memrchr(b'"', rest)?;
    let (rest, time) = (&rest[..=quote], &rest[quote + 1..]);
    let (rest, stream) = match rest.strip_suffix(STDOUT) {
        Some(rest) => (rest, StreamKind::Stdout),
        None => (rest.strip_suffix(STDERR)?, StreamKind::Stderr),
    };
    let text = rest.strip_suffix(MIDDLE)?;
    let time = std::str::from_utf8(time).ok()?;
    let text = std::str::from_utf8(text).ok()?;
    // The one escape of nearly every line is its newline.
    let (text, newline) = match text.strip_suffix(r"\n").filter(|text| is_plain(text)) {
        Some(text) => (Cow::Borrowed(text), true),
        None if is_plain(text) => (Cow::Borrowed(text), false),
        None => without_newline(Cow::Owned(serde_json::from_str(&format!("\"{text}\"")).ok()?)),
    };
    Some(Record { text, newline, stream, time: time.into() })
}

/// Whether it stands for itself in a JSON string.
fn is_plain(text: &str) -> bool {
    memchr::memchr2(b'\\', b'"', text.as_bytes()).is_none()
}

fn without_newline(log: Cow<'_, str>) -> (Cow<'_, str>, bool) {
    match log {
        Cow::Borrowed(log) => match log.strip_suffix('\n') {
            Some(text) => (Cow::Borrowed(text), true),
            None => (Cow::Borrowed(log), false),
        },
        Cow::Owned(mut log) => {
            let newline = log.ends_with('\n');
            log.truncate(log.len() - usize::from(newline));
            (Cow::Owned(log), newline)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &[u8]) -> String {
        let mut out = Vec::new();
        encode(&mut out, StreamKind::Stdout, text, b"\n", b"2026-11-24T11:26:49.8Z");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_has_the_bytes_that_docker_writes() {
        assert_eq!(
            encoded("a\"b\\c\td\r<e>&f \u{2028}\u{1f600}\0".as_bytes()),
            concat!(
                r#"{"log":"a\"b\\c\u0009d\r\u003ce\u003e\u0026f \u2028😀\u0000\n","stream":"stdout","#,
                r#""time":"2026-11-24T11:26:49.8Z"}"#,
                "\n"
            )
        );
        assert!(encoded(b"\xff\xfe").contains(r"\ufffd\ufffd"));
    }

    #[test]
    fn records_of_others_are_read_as_well() {
        let record = decode(br#"{"stream":"stderr","log":"x\n","time":"T","attrs":{"a":"b"}}"#).unwrap();
        assert_eq!((record.text.as_ref(), record.newline, record.stream), ("x", true, StreamKind::Stderr));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for line in [
            "",
            "{}",
            "x",
            r#"{"log":"a","stream":"stdin","time":"T"}"#,
            r#"{"log":"a"b","stream":"stdout","time":"T"}"#,
        ] {
            assert_eq!(decode(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(text in any::<String>(), to_stderr: bool) {
            let stream = if to_stderr { StreamKind::Stderr } else { StreamKind::Stdout };
            let mut out = Vec::new();
            encode(&mut out, stream, text.as_bytes(), b"\n", b"2026-11-24T11:26:49.8Z");
            let line = out.strip_suffix(b"\n").unwrap();
            prop_assert!(memchr::memchr(b'\n', line).is_none());
            let record = decode(line).unwrap();
            prop_assert_eq!((record.text.as_ref(), record.newline, record.stream), (text.as_str(), true, stream));
            let value: serde_json::Value = serde_json::from_slice(line).unwrap();
            prop_assert_eq!(&value["log"], &format!("{text}\n"));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let mut with_head = HEAD.to_vec();
            with_head.extend(&bytes);
            with_head.extend(TAIL);
            let _ = decode(&with_head);
            let mut out = Vec::new();
            encode(&mut out, StreamKind::Stderr, &bytes, b"", b"T");
            let record = decode(out.strip_suffix(b"\n").unwrap()).unwrap();
            let end = if record.newline { "\n" } else { "" };
            prop_assert_eq!(format!("{}{end}", record.text), one_replacement_a_byte(&bytes));
        }
    }

    fn one_replacement_a_byte(bytes: &[u8]) -> String {
        bytes.utf8_chunks().fold(String::new(), |mut text, chunk| {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
            text
        })
    }
}
