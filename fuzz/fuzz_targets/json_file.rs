//! The decoder of json-file logs: however the bytes are cut, the lines are the same.
#![no_main]

use leaksoak_strategies::hybrid::jsonfile::Decoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    assert_eq!(lines(bytes.chunks(usize::from(step.max(1)))), lines([bytes].into_iter()));
});

fn lines<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Option<String>> {
    let mut decoder = Decoder::default();
    let mut lines = Vec::new();
    for mut chunk in chunks {
        while let Some(line) = decoder.next_line(&mut chunk) {
            lines.push(line.ok().map(|line| line.text.to_owned()));
        }
    }
    while let Some(line) = decoder.next_unfinished() {
        lines.push(Some(line.text.to_owned()));
    }
    lines
}
