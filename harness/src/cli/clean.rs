//! `leaksoak clean`: removes what dead runs left.

use super::{print, runtime};
use crate::engine::docker::Docker;
use crate::exit::{Exit, Failure};
use crate::leftovers;

pub(super) fn clean(all: bool) -> Result<Exit, Failure> {
    let directories = leftovers::local()
        .map_err(|error| Failure::environment(format!("scratch directories cannot be removed: {error}")))?;
    print(format_args!("{directories} scratch directories removed"))?;
    let (containers, images) = runtime()?
        .block_on(async {
            let engine = Docker::connect().await?;
            let containers = engine.remove_dead(all).await?;
            Ok::<_, crate::engine::EngineError>((containers, engine.remove_images_but(None).await?))
        })
        .map_err(Failure::environment)?;
    print(format_args!("{containers} containers removed"))?;
    print(format_args!("{} workload images removed", images.len()))?;
    Ok(Exit::Pass)
}
