//! Up to where each container's log was delivered, kept in a file across restarts of the arm.
//!
//! The file is replaced as a whole (written beside, then renamed), so that whatever kills the arm leaves the old one or
//! the new one. It is not synced to disk: after a power failure it may be older, and lines arrive again.
//!
//! A file that cannot be used (not JSON, another version) is put aside, and reading begins at the beginning: lines that
//! arrive twice are better than lines that do not arrive.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::Identity;

/// Bytes at a file's beginning by which it is recognised; an inode alone is used again once its file is deleted.
pub(super) const HEAD_BYTES: usize = 256;

const VERSION: u32 = 1;

/// A place in a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    pub(super) file: Identity,
    pub(super) offset: u64,
    pub(super) fingerprint: Fingerprint,
}

/// A hash of the first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fingerprint {
    /// How many bytes; at most [`HEAD_BYTES`].
    pub(super) bytes: usize,
    hash: u64,
}

impl Fingerprint {
    /// Of the first `bytes` bytes of `head`, or of all when it is shorter.
    pub(super) fn of(head: &[u8], bytes: usize) -> Self {
        let head = &head[..head.len().min(bytes)];
        // FNV-1a, 64 bits: stable across versions of Rust, which the standard library's hasher is not.
        let hash = head
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Self { bytes: head.len(), hash }
    }
}

#[derive(Debug)]
pub(super) struct Offsets {
    path: PathBuf,
    saved: Saved,
    changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    /// By container id.
    containers: BTreeMap<String, Position>,
}

impl Default for Saved {
    fn default() -> Self {
        Self { version: VERSION, containers: BTreeMap::new() }
    }
}

impl Offsets {
    /// Reads the file, if there is one.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        let saved = match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Saved::default(),
            Err(error) => return Err(error),
            Ok(bytes) => match usable(&bytes) {
                Ok(saved) => saved,
                Err(problem) => {
                    let aside = path.with_extension("unusable");
                    std::fs::rename(path, &aside)?;
                    crate::log::say(
                        crate::log::Level::Warn,
                        format_args!(
                            "{}: {problem}; it is now {}, and all logs are read from the beginning",
                            path.display(),
                            aside.display()
                        ),
                    );
                    Saved::default()
                }
            },
        };
        Ok(Self { path: path.to_owned(), saved, changed: false })
    }

    pub(super) fn get(&self, container: &str) -> Option<Position> {
        self.saved.containers.get(container).copied()
    }

    pub(super) fn set(&mut self, container: &str, position: Position) {
        match self.saved.containers.get_mut(container) {
            Some(old) if *old == position => return,
            Some(old) => *old = position,
            None => {
                self.saved.containers.insert(container.to_owned(), position);
            }
        }
        self.changed = true;
    }

    pub(super) fn remove(&mut self, container: &str) {
        self.changed |= self.saved.containers.remove(container).is_some();
    }

    /// Replaces the file, if anything has changed since.
    pub(super) fn save(&mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec(&self.saved)?)?;
        std::fs::rename(&beside, &self.path)?;
        self.changed = false;
        Ok(())
    }
}

fn usable(bytes: &[u8]) -> Result<Saved, String> {
    let saved: Saved = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if saved.version == VERSION { Ok(saved) } else { Err(format!("version {}, not {VERSION}", saved.version)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(offset: u64) -> Position {
        Position {
            file: Identity { device: 1, inode: 2 },
            offset,
            fingerprint: Fingerprint::of(b"{\"log\":\"a\\n\"}", HEAD_BYTES),
        }
    }

    #[test]
    fn what_was_saved_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("offsets.json");
        let mut offsets = Offsets::load(&path).unwrap();
        offsets.set("a", position(7));
        offsets.set("b", position(8));
        offsets.remove("b");
        offsets.save().unwrap();
        let read_back = Offsets::load(&path).unwrap();
        assert_eq!((read_back.get("a"), read_back.get("b")), (Some(position(7)), None));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("offsets.json");
        let mut offsets = Offsets::load(&path).unwrap();
        offsets.set("a", position(7));
        offsets.save().unwrap();
        std::fs::remove_file(&path).unwrap();
        offsets.set("a", position(7));
        offsets.save().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn an_unusable_file_is_put_aside() {
        for content in ["{\"version\":1,\"contai", "{\"version\":99,\"containers\":{}}"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("offsets.json");
            std::fs::write(&path, content).unwrap();
            let offsets = Offsets::load(&path).unwrap();
            assert_eq!(offsets.get("a"), None);
            assert_eq!(std::fs::read_to_string(dir.path().join("offsets.unusable")).unwrap(), content);
        }
    }

    #[test]
    fn a_fingerprint_is_of_the_bytes_that_were_there_then() {
        assert_eq!(Fingerprint::of(b"abc", 2), Fingerprint::of(b"abd", 2));
        assert_ne!(Fingerprint::of(b"abc", 3), Fingerprint::of(b"abd", 3));
        assert_ne!(Fingerprint::of(b"", HEAD_BYTES), Fingerprint::of(b"\0", HEAD_BYTES));
    }
}
