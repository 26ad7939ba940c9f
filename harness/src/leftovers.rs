//! What dead runs left: found by their labels and names, and removed at the start of the next run or by `leaksoak clean`.
//!
//! Only what names a run whose owner is dead is touched (see [`crate::owner`]): scratch directories and
//! cgroups by name, and the inotify limit that such a run had raised. Containers are found by label, in
//! [`Docker::remove_dead`](crate::engine::docker::Docker::remove_dead).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::arm::cgroup::Hierarchy;
use crate::inotify_limit;
use crate::owner::RunId;
use crate::plan::SCRATCH_PREFIX;

/// Removes the scratch directories and cgroups of dead runs; answers how many directories.
///
/// # Errors
/// The temporary directory cannot be listed, or what belongs to this user there not removed.
pub fn local() -> io::Result<usize> {
    let hierarchy = Hierarchy::find();
    let mut removed = 0;
    for (run, path) in scratch_dirs()? {
        if run.is_alive() {
            continue;
        }
        inotify_limit::restore_left(&path)?;
        if let Some(hierarchy) = &hierarchy {
            hierarchy.remove_run(&run.to_string());
        }
        fs::remove_dir_all(&path)?;
        removed += 1;
    }
    Ok(removed)
}

/// The scratch directories of this user's runs, dead or alive. What another user left is that user's to remove, and
/// nobody else's file says what a limit is set to.
///
/// # Errors
/// The temporary directory cannot be listed.
pub fn scratch_dirs() -> io::Result<Vec<(RunId, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(std::env::temp_dir())? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(run) = name.to_str().and_then(|name| name.strip_prefix(SCRATCH_PREFIX)?.parse::<RunId>().ok()) else {
            continue;
        };
        // An entry that goes while it is looked at belongs to a run that ends.
        let ours = entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == rustix::process::geteuid().as_raw());
        if ours {
            found.push((run, entry.path()));
        }
    }
    Ok(found)
}
