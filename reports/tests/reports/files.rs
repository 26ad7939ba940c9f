//! Run directories: written, read back, cut at any byte, and reported from.

use std::fs;
use std::path::Path;

use leaksoak_reports::record::checkpoints::FdGroup;
use leaksoak_reports::record::events::Exit;
use leaksoak_reports::{Outcome, RecordError, Recording, Report, RunWriter, begin_turns, judge, render, write_reports};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::{Plan, SMOKE, Script, leaking, write};

/// A run of a minute with a checkpoint every ten seconds.
fn recording() -> Recording {
    SMOKE.record(&[
        Script::steady("pooled", "pooled").fds(|time| if time < 20.0 { 30.0 } else { 31.0 }),
        Script::steady("naive", "naive").fds(leaking(120.0)).tasks(leaking(240.0)).control(),
        Script::steady("hybrid", "hybrid").dies(
            40.0,
            Exit::Code { code: 1 },
            "leaksoak arm hybrid: <b>no</b> | @everyone\u{1b}[2J",
        ),
    ])
}

fn written(recording: &Recording) -> TempDir {
    let dir = TempDir::new().unwrap();
    write(recording, dir.path());
    dir
}

/// Cuts a file of the directory to its first `len` bytes.
fn cut(dir: &TempDir, file: &str, len: usize) {
    let path = dir.path().join(file);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..len]).unwrap();
}

#[test]
fn what_was_written_is_read_back() {
    let recording = recording();
    let dir = written(&recording);
    assert_eq!(Recording::load(dir.path()).unwrap(), recording);
}

#[test]
fn a_directory_that_holds_something_is_not_written_into() {
    let recording = recording();
    let dir = written(&recording);
    let error = RunWriter::create(dir.path(), &recording.info).unwrap_err();
    assert!(matches!(error, RecordError::NotEmpty { .. }), "{error}");
    assert_eq!(Recording::load(dir.path()).unwrap(), recording);
    let error = RunWriter::create(&dir.path().join("run.json"), &recording.info).unwrap_err();
    assert!(matches!(error, RecordError::NotADirectory { .. }), "{error}");
}

#[test]
fn a_line_break_in_a_text_does_not_become_one_in_the_file() {
    let dir = TempDir::new().unwrap();
    let mut writer = RunWriter::create(dir.path(), &recording().info).unwrap();
    let target = "/tmp/a\n1,pooled,file,b,9".to_owned();
    let group = FdGroup { checkpoint: 1, subject: "pooled".to_owned(), kind: "file".to_owned(), target, count: 1 };
    writer.fd_group(&group).unwrap();
    writer.sync().unwrap();
    let read = Recording::load(dir.path()).unwrap().fd_groups;
    assert_eq!(read, [FdGroup { target: r"/tmp/a\n1,pooled,file,b,9".to_owned(), ..group }]);
}

#[test]
fn a_later_format_is_refused_with_what_to_do() {
    let dir = written(&recording());
    let path = dir.path().join("run.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"format_version\": 1", "\"format_version\": 2");
    fs::write(&path, text).unwrap();
    let error = Recording::load(dir.path()).unwrap_err().to_string();
    let error = error.replace(&dir.path().display().to_string(), "DIR");
    insta::assert_snapshot!(error, @"DIR/run.json has format version 2, this leaksoak reads up to 1: read it with the leaksoak that made it, or a later one");
}

#[test]
fn a_directory_that_is_none_of_ours_is_refused_with_what_to_do() {
    let error = Recording::load(Path::new("no/such/run")).unwrap_err();
    insta::assert_snapshot!(error, @"no/such/run is not a run directory: it has no run.json; name the directory that `leaksoak run` printed");
}

#[test]
fn a_broken_line_in_the_middle_is_named() {
    let told = |file: &str, from: &str, to: &str| {
        let dir = written(&recording());
        let path = dir.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = Recording::load(dir.path()).unwrap_err().to_string();
        error.replace(&dir.path().display().to_string(), "DIR")
    };
    let errors = [
        told("samples.csv", "\n0.5,", "\nsoon,"),
        told("samples.csv", "\n0.5,", "\nNaN,"),
        told("samples.csv", "\n0.5,", "\n0.5,0.5,"),
        told("events.jsonl", "\"phase\":\"steady\"", "\"phase\":\"lunch\""),
        told("ledger.json", "\"complete\"", "\"done\""),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    DIR/samples.csv, line 7: field 0: invalid float literal; the file was changed after the run, or its disk is at fault: remove the line to read the rest
    DIR/samples.csv, line 7: a number is not finite; the file was changed after the run, or its disk is at fault: remove the line to read the rest
    DIR/samples.csv, line 7: 18 fields where the header has 17; the file was changed after the run, or its disk is at fault: remove the line to read the rest
    DIR/events.jsonl, line 17: unknown variant `lunch`, expected one of `setup`, `warmup`, `steady`, `drain`, `done`; the file was changed after the run, or its disk is at fault: remove the line to read the rest
    DIR/ledger.json, line 101: missing field `complete`; the file was changed after the run, or its disk is at fault: restore it from a copy
    ");
}

#[test]
fn files_that_are_missing_are_said() {
    let dir = written(&recording());
    for file in ["samples.csv", "checkpoints.csv", "fd_groups.csv", "events.jsonl", "ledger.json"] {
        fs::remove_file(dir.path().join(file)).unwrap();
    }
    let loaded = Recording::load(dir.path()).unwrap();
    insta::assert_snapshot!(loaded.notes.join("\n"), @r"
    samples.csv is missing
    checkpoints.csv is missing
    fd_groups.csv is missing
    events.jsonl is missing
    ledger.json is missing: what was lost is not known
    ");
    assert_eq!(judge(&loaded).outcome, Outcome::Inconclusive);
}

#[test]
fn killed_run_still_gives_a_report() {
    let plan = Plan { killed_s: Some(33.0), ..SMOKE };
    let naive = Script::steady("naive", "naive").fds(leaking(120.0)).tasks(leaking(240.0)).control();
    let dir = written(&plan.record(&[Script::steady("pooled", "pooled"), naive]));
    let samples = fs::metadata(dir.path().join("samples.csv")).unwrap().len();
    cut(&dir, "samples.csv", usize::try_from(samples).unwrap() - 7);
    let verdict = write_reports(dir.path()).unwrap();
    assert_eq!((verdict.outcome, verdict.exit_code()), (Outcome::Inconclusive, 3));
    insta::assert_snapshot!(render::text(&verdict), @r"
    INCONCLUSIVE: smoke on docker 20.10.24, 33 s of 60 s measured

    arm          FDs  FDs/min      tasks  tasks/min  lost  uptime  verdict
    pooled  30 -> 30     0.00   24 -> 24       0.00     ?   100 %  INCONCLUSIVE
    naive   50 -> 96      120  70 -> 162        240     ?   100 %  FAIL, as expected

    - pooled: loss: the sink gave no account
    - the run was killed after 33 s of 60 s, or is still going on: its last event is missing
    - note: samples.csv ends in a torn line, as after a kill or on a full disk: its end of 47 bytes was dropped
    - note: ledger.json is missing: what was lost is not known
    ");
    for file in ["verdict.json", "summary.md", "charts/fds.png", "charts/tasks.png", "charts/rss.png"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn reports_made_again_are_the_same_bytes() {
    let dir = written(&recording());
    let files = ["verdict.json", "summary.md", "charts/fds.png", "charts/tasks.png", "charts/rss.png"];
    let read = || files.map(|file| fs::read(dir.path().join(file)).unwrap());
    write_reports(dir.path()).unwrap();
    let first = read();
    write_reports(dir.path()).unwrap();
    assert!(first == read());
}

#[test]
fn the_verdict_reads_back_from_its_file() {
    let dir = written(&recording());
    let verdict = write_reports(dir.path()).unwrap();
    let text = fs::read_to_string(dir.path().join("verdict.json")).unwrap();
    assert_eq!(text, render::json(&verdict).unwrap());
    assert_eq!(serde_json::from_str::<leaksoak_reports::RunVerdict>(&text).unwrap(), verdict);
}

#[test]
fn the_reports_of_a_run_read_like_this() {
    let recording = recording();
    let verdict = judge(&recording);
    insta::assert_snapshot!("terminal", render::text(&verdict));
    insta::assert_snapshot!("summary", render::markdown(&Report::of(&recording, &verdict)));
    insta::assert_snapshot!("verdict_json", render::json(&verdict).unwrap());
}

/// The arms of that run, had they taken turns.
fn turns() -> Recording {
    SMOKE.record_turns(&[
        Script::steady("pooled", "pooled"),
        Script::steady("naive", "naive").fds(leaking(120.0)).tasks(leaking(240.0)).control(),
    ])
}

#[test]
fn the_report_of_arms_that_took_turns_reads_like_this() {
    let recording = turns();
    let verdict = judge(&recording);
    let summary = render::markdown(&Report::of(&recording, &verdict));
    assert!(!summary.contains("\n\n\n"), "two empty lines in a row");
    insta::assert_snapshot!("summary_of_turns", summary);
}

#[test]
fn turns_are_read_from_their_directories_and_one_that_is_not_there_was_not_begun() {
    let recording = turns();
    let dir = TempDir::new().unwrap();
    let run = begin_turns(dir.path(), &recording.info).unwrap();
    write(&recording.turns[0], run.turn("pooled").path());
    let loaded = Recording::load(dir.path()).unwrap();
    assert_eq!(loaded.turns[0], recording.turns[0]);
    let verdict = write_reports(dir.path()).unwrap();
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert_eq!(verdict.reasons, ["turn of naive: it was not begun"]);
    write(&recording.turns[1], run.turn("naive").path());
    assert_eq!(Recording::load(dir.path()).unwrap(), recording);
    let error = begin_turns(dir.path(), &recording.info).unwrap_err();
    assert!(matches!(error, RecordError::NotEmpty { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_cut_at_any_byte_keeps_all_its_whole_lines(
        cuts in proptest::collection::vec((0..4_usize, any::<prop::sample::Index>()), 16),
    ) {
        let full = Plan { duration_s: 12.0, checkpoint_every_s: 4.0, ..SMOKE }.record(&[Script::steady("pooled", "pooled")]);
        let dir = written(&full);
        for (file, index) in cuts {
            let file = ["samples.csv", "checkpoints.csv", "fd_groups.csv", "events.jsonl"][file];
            let path = dir.path().join(file);
            let bytes = fs::read(&path).unwrap();
            let len = index.index(bytes.len() + 1);
            fs::write(&path, &bytes[..len]).unwrap();
            let whole = bytes[..len].split(|byte| *byte == b'\n').count() - 1;
            let loaded = Recording::load(dir.path()).unwrap();
            let rows = match file {
                "samples.csv" => loaded.samples.iter().zip(&full.samples).filter(|(a, b)| a == b).count(),
                "checkpoints.csv" => loaded.checkpoints.iter().zip(&full.checkpoints).filter(|(a, b)| a == b).count(),
                "fd_groups.csv" => loaded.fd_groups.iter().zip(&full.fd_groups).filter(|(a, b)| a == b).count(),
                _ => loaded.events.iter().zip(&full.events).filter(|(a, b)| a == b).count(),
            };
            let headers = usize::from(file != "events.jsonl");
            prop_assert_eq!(rows, whole.saturating_sub(headers));
            let torn = len > 0 && bytes[len - 1] != b'\n';
            prop_assert_eq!(loaded.notes.iter().any(|note| note.contains("torn")), torn);
            fs::write(&path, &bytes).unwrap();
        }
    }
}
