//! One record of a json-file log, read without allocating.
//!
//! dockerd writes its records in one shape, `{"log":"...","stream":"...","time":"..."}`, with `"attrs":{...}` before the time
//! where it was asked for labels. A record of that shape is read by looking for the ends of its three texts; every other goes
//! to serde_json, which says what is wrong, or that the members only come in another order. Both give the same of the same
//! record: a property test holds them to it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::bytes;
use crate::line::StreamKind;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) log: Text<'a>,
    pub(super) stream: StreamKind,
    pub(super) time: &'a str,
}

/// Where the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text<'a> {
    /// In the record as it is written. `newline`: one follows it there, as an escape.
    Plain { text: &'a str, newline: bool },
    /// It had escapes; what they stand for is in the scratch.
    Scratch,
}

/// Reads a record without its newline. A text that had escapes is put into `scratch`.
pub(super) fn read<'a>(record: &'a [u8], scratch: &mut String) -> Result<Record<'a>, serde_json::Error> {
    match read_shape(record, scratch) {
        Some(read) => Ok(read),
        None => read_any(record, scratch),
    }
}

fn read_shape<'a>(record: &'a [u8], scratch: &mut String) -> Option<Record<'a>> {
    // Once for all of it: most of what that costs is its beginning and its end.
    let record = std::str::from_utf8(record).ok()?;
    let (log, rest) = Quoted::split(record.strip_prefix("{\"log\":\"")?)?;
    let (stream, rest) = if let Some(rest) = rest.strip_prefix(",\"stream\":\"stdout\",") {
        (StreamKind::Stdout, rest)
    } else {
        (StreamKind::Stderr, rest.strip_prefix(",\"stream\":\"stderr\",")?)
    };
    let time = rest.strip_prefix("\"time\":\"")?.strip_suffix("\"}")?;
    // The record ends there, if the text does not end before.
    let ends_before = bytes::any(time.as_bytes(), bytes::is_escaped_in_json);
    if ends_before { None } else { Some(Record { log: text(log, scratch)?, stream, time }) }
}

/// What lies between two quotes.
#[derive(Clone, Copy)]
struct Quoted<'a> {
    text: &'a str,
    /// Where its first escape is.
    first_escape: Option<usize>,
}

impl<'a> Quoted<'a> {
    /// Splits behind the next quote that is not escaped, and leaves that out.
    fn split(text: &'a str) -> Option<(Self, &'a str)> {
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut first_escape = None;
        loop {
            at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                return Some((Self { text: &text[..at], first_escape }, &text[at + 1..]));
            }
            first_escape = first_escape.or(Some(at));
            // The escape, and what it escapes.
            at += 2;
        }
    }
}

fn text<'a>(Quoted { text, first_escape }: Quoted<'a>, scratch: &mut String) -> Option<Text<'a>> {
    // JSON has no control characters in a string.
    if bytes::any(text.as_bytes(), |byte| byte < 0x20) {
        return None;
    }
    let Some(first_escape) = first_escape else { return Some(Text::Plain { text, newline: false }) };
    let (body, escapes) = text.split_at(first_escape);
    if escapes == "\\n" {
        return Some(Text::Plain { text: body, newline: true });
    }
    scratch.clear();
    unescape(text, scratch)?;
    Some(Text::Scratch)
}

/// Puts `text` into `out` with its escapes resolved; `None`: there is one that JSON does not have.
fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = *rest.as_bytes().get(at + 1)?;
        rest = &rest[at + 2..];
        out.push(match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (character, after) = unicode_escape(rest)?;
                rest = after;
                character
            }
            _ => return None,
        });
    }
    out.push_str(rest);
    Some(())
}

/// The character of `\uXXXX`, of which `text` begins behind the `u`; a pair of surrogates is one.
fn unicode_escape(text: &str) -> Option<(char, &str)> {
    let (unit, rest) = hex4(text)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, rest));
    }
    let (low, rest) = hex4(rest.strip_prefix("\\u")?)?;
    let pair = (0xD800..0xDC00).contains(&unit) && (0xDC00..0xE000).contains(&low);
    let character = char::from_u32(0x1_0000 + ((unit & 0x3FF) << 10) + (low & 0x3FF)).filter(|_| pair)?;
    Some((character, rest))
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let all_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    Some((u32::from_str_radix(digits, 16).ok().filter(|_| all_hex)?, rest))
}

#[derive(Deserialize)]
struct AnyShape<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    stream: StreamKind,
    time: &'a str,
}

fn read_any<'a>(record: &'a [u8], scratch: &mut String) -> Result<Record<'a>, serde_json::Error> {
    let AnyShape { log, stream, time } = serde_json::from_slice(record)?;
    scratch.clear();
    scratch.push_str(&log);
    Ok(Record { log: Text::Scratch, stream, time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(record: Record<'_>, scratch: &str) -> (String, StreamKind, String) {
        let log = match record.log {
            Text::Plain { text, newline } => format!("{text}{}", if newline { "\n" } else { "" }),
            Text::Scratch => scratch.to_owned(),
        };
        (log, record.stream, record.time.to_owned())
    }

    fn by_shape(record: &[u8]) -> Option<(String, StreamKind, String)> {
        let mut scratch = String::new();
        read_shape(record, &mut scratch).map(|record| texts(record, &scratch))
    }

    fn by_serde(record: &[u8]) -> Option<(String, StreamKind, String)> {
        let mut scratch = String::new();
        read_any(record, &mut scratch).ok().map(|record| texts(record, &scratch))
    }

    fn record(log: &str) -> String {
        format!(r#"{{"log":"{log}","stream":"stdout","time":"2026-11-23T13:15:57.92Z"}}"#)
    }

    #[test]
    fn a_record_of_dockerd_s_shape_is_read_in_place() {
        let text = record(r"hello\n");
        let read = read_shape(text.as_bytes(), &mut String::new()).unwrap();
        assert_eq!(read.log, Text::Plain { text: "hello", newline: true });
        assert_eq!((read.stream, read.time), (StreamKind::Stdout, "2026-11-23T13:15:57.92Z"));
    }

    #[test]
    fn every_escape_is_understood_without_serde() {
        for (written, meant) in [
            (r#"\" \\ \/ \b \f \n \r \t"#, "\" \\ / \u{8} \u{c} \n \r \t"),
            (r"\u0041 \u00E9 \ud83d\ude00 \u2028 \u0000", "A \u{e9} \u{1f600} \u{2028} \0"),
            (r"ends with an escaped backslash, and an n: \\n", r"ends with an escaped backslash, and an n: \n"),
            (r"<\u001b[31mred\n", "<\u{1b}[31mred\n"),
        ] {
            let text = record(written);
            assert_eq!(by_shape(text.as_bytes()).unwrap().0, meant);
            assert_eq!(by_serde(text.as_bytes()).unwrap().0, meant);
        }
    }

    #[test]
    fn what_is_not_json_is_left_to_serde_which_refuses_it() {
        for bad in
            [r"\x41", r"\u00g1", r"\u+123", r"\ud800", r"\ud800\u0041", r"\udc00", r"\", "a\u{1}b", "a\tb", "nul \0"]
        {
            let text = record(bad);
            assert_eq!(by_shape(text.as_bytes()), None, "{bad:?}");
            assert_eq!(by_serde(text.as_bytes()), None, "{bad:?}");
        }
        let mut not_utf8 = record("x").into_bytes();
        not_utf8[8] = 0xff;
        assert_eq!((by_shape(&not_utf8), by_serde(&not_utf8)), (None, None));
    }

    #[test]
    fn another_order_and_further_members_are_read_all_the_same() {
        for text in [
            r#"{"log":"a\n","stream":"stderr","attrs":{"k":"v"},"time":"t"}"#,
            r#"{"time":"t", "stream":"stderr", "log":"a\n"}"#,
        ] {
            let mut scratch = String::new();
            let read = read(text.as_bytes(), &mut scratch).unwrap();
            assert_eq!(texts(read, &scratch), ("a\n".to_owned(), StreamKind::Stderr, "t".to_owned()));
        }
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same_of_what_dockerd_could_have_written(text in any::<String>()) {
            let record = format!(
                r#"{{"log":{},"stream":"stderr","time":"t"}}"#,
                serde_json::to_string(&text).unwrap()
            );
            prop_assert_eq!(by_shape(record.as_bytes()), by_serde(record.as_bytes()));
            prop_assert_eq!(by_shape(record.as_bytes()).unwrap().0, text);
        }

        #[test]
        fn the_short_way_takes_nothing_that_serde_would_not(
            log in r#"([ -~]|\\[u"nx\\]|\\u[0-9a-fdD]{3,4}|[\x00-\x20]){0,12}"#,
            end in r#"["}{, ]{0,3}"#,
        ) {
            let record = record(&log) + &end;
            if let Some(read) = by_shape(record.as_bytes()) {
                prop_assert_eq!(Some(read), by_serde(record.as_bytes()));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let record = [b"{\"log\":\"".as_slice(), &bytes].concat();
            let _ = read(&record, &mut String::new());
        }
    }
}
