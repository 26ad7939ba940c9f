//! What the embedded engine makes of the parts of a request: its query, its filters, its names, its body.
#![no_main]

use leaksoak::engine::embedded::api::filters::{Filters, name_matches};
use leaksoak::engine::embedded::api::parameters::Parameters;
use leaksoak::engine::embedded::images;
use leaksoak::engine::embedded::signal;
use leaksoak::engine::embedded::spec::Spec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = Spec::parse(bytes) {
        assert!(error.status().is_client_error() || error.status().is_server_error());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parameters = Parameters::parse(text);
    for name in ["filters", "since", "until", "tail", "t"] {
        let _ = (parameters.flag(name), parameters.number(name), parameters.time(name));
    }
    let _ = Filters::of(&parameters, &["label", "name"], &["volume"]);
    let _ = Filters::of_any(&parameters, &[]);
    let (pattern, name) = text.split_once('\n').unwrap_or((text, "probe"));
    let _ = name_matches(pattern, name);
    let _ = signal::parse(text);
    if images::check_name(text).is_ok() {
        assert!(text.split('/').all(|part| !matches!(part, "" | "." | "..")), "a name is no path: {text:?}");
    }
});
