//! The command line: words in, exit code out. Errors are formatted here and nowhere else.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use leaksoak_scenarios::Span;

use crate::engine::choice::Choice;
use crate::exit::{Exit, Failure};
use crate::workload::arguments::Arguments;

mod analyze;
mod check;
mod clean;
mod compare;
mod dlq;
mod doctor;
mod engine;
mod report;
mod run;
mod scenarios;
mod workload;

/// Soak-test container-log agents side by side, and say with evidence which of them leaks.
#[derive(Debug, Parser)]
#[command(name = "leaksoak", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Without a command: leaksoak run smoke

Exit codes: 0 pass, 1 fail, 2 usage or scenario error, 3 inconclusive, 4 invalid,
            5 environment (no engine, no permission, no space), 130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario and judge it
    Run(RunArgs),
    /// Make the reports of a run directory again, from its records alone
    Report {
        /// The run directory
        directory: PathBuf,
        /// Print the verdict as JSON
        #[arg(long)]
        json: bool,
    },
    /// Judge the growth of any time series in a CSV file as that of a run is judged
    #[command(after_help = analyze::HELP)]
    Analyze(analyze::AnalyzeArgs),
    /// Compare two runs, arm by arm: is B worse than A?
    #[command(after_help = compare::HELP)]
    Compare {
        /// The run directory of the run before
        #[arg(value_name = "RUN_A")]
        a: PathBuf,
        /// The run directory of the run after
        #[arg(value_name = "RUN_B")]
        b: PathBuf,
        /// The least effect that counts as a regression, in percent of the value in A; of growth and loss, of their limit if that is more
        #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = compare::percent, allow_negative_numbers = true)]
        min_effect: f64,
        /// Print the comparison as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the built-in scenarios, or print one
    Scenarios {
        /// Print this one's TOML
        name: Option<String>,
    },
    /// Check a scenario and say what it would run, without running it
    Check {
        /// A scenario file, or the name of a built-in one
        scenario: String,
        #[command(flatten)]
        overrides: OverrideArgs,
    },
    /// Remove what dead runs left: containers, images, cgroups, scratch files
    Clean {
        /// Also remove the containers of runs that live, and of other machines
        #[arg(long)]
        all: bool,
    },
    /// Lines that the arms of a run could not deliver: show them, deliver them, drop them
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Say what will and what will not work on this machine
    Doctor,
    /// Serve the embedded engine by itself, for any Docker client
    Engine(engine::EngineArgs),
    /// Print a shell completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// What runs in a disposable container
    #[command(hide = true)]
    Workload(Arguments),
    /// What runs as an arm
    #[command(hide = true)]
    Arm {
        /// The arm's instructions
        #[arg(long)]
        config: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// Say how many dead letters each arm has, and why
    List {
        #[command(flatten)]
        args: DlqArgs,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Deliver them to the run's sink while the run lives, or to another; what is refused again is kept
    Replay {
        #[command(flatten)]
        args: DlqArgs,
        /// Deliver to the sink on this Unix socket
        #[arg(long, value_name = "SOCKET")]
        sink: Option<PathBuf>,
    },
    /// Remove them
    Drop {
        #[command(flatten)]
        args: DlqArgs,
    },
}

#[derive(Debug, Args)]
struct DlqArgs {
    /// The run directory
    directory: PathBuf,
    /// Only this arm's (may be repeated)
    #[arg(long = "arm", value_name = "NAME")]
    arms: Vec<String>,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The name of a built-in scenario (see `leaksoak scenarios`), or a TOML file
    #[arg(default_value = "smoke")]
    scenario: String,
    /// What runs the containers
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto)]
    engine: EngineChoice,
    #[command(flatten)]
    overrides: OverrideArgs,
    /// The run directory itself; it must not exist, or be empty [default: leaksoak-runs/<scenario>-<UTC time>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the verdict as JSON on standard output; progress goes to standard error
    #[arg(long)]
    json: bool,
    /// Print nothing but errors and, with --json, the verdict
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args, Default)]
struct OverrideArgs {
    /// Measure for this long, e.g. 90s, 30m, 48h; warm-up and checkpoints scale with it unless they are set too
    #[arg(long, value_name = "TIME")]
    duration: Option<Span>,
    /// Run this many containers, in the scenario's mix
    #[arg(long, value_name = "N")]
    containers: Option<u32>,
    /// Run only this arm (may be repeated)
    #[arg(long = "arm", value_name = "NAME")]
    arms: Vec<String>,
    /// Set any key of the scenario, e.g. arms.naive.expect=pass (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// What runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineChoice {
    /// The Docker engine, if one answers, else the embedded one
    Auto,
    /// The Docker engine at `DOCKER_HOST` (unix:// or tcp://) or the default socket
    Docker,
    /// leaksoak's own, which needs nothing installed
    Embedded,
}

impl From<EngineChoice> for Choice {
    fn from(choice: EngineChoice) -> Self {
        match choice {
            EngineChoice::Auto => Self::Auto,
            EngineChoice::Docker => Self::Docker,
            EngineChoice::Embedded => Self::Embedded,
        }
    }
}

impl From<OverrideArgs> for leaksoak_scenarios::Overrides {
    fn from(args: OverrideArgs) -> Self {
        Self { set: args.set, duration: args.duration, containers: args.containers, arms: args.arms }
    }
}

/// Reads the command line, does what it says, and tells how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let done = match command {
        None => run::run(RunArgs {
            scenario: "smoke".into(),
            engine: EngineChoice::Auto,
            overrides: OverrideArgs::default(),
            out: None,
            json: false,
            quiet: false,
        }),
        Some(Command::Run(args)) => run::run(args),
        Some(Command::Report { directory, json }) => report::report(&directory, json),
        Some(Command::Analyze(args)) => analyze::analyze(&args),
        Some(Command::Compare { a, b, min_effect, json }) => compare::compare(&a, &b, min_effect, json),
        Some(Command::Scenarios { name }) => scenarios::scenarios(name.as_deref()),
        Some(Command::Check { scenario, overrides }) => check::check(&scenario, overrides),
        Some(Command::Clean { all }) => clean::clean(all),
        Some(Command::Dlq { command }) => dlq::dlq(command),
        Some(Command::Doctor) => doctor::doctor(),
        Some(Command::Engine(args)) => engine::engine(&args),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "leaksoak", &mut script);
            print(String::from_utf8_lossy(&script).trim_end()).map(|()| Exit::Pass)
        }
        Some(Command::Workload(args)) => workload::workload(args),
        Some(Command::Arm { config }) => Ok(arm(&config)),
    };
    match done {
        Ok(exit) => exit.code(),
        Err(Failure { exit, message }) => {
            // Where nobody reads that, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "error: {message}");
            exit.code()
        }
    }
}

/// The process of one arm. The host tells its errors itself: they are the last words that the run keeps of it.
fn arm(config: &std::path::Path) -> Exit {
    leaksoak_strategies::host::run(config).map_or(Exit::Fail, |()| Exit::Pass)
}

/// Prints a line to standard output. A reader that has gone (`| head`) is no error.
fn print(text: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::environment(format!("standard output cannot be written to: {error}")))
        }
        _ => Ok(()),
    }
}

/// A runtime of one thread: the arms die with the thread that started them, and the harness stays small.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::environment(format!("the async runtime cannot be started: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
