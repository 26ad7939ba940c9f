//! The scenarios that come with leaksoak, embedded so that the binary alone can run them.

use std::sync::LazyLock;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is asked for by.
    pub name: &'static str,
    /// One line: what it shows. From the file.
    pub about: &'static str,
    /// The file, comments and all: a start for a scenario of one's own.
    pub toml: &'static str,
}

/// Every built-in scenario, the shortest first.
#[must_use]
pub fn entries() -> &'static [Entry] {
    static ENTRIES: LazyLock<[Entry; 9]> = LazyLock::new(|| {
        [
            entry("smoke", include_str!("../catalog/smoke.toml")),
            entry("mistakes", include_str!("../catalog/mistakes.toml")),
            entry("throughput", include_str!("../catalog/throughput.toml")),
            entry("rotation", include_str!("../catalog/rotation.toml")),
            entry("sink-outage", include_str!("../catalog/sink-outage.toml")),
            entry("engine-faults", include_str!("../catalog/engine-faults.toml")),
            entry("thousand", include_str!("../catalog/thousand.toml")),
            entry("soak-30m", include_str!("../catalog/soak-30m.toml")),
            entry("nightly-48h", include_str!("../catalog/nightly-48h.toml")),
        ]
    });
    &*ENTRIES
}

fn entry(name: &'static str, toml: &'static str) -> Entry {
    let about = toml.lines().find_map(|line| line.strip_prefix("about = \"")?.strip_suffix('"')).unwrap_or_default();
    Entry { name, about, toml }
}
