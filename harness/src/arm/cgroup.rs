//! A cgroup per arm: its memory limit, and the kernel's own count of OOM kills in it.
//!
//! Version 1 (`memory` controller) and version 2 are both spoken; a cgroup is made below the harness's own (v1), or beside
//! it where memory is delegated (v2). Where none
//! can be made (no privilege, a read-only mount, a controller not delegated) the arm runs without a memory limit, and
//! the caller is told why. Source: Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";
/// Of version 2: the controllers that a cgroup's children have.
const SUBTREE_CONTROL: &str = "cgroup.subtree_control";
/// Begins the name of every cgroup of ours; the run's id follows.
const PREFIX: &str = "leaksoak-";

/// Which cgroup interface this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy per controller.
    V1,
    /// The unified hierarchy.
    V2,
}

/// Where a run's cgroups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    version: Version,
    /// The harness's own cgroup.
    base: PathBuf,
}

/// One arm's cgroup. It is removed by [`remove`](Self::remove), when the arm has ended.
#[derive(Debug)]
pub struct Cgroup {
    version: Version,
    dir: PathBuf,
}

impl Hierarchy {
    /// The memory hierarchy that this process lives in; `None`: there is no cgroup mount.
    #[must_use]
    pub fn find() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::from(Path::new(MOUNT), &own)
    }

    /// `own`: the text of /proc/self/cgroup, see cgroups(7).
    fn from(mount: &Path, own: &str) -> Option<Self> {
        let below = |mount: &Path, path: &str| {
            let dir = mount.join(path.trim_start_matches('/'));
            // In a container the path is that of the host, which the mount here begins below.
            if dir.is_dir() { dir } else { mount.to_owned() }
        };
        let path_of = |wanted: &str| {
            own.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                controllers.split(',').any(|controller| controller == wanted).then_some(path)
            })
        };
        let v1 = mount.join("memory");
        if v1.join("memory.limit_in_bytes").exists() || v1.join("memory.oom_control").exists() {
            return Some(Self { version: Version::V1, base: below(&v1, path_of("memory")?) });
        }
        mount.join("cgroup.controllers").exists().then(|| {
            let own = below(mount, path_of("").unwrap_or("/"));
            Self { version: Version::V2, base: delegating(&own, mount).unwrap_or(own) }
        })
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Makes the cgroup of `arm` in `run`, with a memory limit.
    ///
    /// # Errors
    /// It cannot be made or limited; nothing is left behind.
    pub fn create(&self, run: &str, arm: &str, memory_bytes: u64) -> io::Result<Cgroup> {
        let run_dir = self.base.join(format!("{PREFIX}{run}"));
        make_dir(&run_dir)?;
        if self.version == Version::V2 {
            let control = run_dir.join(SUBTREE_CONTROL);
            fs::write(&control, "+memory").map_err(|error| {
                // What could be made is taken back; the error that matters is this one.
                let _ = fs::remove_dir(&run_dir);
                io::Error::new(error.kind(), format!("{}: {error}", control.display()))
            })?;
        }
        let cgroup = Cgroup { version: self.version, dir: run_dir.join(arm) };
        let limited = make_dir(&cgroup.dir)
            .and_then(|()| fs::write(cgroup.dir.join(cgroup.limit_file()), memory_bytes.to_string()));
        if let Err(error) = limited {
            // What could be made is taken back; the error that matters is the first.
            let _ = cgroup.remove();
            return Err(io::Error::new(error.kind(), format!("{}: {error}", cgroup.dir.display())));
        }
        Ok(cgroup)
    }

    /// Removes the cgroups of `run` that no process is in.
    pub fn remove_run(&self, run: &str) {
        let run_dir = self.base.join(format!("{PREFIX}{run}"));
        for entry in fs::read_dir(&run_dir).into_iter().flatten().flatten() {
            // Refused by the kernel while a process is in it, which is right.
            let _ = fs::remove_dir(entry.path());
        }
        let _ = fs::remove_dir(&run_dir);
    }
}

impl Cgroup {
    /// The file that a process joins by writing `0` into it.
    #[must_use]
    pub fn procs_file(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// OOM kills in it so far; `None` on a kernel that does not count them (v1 before Linux 4.13).
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        oom_kills_in(&fs::read_to_string(self.dir.join(file)).ok()?)
    }

    /// Removes it.
    ///
    /// # Errors
    /// A process is still in it.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(run_dir) = self.dir.parent() {
            // The last arm's removal succeeds.
            let _ = fs::remove_dir(run_dir);
        }
        Ok(())
    }

    fn limit_file(&self) -> &'static str {
        match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        }
    }
}

/// The nearest of `own` and its ancestors below `mount` whose children have the memory controller. Version 2 lets a
/// cgroup either hold processes or pass controllers on, so it is hardly ever the harness's own.
fn delegating(own: &Path, mount: &Path) -> Option<PathBuf> {
    let passes_on = |dir: &Path| {
        fs::read_to_string(dir.join(SUBTREE_CONTROL))
            .is_ok_and(|controllers| controllers.split_ascii_whitespace().any(|controller| controller == "memory"))
    };
    own.ancestors().take_while(|dir| dir.starts_with(mount)).find(|dir| passes_on(dir)).map(Path::to_owned)
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(io::Error::new(error.kind(), format!("{}: {error}", dir.display())))
        }
        _ => Ok(()),
    }
}

/// Both files have a line `oom_kill <count>`. Not `failcnt` or `max`: those count hits of the limit, which reclaim may answer.
fn oom_kills_in(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|count| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oom_kills_are_read_from_both_versions() {
        assert_eq!(oom_kills_in("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(oom_kills_in("low 0\nhigh 0\nmax 17\noom 2\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(oom_kills_in("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn a_cgroup_is_made_below_the_harness_s_own() {
        let mount = tempfile::tempdir().unwrap();
        let own = mount.path().join("memory/user/me");
        fs::create_dir_all(&own).unwrap();
        fs::write(mount.path().join("memory/memory.oom_control"), "").unwrap();
        let hierarchy = Hierarchy::from(mount.path(), "4:cpu:/\n3:memory:/user/me\n0::/unified\n").unwrap();
        assert_eq!((hierarchy.version, &hierarchy.base), (Version::V1, &own));
        let cgroup = hierarchy.create("r1-2-3", "pooled", 1 << 20).unwrap();
        assert_eq!(fs::read_to_string(own.join("leaksoak-r1-2-3/pooled/memory.limit_in_bytes")).unwrap(), "1048576");
        assert_eq!(cgroup.procs_file(), own.join("leaksoak-r1-2-3/pooled/cgroup.procs"));
    }

    #[test]
    fn the_unified_hierarchy_is_found_by_its_own_line() {
        let mount = tempfile::tempdir().unwrap();
        fs::write(mount.path().join("cgroup.controllers"), "cpu memory").unwrap();
        fs::create_dir_all(mount.path().join("a.slice/b.scope")).unwrap();
        fs::write(mount.path().join("a.slice").join(SUBTREE_CONTROL), "cpu memory\n").unwrap();
        fs::write(mount.path().join("a.slice/b.scope").join(SUBTREE_CONTROL), "").unwrap();
        let hierarchy = Hierarchy::from(mount.path(), "0::/a.slice/b.scope\n").unwrap();
        // The scope holds the harness: its children could not have the controller.
        assert_eq!((hierarchy.version, hierarchy.base), (Version::V2, mount.path().join("a.slice")));
    }

    #[test]
    fn without_a_mount_there_is_none() {
        let mount = tempfile::tempdir().unwrap();
        assert_eq!(Hierarchy::from(mount.path(), "0::/\n"), None);
    }
}
