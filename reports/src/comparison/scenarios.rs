//! In what two scenarios differ, key by key. Names and descriptions are no difference; arms are matched by name.

use std::collections::BTreeMap;

use leaksoak_scenarios::Scenario;
use serde_json::Value;

use crate::words::counted;

/// Differences told; what is beyond them is counted.
const TOLD: usize = 8;

/// `duration: "30m" in A, "60s" in B`, ...
pub(super) fn differences(a: &Scenario, b: &Scenario) -> Vec<String> {
    let (a, b) = (leaves(a, b), leaves(b, a));
    let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let said = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let mut told: Vec<String> = keys
        .into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| format!("{key} is {} in A, {} in B", said(a.get(key)), said(b.get(key))))
        .collect();
    let more = told.len().saturating_sub(TOLD);
    told.truncate(TOLD);
    told.extend((more > 0).then(|| format!("and {} more", counted(more as u64, "key"))));
    told
}

/// Every key with its value, `arms.pooled.rotate_every`. Of arms that only one has, nothing: that is told elsewhere.
fn leaves(scenario: &Scenario, other: &Scenario) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    let mut scenario = scenario.clone();
    scenario.arms.retain(|arm| other.arms.iter().any(|theirs| theirs.name == arm.name));
    // A scenario is made of what JSON can hold.
    let value = serde_json::to_value(&scenario).unwrap_or_default();
    enter(&value, "", &mut leaves);
    leaves
}

fn enter(value: &Value, at: &str, leaves: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    match value {
        Value::Object(fields) => {
            let told = fields.iter().filter(|(key, _)| !matches!(key.as_str(), "name" | "about"));
            told.for_each(|(key, value)| enter(value, &below(key), leaves));
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str).map_or_else(|| number.to_string(), str::to_owned);
                enter(item, &below(&name), leaves);
            }
        }
        leaf => drop(leaves.insert(at.to_owned(), leaf.clone())),
    }
}
