//! What a process holds open, by kind and target: read at checkpoints only, since it costs a `readlink` per FD.

use std::collections::BTreeMap;

use procfs::process::{FDTarget, Process};

use super::unix_sockets::UnixSockets;

/// Groups kept per process; what is in smaller ones is summed per kind with the target `(others)`.
const MAX_GROUPS: usize = 40;

/// Kind and target of some descriptors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// `socket`, `file`, `deleted`, `inotify`, `eventpoll`, `eventfd`, `pipe`, `device`, `other`.
    pub kind: &'static str,
    /// Path of a file, of a socket's other end; empty where it has none.
    pub target: String,
}

/// The descriptors of `process`, counted by group, the largest first.
///
/// # Errors
/// Its links cannot be read: another user's process, or one that is gone.
pub fn read(process: &Process, sockets: &UnixSockets) -> procfs::ProcResult<Vec<(Group, u64)>> {
    let mut groups = BTreeMap::<Group, u64>::new();
    // A descriptor that was closed between the listing and the reading is not held.
    for fd in process.fd()?.flatten() {
        *groups.entry(group(&fd.target, sockets)).or_default() += 1;
    }
    Ok(largest(groups))
}

fn largest(groups: BTreeMap<Group, u64>) -> Vec<(Group, u64)> {
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    let mut others = BTreeMap::<&'static str, u64>::new();
    for (group, count) in groups.drain(MAX_GROUPS.min(groups.len())..) {
        *others.entry(group.kind).or_default() += count;
    }
    groups.extend(others.into_iter().map(|(kind, count)| (Group { kind, target: "(others)".into() }, count)));
    groups
}

fn group(target: &FDTarget, sockets: &UnixSockets) -> Group {
    let (kind, target) = match target {
        FDTarget::Path(path) => {
            let path = path.to_string_lossy();
            match path.strip_suffix(" (deleted)") {
                Some(path) => ("deleted", path.to_owned()),
                None if path.starts_with("/dev/") => ("device", path.into_owned()),
                None => ("file", path.into_owned()),
            }
        }
        FDTarget::Socket(inode) => ("socket", sockets.name_of(*inode).unwrap_or_default().to_owned()),
        FDTarget::Pipe(_) => ("pipe", String::new()),
        FDTarget::AnonInode(name) => match name.trim_matches(['[', ']']) {
            "inotify" => ("inotify", String::new()),
            "eventpoll" => ("eventpoll", String::new()),
            "eventfd" => ("eventfd", String::new()),
            name => ("other", name.to_owned()),
        },
        FDTarget::Net(_) => ("other", "net namespace".into()),
        FDTarget::MemFD(name) => ("other", format!("memfd {name}")),
        FDTarget::Other(name, _) | FDTarget::Unknown(name, _) => ("other", name.clone()),
    };
    Group { kind, target }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn open_and_deleted_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, gone) = (dir.path().join("kept"), dir.path().join("gone"));
        let held = [File::create(&kept).unwrap(), File::create(&gone).unwrap(), File::open(&gone).unwrap()];
        std::fs::remove_file(&gone).unwrap();
        let groups = read(&Process::myself().unwrap(), &UnixSockets::default()).unwrap();
        let count = |kind, path: &std::path::Path| {
            groups
                .iter()
                .find(|(group, _)| group.kind == kind && group.target == path.to_string_lossy())
                .map(|(_, count)| *count)
        };
        assert_eq!((count("file", &kept), count("deleted", &gone)), (Some(1), Some(2)));
        drop(held);
    }

    #[test]
    fn small_groups_are_summed_per_kind() {
        let groups = (0..60).map(|i| (Group { kind: "file", target: format!("/f{i:02}") }, 1)).collect();
        let kept = largest(groups);
        assert_eq!(kept.len(), MAX_GROUPS + 1);
        assert_eq!(kept.last().map(|(group, count)| (group.target.as_str(), *count)), Some(("(others)", 20)));
    }
}
