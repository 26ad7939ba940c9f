//! The reader of an arm's `/metrics`: an external arm may answer anything.
#![no_main]

use leaksoak::arm::client::Metrics;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let metrics = Metrics::parse(text);
    let _ = metrics.count("log_capturer_tasks");
    let _ = metrics.counts_by("log_capturer_tasks_by_spawn_site", "site");
});
