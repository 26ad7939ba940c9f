//! The workload's line, `soak c=<id> seq=<n> t=<unix_ns> <padding>`, written and found again.
//!
//! It is found in any bytes, whatever an agent wrapped around it (JSON, syslog, protobuf): its characters survive
//! every common escaping. What only looks like a line (no number, a number past `u64`) is passed over.

use std::io::Write;
use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The line's head, searched for.
const HEAD: &[u8] = b"soak c=";
static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(HEAD));
/// Longest container id accepted.
const MAX_ID: usize = 64;

/// One line of a workload, as found in some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// Which container printed it.
    pub container: &'a str,
    /// Its number, from 1.
    pub seq: u64,
    /// When it was printed, nanoseconds since the Unix epoch.
    pub t_ns: u64,
    /// It is the container's final line.
    pub is_final: bool,
}

/// Appends one line, padded to `line_bytes` (without the newline) where that is more than it needs.
pub fn write(out: &mut Vec<u8>, container: &str, seq: u64, t_ns: u64, line_bytes: usize) {
    let start = out.len();
    head(out, container, seq, t_ns);
    out.push(b' ');
    let length = out.len() - start;
    out.resize(out.len() + line_bytes.saturating_sub(length), b'x');
    out.push(b'\n');
}

/// Appends the final line.
pub fn write_final(out: &mut Vec<u8>, container: &str, seq: u64, t_ns: u64) {
    head(out, container, seq, t_ns);
    out.extend_from_slice(b" end\n");
}

fn head(out: &mut Vec<u8>, container: &str, seq: u64, t_ns: u64) {
    write!(out, "soak c={container} seq={seq} t={t_ns}").expect("writing to a Vec cannot fail");
}

/// Every token in `bytes`, in order.
pub fn tokens(bytes: &[u8]) -> impl Iterator<Item = Token<'_>> {
    FINDER.find_iter(bytes).filter_map(|at| parse(&bytes[at + HEAD.len()..]))
}

/// Parses what follows the head.
fn parse(bytes: &[u8]) -> Option<Token<'_>> {
    let id_len = bytes.iter().take(MAX_ID + 1).position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'-'))?;
    let (id, rest) = bytes.split_at(id_len);
    let (seq, rest) = number(rest.strip_prefix(b" seq=")?)?;
    let (t_ns, rest) = number(rest.strip_prefix(b" t=")?)?;
    let is_final =
        rest.strip_prefix(b" end").is_some_and(|after| after.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()));
    let container = std::str::from_utf8(id).ok().filter(|id| !id.is_empty())?;
    (seq > 0).then_some(Token { container, seq, t_ns, is_final })
}

/// The decimal number that `bytes` begin with, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at(len);
    let add = |value: u64, digit: &u8| value.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    let value = digits.iter().try_fold(0, add).filter(|_| len > 0)?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_found_inside_escaped_json() {
        let body = br#"{"line":"soak c=c07 seq=42 t=1700000000000000001 xxxx\n"}{"x":"soak c=c08 seq=7 t=5 end\n"}"#;
        let found: Vec<_> = tokens(body).collect();
        assert_eq!(
            found,
            [
                Token { container: "c07", seq: 42, t_ns: 1_700_000_000_000_000_001, is_final: false },
                Token { container: "c08", seq: 7, t_ns: 5, is_final: true },
            ]
        );
    }

    #[test]
    fn what_only_looks_like_a_line_is_passed_over() {
        for bytes in [
            "soak c=",
            "soak c= seq=1 t=2 x",
            "soak c=a seq=0 t=1 ",
            "soak c=a seq=99999999999999999999999 t=1 ",
            "soak c=a seq= t=1",
            "soak c=a",
        ] {
            assert_eq!(tokens(bytes.as_bytes()).count(), 0, "{bytes}");
        }
    }

    #[test]
    fn padding_that_begins_like_the_end_is_no_end() {
        assert!(!tokens(b"soak c=a seq=1 t=2 endless").next().unwrap().is_final);
    }

    proptest! {
        #[test]
        fn what_was_written_is_found_again(
            before in proptest::collection::vec(any::<u8>(), 0..40),
            id in "[a-z][a-z0-9-]{0,20}", seq in 1_u64.., t_ns: u64, bytes in 0_usize..300, end: bool,
        ) {
            let mut out = before;
            if end { write_final(&mut out, &id, seq, t_ns) } else { write(&mut out, &id, seq, t_ns, bytes) }
            let last = tokens(&out).last();
            prop_assert_eq!(last, Some(Token { container: &id, seq, t_ns, is_final: end }));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = tokens(&bytes).count();
            let mut with_head = b"soak c=".to_vec();
            with_head.extend(bytes);
            let _ = tokens(&with_head).count();
        }
    }
}
