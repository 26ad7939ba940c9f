//! Whether the programs of a scenario's arms are there, before anything is made for a run.
//!
//! They are looked for as they are started: a path that is relative counts from where leaksoak runs, a name without a `/`
//! is looked up in `PATH`. Whether this user may execute it, and this machine can, is left to its start.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::raw::RuleError;
use crate::scenario::{Arm, Strategy};

/// Refuses the first arm whose program cannot be started.
pub(super) fn are_there(arms: &[Arm]) -> Result<(), RuleError> {
    for arm in arms {
        let Strategy::Program { program } = &arm.strategy else { continue };
        let found = if program.contains('/') { at_path(program) } else { in_path(program, std::env::var_os("PATH")) };
        found.map_err(|(why, remedy)| RuleError {
            key: format!("arms.{}.program", arm.name),
            problem: format!("is {program:?}, {why}"),
            remedy,
        })?;
    }
    Ok(())
}

/// What is wrong, to be read after the value, and what to do.
type Refusal = (String, String);

const BUILD_IT: &str = "build it, or correct the path";

fn at_path(program: &str) -> Result<(), Refusal> {
    let metadata = fs::metadata(program).map_err(|error| match (error.kind(), std::env::current_dir()) {
        (io::ErrorKind::NotFound, Ok(here)) if !program.starts_with('/') => {
            (format!("which does not exist in {}, where leaksoak runs", here.display()), BUILD_IT.to_owned())
        }
        (io::ErrorKind::NotFound, _) => ("which does not exist".to_owned(), BUILD_IT.to_owned()),
        _ => (format!("which cannot be looked at: {error}"), "give the path of an executable file".to_owned()),
    })?;
    if !metadata.is_file() {
        return Err(("which is no file".to_owned(), "give the path of an executable file".to_owned()));
    }
    if !is_executable(&metadata) {
        return Err(("which is not executable".to_owned(), "allow it with `chmod +x`, or correct the path".to_owned()));
    }
    Ok(())
}

/// `path` is what the environment has under `PATH`.
fn in_path(program: &str, path: Option<OsString>) -> Result<(), Refusal> {
    // Where the environment has none, the C library looks there.
    let path = path.unwrap_or_else(|| "/bin:/usr/bin".into());
    let is_there = |directory: &Path| fs::metadata(directory.join(program)).is_ok_and(|found| is_executable(&found));
    if std::env::split_paths(&path).any(|directory| is_there(&directory)) {
        return Ok(());
    }
    let remedy = format!("a file where leaksoak runs is given as `./{program}`, any other by its path");
    Err(("which is no executable file in a directory of PATH".to_owned(), remedy))
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_slash_is_looked_up_in_path_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("my-arm");
        fs::write(&file, "").unwrap();
        let looked_up = || in_path("my-arm", Some(dir.path().into()));
        assert!(looked_up().is_err(), "it is not executable yet");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        looked_up().unwrap();
        assert!(in_path("my-arm", Some("/nonexistent".into())).is_err());
        in_path("sh", None).unwrap();
    }
}
