//! How often the verdict errs: `just calibrate`.
//!
//! Judges seeded series of known classes (`classes`), each with every kind of noise (`noise`), by the rule that judges runs and by
//! what others do (`peers`), and prints the tables that stand in `docs/statistics.md`. With `--plots DIR` it draws its plots.
//! The same number of series gives the same table on every machine; a line that is not held ends it with exit code 1.

mod classes;
mod count;
mod noise;
mod peers;
mod plots;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

/// Series of each class and kind of noise: 2,100 of each class.
const SERIES: u64 = 300;

fn main() -> ExitCode {
    let mut series = SERIES;
    let mut plots = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next();
        match (arg.as_str(), &value) {
            ("--plots", Some(directory)) => plots = Some(PathBuf::from(directory)),
            ("--series", Some(count)) if count.parse::<u64>().is_ok_and(|count| count > 0) => {
                series = count.parse().unwrap_or(SERIES);
            }
            _ => {
                eprintln!("usage: calibrate [--series N] [--plots DIR]");
                return ExitCode::from(2);
            }
        }
    }
    if let Some(directory) = plots
        && let Err(error) = plots::draw(&directory)
    {
        eprintln!("error: {}: {error}", directory.display());
        return ExitCode::from(5);
    }
    let counts = count::all(series);
    println!(
        "{}\n{}\n{}",
        table::by_class(&counts),
        table::by_noise(&counts),
        table::by_rate(&count::by_rate(series / 4 + 1))
    );
    let broken = table::broken(&counts);
    for line in &broken {
        eprintln!("not held: {line}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
