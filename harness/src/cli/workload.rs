//! `leaksoak workload`: what runs in a disposable container.

use super::WorkloadArgs;
use crate::exit::{Exit, Failure};
use crate::workload::Workload;
use crate::workload::pace::Pace;

pub(super) fn workload(args: WorkloadArgs) -> Result<Exit, Failure> {
    let pace = match (args.rate, args.burst, args.every, args.silent) {
        (Some(rate), None, _, false) => Pace::steady(rate.per_second()),
        (None, Some(burst), Some(every), false) => Pace::Bursty { burst: u64::from(burst), every: every.as_duration() },
        (None, None, _, true) => Pace::Silent,
        _ => return Err(Failure::usage("one of --rate, --burst with --every, --silent is needed")),
    };
    let line_bytes = args.line_bytes.map_or(0, |bytes| usize::try_from(bytes.get()).unwrap_or(usize::MAX));
    Workload { container: args.container, pace, line_bytes }.run().map_err(Failure::environment)?;
    Ok(Exit::Pass)
}
