//! `leaksoak analyze` as a user sees it: exit codes, the JSON's names, and what is said of files that cannot be judged.

use std::fs;
use std::process::Output;

use crate::support::{leaksoak, stderr};

/// Half an hour of one sample a second.
fn rows(value: impl Fn(u32) -> String) -> String {
    (0..=1_800).fold("elapsed_s,fds\n".to_owned(), |text, at_s| text + &format!("{at_s},{}\n", value(at_s)))
}

fn analyzed(text: &str, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fds.csv");
    fs::write(&file, text).unwrap();
    let args = ["analyze", file.to_str().unwrap(), "--time", "elapsed_s", "--value", "fds", "--warmup", "2m"];
    leaksoak(&[&args, more].concat()).output().unwrap()
}

#[test]
fn a_step_passes_and_a_leak_fails() {
    let step = analyzed(&rows(|at_s| if at_s > 240 { "40" } else { "31" }.to_owned()), &["--json"]);
    assert_eq!(step.status.code(), Some(0), "{}", stderr(&step));
    let json: serde_json::Value = serde_json::from_slice(&step.stdout).unwrap();
    let result = &json["results"][0];
    assert_eq!((result["value"].as_str(), result["verdict"].as_str()), (Some("fds"), Some("PASS")), "{json}");
    assert_eq!((result["shape"].as_str(), result["last"].as_f64()), (Some("step"), Some(40.0)), "{json}");
    let names =
        ["steady_rate_per_min", "ci_low", "ci_high", "cumulative_rate_per_min", "baseline", "samples", "reason"];
    assert!(names.iter().all(|name| !result[name].is_null()), "{json}");

    let leak = analyzed(&rows(|at_s| format!("{}", 31 + at_s / 4)), &["--ceiling", "1024", "--json"]);
    assert_eq!(leak.status.code(), Some(1), "{}", stderr(&leak));
    let json: serde_json::Value = serde_json::from_slice(&leak.stdout).unwrap();
    let left_s = json["results"][0]["projected_exhaustion_s"].as_f64().unwrap();
    assert!((2_000.0..2_400.0).contains(&left_s), "{json}");
}

#[test]
fn nothing_passes_on_data_that_is_missing_or_not_a_number() {
    let nan = analyzed(&rows(|at_s| if at_s == 900 { "NaN" } else { "31" }.to_owned()), &[]);
    assert_eq!(nan.status.code(), Some(4), "{}", stderr(&nan));
    let vanished = analyzed(&rows(|at_s| if at_s > 1_200 { "" } else { "31" }.to_owned()), &[]);
    assert_eq!(vanished.status.code(), Some(3), "{}", stderr(&vanished));
    let one = analyzed("elapsed_s,fds\n1,2\n", &[]);
    assert_eq!(one.status.code(), Some(3), "{}", stderr(&one));
    let said = String::from_utf8_lossy(&one.stdout);
    assert!(said.contains("1 sample after warm-up") && said.contains("cumulative, 1 sample\n"), "{said}");
    let empty = analyzed("", &[]);
    assert_eq!(empty.status.code(), Some(2), "{}", stderr(&empty));
}

#[test]
fn a_column_that_is_not_there_is_told_with_the_nearest() {
    let output = analyzed(&rows(|_| "1".to_owned()), &["--value", "fd"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("fds.csv:1") && said.contains("did you mean `fds`?"), "{said}");
}

#[test]
fn what_has_reached_its_ceiling_has_failed_at_whatever_rate() {
    let filled = rows(|at_s| (50 + at_s * 2).min(1_024).to_string());
    let output = analyzed(&filled, &["--ceiling", "1024"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("used up its ceiling of 1024 at 8 min") && said.contains("1024 reached"), "{said}");
    let none = analyzed(&filled, &["--ceiling", "0"]);
    assert_eq!((none.status.code(), stderr(&none).contains("above 0")), (Some(2), true), "{}", stderr(&none));
}

#[test]
fn rows_that_are_not_there_are_as_little_known_as_empty_ones() {
    let rows = (0..400).fold("elapsed_s,fds\n".to_owned(), |text, at_s| text + &format!("{at_s},50\n"));
    let output = analyzed(&(rows + "1800,5000\n"), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn values_too_large_for_an_interval_pass_nothing() {
    let output = analyzed(&rows(|at_s| if at_s % 2 == 0 { "1e308" } else { "-1e308" }.to_owned()), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
}
