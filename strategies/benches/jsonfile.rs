//! What it costs to make lines of a json-file log, and that a line costs no allocation.
//!
//! The peer is serde_json into borrowed fields. divan's allocator counts: the `alloc` column of the decoder is empty but
//! for what its first record costs.

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use leaksoak_strategies::hybrid::jsonfile::Decoder;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const LINES: usize = 20_000;

/// As `hybrid` reads a file.
const CHUNK_BYTES: usize = 64 << 10;

/// A log as dockerd writes it, of lines of 120 bytes that all have this in them.
fn log(text: &str) -> String {
    use std::fmt::Write;
    let mut log = String::new();
    for seq in 0..LINES {
        writeln!(
            log,
            "{{\"log\":\"soak c=c01 seq={seq:08} t=1795439757924743081 {text}{:x<pad$}\\n\",\"stream\":\"stdout\",\
             \"time\":\"2026-11-23T13:15:57.{seq:09}Z\"}}",
            "",
            pad = 78 - text.len()
        )
        .expect("a String takes everything");
    }
    log
}

/// Without an escape but the newline; with the two that dockerd makes of `<` and a quote.
const TEXTS: [(&str, &str); 2] = [("plain", ""), ("escapes", "\\u003cb> \\\"quoted\\\"")];

#[divan::bench(args = TEXTS.map(|(name, _)| name))]
fn decoder(bencher: Bencher, text: &str) {
    let log = log(TEXTS.iter().find(|(name, _)| *name == text).map_or("", |(_, text)| text));
    // Once before it counts: its buffers are as large as they will be.
    let mut decoder = Decoder::default();
    assert_eq!(decode(&mut decoder, &log), LINES);
    bencher
        .counter(ItemsCount::new(LINES))
        .counter(BytesCount::new(log.len()))
        .bench_local(|| decode(&mut decoder, divan::black_box(&log)));
}

fn decode(decoder: &mut Decoder, log: &str) -> usize {
    let mut lines = 0;
    for mut chunk in log.as_bytes().chunks(CHUNK_BYTES) {
        while let Some(line) = decoder.next_line(&mut chunk) {
            divan::black_box(line.expect("the log is well formed"));
            lines += 1;
        }
    }
    lines
}

#[derive(serde::Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    log: std::borrow::Cow<'a, str>,
    stream: &'a str,
    time: &'a str,
}

#[divan::bench(args = TEXTS.map(|(name, _)| name))]
fn serde_json(bencher: Bencher, text: &str) {
    let log = log(TEXTS.iter().find(|(name, _)| *name == text).map_or("", |(_, text)| text));
    bencher.counter(ItemsCount::new(LINES)).counter(BytesCount::new(log.len())).bench_local(|| {
        for line in divan::black_box(&log).lines() {
            let Record { log, stream, time } = serde_json::from_str(line).expect("the log is well formed");
            divan::black_box((log, stream, time));
        }
    });
}
