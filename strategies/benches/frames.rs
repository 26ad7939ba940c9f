//! What a line costs on its way through the frame parser: time, and allocations, of which there are to be none.
//!
//! The chunks are cut as hyper cuts them, in the midst of frames and lines.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use leaksoak_strategies::docker_api::frames::Demultiplexer;
use leaksoak_strategies::docker_api::logs::LogLine;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const LINES: usize = 10_000;
const CHUNK_BYTES: usize = 8192;

fn main() {
    divan::main();
}

/// As dockerd sends it: every line in a frame of its own.
fn framed() -> Vec<u8> {
    let mut stream = Vec::new();
    for number in 0..LINES {
        let line =
            format!("2026-11-23T13:15:57.{number:09}Z soak c=c01 seq={number} t=1795439757924743081 {:x<70}\n", "");
        stream.extend([1, 0, 0, 0]);
        stream.extend(u32::try_from(line.len()).expect("a short line").to_be_bytes());
        stream.extend(line.bytes());
    }
    stream
}

fn parse(lines: &mut Demultiplexer, stream: &[u8]) -> usize {
    let mut count = 0;
    for mut chunk in stream.chunks(CHUNK_BYTES) {
        while let Some(raw) = lines.next_line(&mut chunk).expect("frames") {
            black_box(LogLine::parse(raw).expect("a timestamp"));
            count += 1;
        }
    }
    count
}

/// A demultiplexer that has seen a line in two chunks has the buffer for it.
#[divan::bench]
fn ten_thousand_lines(bencher: Bencher) {
    let stream = framed();
    let mut lines = Demultiplexer::new(false);
    parse(&mut lines, &stream);
    bencher.counter(ItemsCount::new(LINES)).bench_local(move || assert_eq!(parse(&mut lines, &stream), LINES));
}
