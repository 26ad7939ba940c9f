//! The demultiplexer of an engine's log streams, cut wherever the input says.
#![no_main]

use leaksoak_strategies::docker_api::frames::Demultiplexer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (tty, step, bytes) = input;
    let mut frames = Demultiplexer::new(tty);
    for mut part in bytes.chunks(usize::from(step.max(1))) {
        loop {
            match frames.next_line(&mut part) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    let _ = frames.unfinished().count();
});
