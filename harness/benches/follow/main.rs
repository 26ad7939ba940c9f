//! `pooled` and `hybrid` against bollard's follow stream, on a real engine: what a line costs the client, and how late it is.
//!
//! `cargo bench -p leaksoak --bench follow -- backlog`: 8 containers with 250,000 lines each, read from the beginning.
//! `cargo bench -p leaksoak --bench follow -- live`: 8 containers that print 1,000 lines a second each, for ten seconds.
//! Further words choose contenders, and a number how many turns they take, e.g. `-- live 1 bollard hybrid`.
//!
//! Every contender is a process of its own, which counts its lines, its CPU time (user and system, all threads) and, of
//! live lines, how late every 32nd came. They take turns, three times over; at the end, medians and what they are to bollard's.
//! A strategy is run whole: discovery, rotation every ten seconds, the sorting out of repeated lines. Without delivery its
//! lines go to a function, and so does not one acknowledgement: `hybrid` then has no offsets to keep. With it (`-delivering`)
//! they go to the harness's own sink, which runs in the process that compares, and a line counts once it is acknowledged.
//! bollard runs on tokio's default runtime, with timestamps as `pooled` has them. `bare` is the floor: it reads sockets on a tick of
//! ten milliseconds, and counts newlines.
//!
//! Needs a Docker engine; `hybrid` needs to read its log files, and is left out, with the reason, where it cannot.

use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;

mod bare;
mod comparison;
mod contender;
mod meter;
mod table;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Asked of a contender's process through this variable: `<contender> <mode> <run> <engine ids>`.
const ROLE: &str = "LEAKSOAK_BENCH_FOLLOW";
/// Where it finds the sink's socket, and may keep files.
const SCRATCH: &str = "LEAKSOAK_BENCH_FOLLOW_SCRATCH";

const CONTAINERS: u64 = 8;
const BACKLOG_LINES: u64 = 250_000;
const LIVE_RATE_PER_S: u64 = 1_000;

fn main() -> ExitCode {
    // The image's executable is this one, and its containers run the workload.
    if std::env::args().nth(1).as_deref() == Some("workload") {
        return leaksoak::cli::main();
    }
    let done = match std::env::var(ROLE) {
        Ok(role) => contender::contend(&role),
        Err(_) => comparison::compare(std::env::args().skip(1).filter(|argument| !argument.starts_with("--"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Backlog,
    Live,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "backlog" => Ok(Self::Backlog),
            "live" => Ok(Self::Live),
            _ => Err(format!("`{word}` is neither `backlog` nor `live`")),
        }
    }
}

/// Who follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Bollard,
    /// Sockets and a buffer: the floor under whoever follows over the API.
    Bare,
    Pooled {
        coalesced: bool,
        delivering: bool,
    },
    Hybrid {
        coalesced: bool,
        delivering: bool,
    },
}

impl Contender {
    const ALL: [Self; 8] = [
        Self::Bollard,
        Self::Bare,
        Self::Pooled { coalesced: true, delivering: false },
        Self::Pooled { coalesced: false, delivering: false },
        Self::Hybrid { coalesced: true, delivering: false },
        Self::Hybrid { coalesced: false, delivering: false },
        Self::Pooled { coalesced: true, delivering: true },
        Self::Hybrid { coalesced: true, delivering: true },
    ];

    fn name(self) -> String {
        let (strategy, coalesced, delivering) = match self {
            Self::Bollard => return "bollard".to_owned(),
            Self::Bare => return "bare".to_owned(),
            Self::Pooled { coalesced, delivering } => ("pooled", coalesced, delivering),
            Self::Hybrid { coalesced, delivering } => ("hybrid", coalesced, delivering),
        };
        let uncoalesced = if coalesced { "" } else { "-uncoalesced" };
        let delivering = if delivering { "-delivering" } else { "" };
        format!("{strategy}{uncoalesced}{delivering}")
    }

    /// The same without delivery.
    fn capturing_only(self) -> Option<Self> {
        match self {
            Self::Pooled { coalesced, delivering: true } => Some(Self::Pooled { coalesced, delivering: false }),
            Self::Hybrid { coalesced, delivering: true } => Some(Self::Hybrid { coalesced, delivering: false }),
            _ => None,
        }
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|contender| contender.name() == word).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            format!("`{word}` is no contender; they are {}", all.join(", "))
        })
    }
}
