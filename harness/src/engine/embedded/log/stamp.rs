//! Timestamps as Docker writes them: RFC 3339 in UTC, to the nanosecond.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::unix_ns;

const NANOS_PER_SEC: u64 = 1_000_000_000;
/// `2026-11-24T11:26:49.808473318Z`
const MAX: usize = 30;

/// A moment as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    text: [u8; MAX],
    length: usize,
}

impl Stamp {
    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

/// Now, as Go's `RFC3339Nano` has it: without the zeros at the end of the fraction.
#[must_use]
pub fn now() -> Stamp {
    of(unix_ns())
}

/// So many nanoseconds after the Unix epoch, as [`now`].
#[must_use]
pub fn of(unix_ns: u64) -> Stamp {
    thread_local! {
        /// The last second and its text: most stamps of a thread fall into the same one.
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let (second, nanos) = (unix_ns / NANOS_PER_SEC, unix_ns % NANOS_PER_SEC);
    let mut stamp = Stamp { text: [0; MAX], length: 0 };
    SECOND.with_borrow_mut(|(last, text)| {
        if *last != second {
            text.clear();
            let time = UNIX_EPOCH + Duration::from_secs(second);
            write!(text, "{}", humantime::format_rfc3339_seconds(time)).expect("writing to a String cannot fail");
            text.pop();
            *last = second;
        }
        stamp.push(text.as_bytes());
    });
    if nanos > 0 {
        stamp.push(b".");
        let mut left = nanos;
        let mut unit = NANOS_PER_SEC / 10;
        while left > 0 {
            stamp.push(&[b'0' + u8::try_from(left / unit).unwrap_or_default()]);
            left %= unit;
            unit /= 10;
        }
    }
    stamp.push(b"Z");
    stamp
}

impl Stamp {
    fn push(&mut self, bytes: &[u8]) {
        let end = (self.length + bytes.len()).min(MAX);
        let fits = end - self.length;
        self.text[self.length..end].copy_from_slice(&bytes[..fits]);
        self.length = end;
    }
}

/// Appends `time`, a stamp, with a fraction of nine digits, as log streams carry it.
pub fn push_fixed(out: &mut impl Extend<u8>, time: &str) {
    let text = time.strip_suffix('Z').unwrap_or(time);
    let digits = text.split_once('.').map(|(_, fraction)| fraction.len());
    out.extend(text.bytes());
    if digits.is_none() {
        out.extend([b'.']);
    }
    out.extend(std::iter::repeat_n(b'0', 9_usize.saturating_sub(digits.unwrap_or(0))));
    out.extend([b'Z']);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_of_a_fraction_are_left_out() {
        assert_eq!(of(1_795_519_618_865_526_914).to_string(), "2026-11-24T11:26:58.865526914Z");
        assert_eq!(of(1_795_519_618_800_000_000).to_string(), "2026-11-24T11:26:58.8Z");
        assert_eq!(of(1_795_519_618_000_000_010).to_string(), "2026-11-24T11:26:58.00000001Z");
        assert_eq!(of(1_795_519_619_000_000_000).to_string(), "2026-11-24T11:26:59Z");
    }

    #[test]
    fn a_stream_s_stamp_has_nine_digits() {
        for (short, long) in [("T1:26:58.8Z", "T1:26:58.800000000Z"), ("T1:26:58Z", "T1:26:58.000000000Z")] {
            let mut out = Vec::new();
            push_fixed(&mut out, short);
            assert_eq!(String::from_utf8(out).unwrap(), long);
        }
    }
}
