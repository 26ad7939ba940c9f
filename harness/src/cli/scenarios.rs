//! `leaksoak scenarios`: what can be run by name.

use leaksoak_scenarios::catalog;

use super::print;
use crate::exit::{Exit, Failure};

pub(super) fn scenarios(name: Option<&str>) -> Result<Exit, Failure> {
    let entries = catalog::entries();
    let Some(name) = name else {
        for entry in entries {
            print(format_args!("{:<14} {}", entry.name, entry.about))?;
        }
        print("\nleaksoak scenarios NAME prints one; leaksoak run FILE.toml runs your own.")?;
        return Ok(Exit::Pass);
    };
    match entries.iter().find(|entry| entry.name == name) {
        Some(entry) => print(entry.toml.trim_end())?,
        // Loading it says what is wrong with the name, in the same words as `run`.
        None => {
            return Err(leaksoak_scenarios::load(name, &leaksoak_scenarios::Overrides::default())
                .map_or_else(Failure::usage, |_| {
                    Failure::usage(format!("{name} is a file, and not in the catalogue"))
                }));
        }
    }
    Ok(Exit::Pass)
}
