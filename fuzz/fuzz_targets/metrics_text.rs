//! The reader of an arm's `/metrics`: an external arm may answer anything.
#![no_main]

use leaksoak::arm::client::Metrics;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Metrics::parse(text).count("log_capturer_tasks");
});
