//! The embedded engine's json-file records: what it writes it reads again, and nothing that it reads makes it panic.
#![no_main]

use leaksoak::engine::embedded::log::record::{decode, encode};
use leaksoak_strategies::line::StreamKind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, bool, &[u8])| {
    let (to_stderr, newline, bytes) = input;
    let _ = decode(bytes);
    let stream = if to_stderr { StreamKind::Stderr } else { StreamKind::Stdout };
    let mut written = Vec::new();
    encode(&mut written, stream, bytes, if newline { b"\n" } else { b"" }, b"2026-11-24T11:26:49.8Z");
    let record = written.strip_suffix(b"\n").expect("a record ends its line");
    assert!(!record.contains(&b'\n'), "a record is one line");
    let record = decode(record).expect("what was written is a record");
    assert_eq!((record.stream, record.time.as_ref()), (stream, "2026-11-24T11:26:49.8Z"));
    // Bytes that are no UTF-8 are replaced, each by itself, and a newline at the end is told apart.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let whole = format!("{text}{}", if newline { "\n" } else { "" });
        let read = format!("{}{}", record.text, if record.newline { "\n" } else { "" });
        assert_eq!(read, whole);
    }
});
