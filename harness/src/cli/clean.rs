//! `leaksoak clean`: removes what dead runs left.

use leaksoak_reports::words::counted;

use super::{print, runtime};
use crate::engine::EngineError;
use crate::engine::docker::Docker;
use crate::exit::{Exit, Failure};
use crate::leftovers;

pub(super) fn clean(all: bool) -> Result<Exit, Failure> {
    let directories = leftovers::local()
        .map_err(|error| Failure::environment(format!("scratch directories cannot be removed: {error}")))?;
    print(format_args!(
        "{directories} scratch {} removed",
        if directories == 1 { "directory" } else { "directories" }
    ))?;
    let removed = runtime()?.block_on(async {
        let engine = Docker::connect().await?;
        let containers = engine.remove_dead(all).await?;
        Ok((containers, engine.remove_images_but(None).await?))
    });
    match removed {
        Ok((containers, images)) => {
            print(format_args!("{} removed", counted(containers as u64, "container")))?;
            print(format_args!("{} removed", counted(images.len() as u64, "workload image")))?;
        }
        // What an embedded engine had went with it.
        Err(EngineError::Unreachable { address, reason, .. }) => {
            print(format_args!("no Docker engine at {address} ({reason}): no containers to remove"))?;
        }
        Err(error) => return Err(Failure::environment(error)),
    }
    Ok(Exit::Pass)
}
