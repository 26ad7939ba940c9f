//! A workload as a command line, which is how an engine is told what to run.

use std::num::NonZeroU64;

use clap::Args;
use leaksoak_scenarios::{Bytes, Rate, Span};

use super::pace::Pace;
use super::{End, Workload};

/// The flags of `leaksoak workload`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[arg(long)]
    container: String,
    #[arg(long, conflicts_with_all = ["burst", "silent"])]
    rate: Option<Rate>,
    #[arg(long, requires = "every")]
    burst: Option<u32>,
    #[arg(long)]
    every: Option<Span>,
    #[arg(long, conflicts_with = "burst")]
    silent: bool,
    #[arg(long)]
    line_bytes: Option<Bytes>,
    /// Every so many-th line goes to standard error
    #[arg(long, value_name = "K")]
    stderr_every: Option<u64>,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
    /// End with this code
    #[arg(long, value_name = "CODE", default_value_t = 0)]
    exit_code: u8,
    /// End by SIGABRT after the lines, without a final one
    #[arg(long, requires = "lines", conflicts_with = "exit_code")]
    crash: bool,
}

impl TryFrom<Arguments> for Workload {
    type Error = &'static str;

    fn try_from(args: Arguments) -> Result<Self, Self::Error> {
        let pace = match (args.rate, args.burst, args.every, args.silent) {
            (Some(rate), None, _, false) => Pace::steady(rate.per_second()),
            (None, Some(burst), Some(every), false) => {
                Pace::Bursty { burst: u64::from(burst), every: every.as_duration() }
            }
            (None, None, _, true) => Pace::Silent,
            _ => return Err("one of --rate, --burst with --every, --silent is needed"),
        };
        Ok(Self {
            container: args.container,
            pace,
            line_bytes: args.line_bytes.map_or(0, |bytes| usize::try_from(bytes.get()).unwrap_or(usize::MAX)),
            stderr_every: args.stderr_every.and_then(NonZeroU64::new),
            lines: args.lines,
            end: if args.crash { End::Crash } else { End::Code(args.exit_code) },
        })
    }
}
