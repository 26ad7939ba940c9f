//! The tables of `docs/statistics.md`, and which lines of them are not held.

use std::fmt::Write as _;

use super::classes::Class;
use super::count::Count;
use super::noise::Kind;
use super::peers;

type Counts = [(Class, Kind, Count)];

/// One row for each class, all noise together, beside what others would have said.
pub(crate) fn by_class(counts: &Counts) -> String {
    let peers = peers::ALL.map(|peer| format!(" {} |", peer.name)).concat();
    let mut text = format!("| series | asked for | PASS | FAIL | shape right | interval holds |{peers}\n");
    let _ = writeln!(text, "| --- | --- | ---: | ---: | ---: | ---: |{}", " ---: |".repeat(peers::ALL.len()));
    for class in Class::ALL {
        let count = total(counts, class);
        let share = |of: u64| percent(of, count.series);
        let covered = if class.is_line() { share(count.covered) } else { String::new() };
        let _ = write!(
            text,
            "| {} | {} | {} | {} | {} | {covered} |",
            class.words(),
            class.asked().words(),
            share(count.pass),
            share(count.fail),
            share(count.named),
        );
        for (pass, fail) in count.peers {
            let _ = write!(text, " {} / {} |", share(pass), share(fail));
        }
        text.push('\n');
    }
    text
}

/// The worst of the lines that are asked for, for each kind of noise.
pub(crate) fn by_noise(counts: &Counts) -> String {
    let kinds = Kind::ALL.map(|kind| format!(" {} |", kind.word())).concat();
    let mut text = format!("| | {kinds}\n| --- |{}\n", " ---: |".repeat(Kind::ALL.len())).replace("| | ", "| |");
    let mut row = |words: String, value: &dyn Fn(&Count) -> u64, class: Class| {
        let cells = Kind::ALL.map(|kind| {
            let (_, _, count) =
                counts.iter().find(|(of, noise, _)| *of == class && *noise == kind).expect("every pair");
            format!(" {} |", percent(value(count), count.series))
        });
        let _ = writeln!(text, "| {words} |{}", cells.concat());
    };
    for class in Class::ALL {
        let asked = class.asked();
        if asked.pass_least > 0.0 || asked.pass_most < 1.0 {
            row(format!("{}: PASS", class.words()), &|count| count.pass, class);
        }
        if asked.fail_least > 0.0 || asked.fail_most < 1.0 {
            row(format!("{}: FAIL", class.words()), &|count| count.fail, class);
        }
        if class.is_line() {
            row(format!("{}: interval holds", class.words()), &|count| count.covered, class);
        }
        if class == Class::SlowLeak {
            row(format!("{}: told", class.words()), &|count| count.told, class);
        }
        row(format!("{}: shape right", class.words()), &|count| count.named, class);
    }
    text
}

/// What becomes of a leak by its rate.
pub(crate) fn by_rate(counts: &[(f64, Count)]) -> String {
    let mut text = "| leak per minute | PASS | INCONCLUSIVE | FAIL |\n| ---: | ---: | ---: | ---: |\n".to_owned();
    for (rate, count) in counts {
        let share = |of: u64| percent(of, count.series);
        let open = count.series - count.pass - count.fail;
        let _ = writeln!(text, "| {rate} | {} | {} | {} |", share(count.pass), share(open), share(count.fail));
    }
    text
}

/// What is asked for and not held, all noise together.
pub(crate) fn broken(counts: &Counts) -> Vec<String> {
    let mut broken = Vec::new();
    for class in Class::ALL {
        let (count, asked) = (total(counts, class), class.asked());
        let mut hold = |what: &str, of: u64, least: f64, most: f64| {
            let share = of as f64 / count.series as f64;
            if !(least..=most).contains(&share) {
                broken.push(format!("{}: {what} {}", class.words(), percent(of, count.series)));
            }
        };
        hold("PASS", count.pass, asked.pass_least, asked.pass_most);
        hold("FAIL", count.fail, asked.fail_least, asked.fail_most);
        hold("shape right", count.named, 0.9, 1.0);
        if class.is_line() {
            hold("interval holds", count.covered, 0.92, 0.98);
        }
        if class == Class::SlowLeak {
            hold("told", count.told, 0.9, 1.0);
        }
    }
    broken
}

fn total(counts: &Counts, class: Class) -> Count {
    counts.iter().filter(|(of, ..)| *of == class).fold(Count::default(), |sum, (_, _, count)| sum.plus(count))
}

fn percent(of: u64, all: u64) -> String {
    format!("{:.1} %", of as f64 / all.max(1) as f64 * 100.0)
}
