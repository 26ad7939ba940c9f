//! `leaksoak workload`: what runs in a disposable container.

use crate::exit::{Exit, Failure};
use crate::workload::arguments::Arguments;
use crate::workload::{Ended, Workload};

pub(super) fn workload(arguments: Arguments) -> Result<Exit, Failure> {
    let workload = Workload::try_from(arguments).map_err(Failure::usage)?;
    match workload.run().map_err(Failure::environment)? {
        Ended::Code(0) => Ok(Exit::Pass),
        Ended::Code(code) => std::process::exit(code.into()),
        Ended::Crash => std::process::abort(),
    }
}
