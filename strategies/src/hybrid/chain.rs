//! The files of one rotated log: the live one, and those it was before, `.1` the newest of them.
//!
//! A rotation renames every file to the next higher number and begins a new live one; nothing else moves. It may happen
//! between any two looks at the directory, so a file is trusted to be the successor of another only when the other was
//! seen in its place both before and after the successor was opened.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Rotations that may come between two looks before the matter is left for later.
const ATTEMPTS: usize = 8;

/// Which file it is, whatever its name. Only as long as it is open, or not deleted: afterwards another may get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What follows a file that was read to its end.
#[derive(Debug)]
pub(super) enum Successor {
    /// It is the live one: more may be written to it.
    Itself,
    /// The next file.
    File(File),
    /// As before, but the file that was read is gone: files in between may be, too.
    AfterGap(File),
    /// There is none yet.
    NotYet,
}

/// The file that is read after the one of `identity`, which the caller holds open.
pub(super) fn successor(live: &Path, identity: Identity) -> io::Result<Successor> {
    for _ in 0..ATTEMPTS {
        if identity_at(live)? == Some(identity) {
            return Ok(Successor::Itself);
        }
        let numbers = rotated(live)?;
        let mut place = None;
        for &number in &numbers {
            if identity_at(&numbered(live, number))? == Some(identity) {
                place = Some(number);
            }
        }
        let Some(place) = place else {
            return Ok(oldest(live)?.map_or(Successor::NotYet, Successor::AfterGap));
        };
        let next = if place == 1 { live.to_owned() } else { numbered(live, place - 1) };
        let opened = open(&next)?;
        if identity_at(&numbered(live, place))? == Some(identity) {
            return Ok(opened.map_or(Successor::NotYet, Successor::File));
        }
    }
    Ok(Successor::NotYet)
}

/// The oldest file that is there.
pub(super) fn oldest(live: &Path) -> io::Result<Option<File>> {
    for _ in 0..ATTEMPTS {
        let numbers = rotated(live)?;
        let path = numbers.first().map_or_else(|| live.to_owned(), |&number| numbered(live, number));
        let opened = open(&path)?;
        if rotated(live)? == numbers && opened_is_at(opened.as_ref(), &path)? {
            return Ok(opened);
        }
    }
    Ok(None)
}

/// All files, the oldest first. One that is renamed while this looks may be missed or seen twice.
pub(super) fn all(live: &Path) -> io::Result<Vec<File>> {
    let paths = rotated(live)?.into_iter().map(|number| numbered(live, number)).chain([live.to_owned()]);
    paths.filter_map(|path| open(&path).transpose()).collect()
}

/// The numbers that files have, the highest first.
fn rotated(live: &Path) -> io::Result<Vec<u32>> {
    let (Some(directory), Some(name)) = (live.parent(), live.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry?.file_name();
        let number = entry.to_str().and_then(|entry| entry.strip_prefix(name)?.strip_prefix('.')?.parse().ok());
        numbers.extend(number.filter(|number: &u32| *number > 0));
    }
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

fn numbered(live: &Path, number: u32) -> PathBuf {
    let mut name = live.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Opens a file so that reading it does not change its time of access: that would write its inode at every read, since it is
/// written to meanwhile. Only its owner and root may; others read it in the ordinary way.
fn open_unmarked(path: &Path) -> io::Result<File> {
    let unmarked = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOATIME, Mode::empty());
    match unmarked {
        Ok(file) => Ok(file.into()),
        Err(Errno::PERM) => File::open(path),
        Err(error) => Err(error.into()),
    }
}

fn identity_at(path: &Path) -> io::Result<Option<Identity>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(Identity::of(&metadata))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match open_unmarked(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn opened_is_at(file: Option<&File>, path: &Path) -> io::Result<bool> {
    let identity = file.map(File::metadata).transpose()?.as_ref().map(Identity::of);
    Ok(identity_at(path)? == identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read as _;

    struct Log {
        dir: tempfile::TempDir,
        live: PathBuf,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let live = dir.path().join("abc-json.log");
            Self { dir, live }
        }

        fn write(&self, text: &str) -> (File, Identity) {
            fs::write(&self.live, text).unwrap();
            let file = File::open(&self.live).unwrap();
            let identity = Identity::of(&file.metadata().unwrap());
            (file, identity)
        }

        fn rotate(&self, keep: u32) {
            for number in (1..keep).rev() {
                let from = if number == 1 { self.live.clone() } else { numbered(&self.live, number - 1) };
                if from.exists() {
                    fs::rename(from, numbered(&self.live, number)).unwrap();
                }
            }
        }
    }

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_live_file_is_followed_by_itself() {
        let log = Log::new();
        let (_file, identity) = log.write("one");
        assert!(matches!(successor(&log.live, identity).unwrap(), Successor::Itself));
    }

    #[test]
    fn every_rotated_file_is_followed_by_the_next_newer_one() {
        let log = Log::new();
        let mut files = Vec::new();
        for name in ["one", "two", "three"] {
            files.push(log.write(name));
            log.rotate(5);
        }
        files.push(log.write("four"));
        fs::write(log.dir.path().join("abc-json.log.bak"), "no number").unwrap();
        for (at, next) in [(0, "two"), (1, "three"), (2, "four")] {
            let Successor::File(file) = successor(&log.live, files[at].1).unwrap() else { panic!("{next}") };
            assert_eq!(text(file), next);
        }
        assert_eq!(text(oldest(&log.live).unwrap().unwrap()), "one");
        assert_eq!(all(&log.live).unwrap().into_iter().map(text).collect::<Vec<_>>(), ["one", "two", "three", "four"]);
    }

    #[test]
    fn in_mid_rotation_there_is_no_successor_yet() {
        let log = Log::new();
        let (_file, identity) = log.write("one");
        log.rotate(3);
        assert!(matches!(successor(&log.live, identity).unwrap(), Successor::NotYet));
    }

    #[test]
    fn after_a_file_that_was_rotated_away_comes_the_oldest_that_is_left() {
        let log = Log::new();
        let (_held, identity) = log.write("one");
        log.rotate(2);
        let _two = log.write("two");
        log.rotate(2);
        log.write("three");
        let Successor::AfterGap(file) = successor(&log.live, identity).unwrap() else { panic!("no gap seen") };
        assert_eq!(text(file), "two");
    }

    #[test]
    fn a_log_that_is_deleted_with_its_directory_has_no_files() {
        let log = Log::new();
        let (_file, identity) = log.write("one");
        drop(log.dir);
        assert!(matches!(successor(&log.live, identity).unwrap(), Successor::NotYet));
        assert!(oldest(&log.live).unwrap().is_none());
    }
}
