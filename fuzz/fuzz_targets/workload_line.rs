//! The sink's search for workload lines in whatever bytes an agent sends.
#![no_main]

use leaksoak::workload::line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for token in line::tokens(bytes) {
        assert!(token.seq > 0 && !token.container.is_empty());
    }
});
