//! `docs/scenario-reference.md` keeps up with what a scenario may say.

#![expect(clippy::unwrap_used, reason = "what a helper here cannot do fails its test")]

use std::collections::BTreeSet;
use std::fs;

use leaksoak_scenarios::{Overrides, catalog, load};

const REFERENCE: &str = include_str!("../../docs/scenario-reference.md");

/// Every key in use, from the built-in scenarios with their defaults spelt out.
fn keys() -> BTreeSet<String> {
    fn collect(value: &toml::Value, keys: &mut BTreeSet<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    keys.insert(key.clone());
                    collect(value, keys);
                }
            }
            toml::Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
            _ => {}
        }
    }
    let mut keys = BTreeSet::new();
    for entry in catalog::entries() {
        let scenario = load(entry.name, &Overrides::default()).unwrap();
        collect(&toml::Value::try_from(scenario).unwrap(), &mut keys);
    }
    keys
}

#[test]
fn every_key_is_in_the_reference() {
    let keys = keys();
    assert!(keys.contains("as_archived") && keys.contains("refuse_older_than") && keys.contains("burst"));
    for key in keys {
        let said = [format!("`{key}`"), format!("`[{key}]`"), format!("`[[{key}]]`")];
        assert!(said.iter().any(|key| REFERENCE.contains(key)), "`{key}` is not in the reference");
    }
}

#[test]
fn the_reference_s_example_loads() {
    let example = REFERENCE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("least.toml");
    fs::write(&path, example).unwrap();
    assert_eq!(load(path.to_str().unwrap(), &Overrides::default()).unwrap().name, "least");
}
