//! Up to where each container's log was delivered, kept in a file across restarts of the arm.
//!
//! The file is replaced as a whole (written beside, then renamed), so that whatever kills the arm leaves the old one or
//! the new one. What changes with a batch is appended to a [`journal`] beside it, until that has grown to
//! [`JOURNAL_BYTES`]. Neither is synced to disk: after a power failure they may be older, and lines arrive again.
//!
//! A file that cannot be used (not JSON, another version) is put aside, and reading begins at the beginning: lines that
//! arrive twice are better than lines that do not arrive.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::chain::Identity;
use journal::{Journal, Number};

mod journal;

/// Bytes at a file's beginning by which it is recognised; an inode alone is used again once its file is deleted.
pub(super) const HEAD_BYTES: usize = 256;

const VERSION: u32 = 2;

/// The journal's length at which the file is replaced: that of the file itself for a thousand containers.
const JOURNAL_BYTES: usize = 256 << 10;

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

/// The positions, as they are and as far as they are saved.
#[derive(Debug)]
pub(super) struct Offsets {
    path: PathBuf,
    kept: BTreeMap<String, Kept>,
    journal: Journal,
    /// Containers whose position is not saved yet, or that are gone since; one may be in it more than once.
    changed: Vec<String>,
}

#[derive(Debug)]
struct Kept {
    position: Position,
    saved: bool,
    number: Option<Number>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    /// What the journal that continues this calls it.
    generation: u64,
    /// By container id.
    containers: BTreeMap<String, Position>,
}

impl Offsets {
    /// Reads the file, if there is one, and what continues it.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        let journal = Journal::at(journal::beside(path));
        let mut positions = BTreeMap::new();
        match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(bytes) => match usable(&bytes) {
                Ok(saved) => {
                    positions = saved.containers;
                    journal.replay(saved.generation, |container, position| {
                        match position {
                            Some(position) => positions.insert(container.to_owned(), position),
                            None => positions.remove(container),
                        };
                    })?;
                }
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
                }
            },
        }
        let kept = |(id, position)| (id, Kept { position, saved: true, number: None });
        let kept = positions.into_iter().map(kept).collect();
        Ok(Self { path: path.to_owned(), kept, journal, changed: Vec::new() })
    }

    pub(super) fn get(&self, container: &str) -> Option<Position> {
        self.kept.get(container).map(|kept| kept.position)
    }

    pub(super) fn set(&mut self, container: &str, position: Position) {
        match self.kept.get_mut(container) {
            Some(kept) if kept.position == position => return,
            Some(kept) => {
                kept.position = position;
                if !std::mem::replace(&mut kept.saved, false) {
                    return;
                }
            }
            None => {
                self.kept.insert(container.to_owned(), Kept { position, saved: false, number: None });
            }
        }
        self.changed.push(container.to_owned());
    }

    pub(super) fn remove(&mut self, container: &str) {
        if self.kept.remove(container).is_some() {
            self.changed.push(container.to_owned());
        }
    }

    /// Saves what has changed since. After an error it is still to be saved.
    pub(super) fn save(&mut self) -> io::Result<()> {
        if self.changed.is_empty() {
            return Ok(());
        }
        if self.journal.goes_on(JOURNAL_BYTES) { self.save_changes() } else { self.save_whole() }
    }

    #[cfg(test)]
    fn journal_bytes(&self) -> usize {
        self.journal.written_bytes()
    }

    fn save_changes(&mut self) -> io::Result<()> {
        for container in &self.changed {
            match self.kept.get_mut(container) {
                Some(kept) if kept.saved => {}
                Some(kept) => {
                    kept.number = Some(self.journal.note(container, kept.position, kept.number)?);
                    kept.saved = true;
                }
                None => self.journal.note_gone(container)?,
            }
        }
        // What could not be written is saved with the next whole: the journal does not go on.
        self.journal.write()?;
        self.changed.clear();
        Ok(())
    }

    /// Replaces the file, and begins the journal behind it.
    fn save_whole(&mut self) -> io::Result<()> {
        // Unlike any before it, so that a journal that continues another is known as such.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let generation = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
        let containers = self.kept.iter().map(|(id, kept)| (id.clone(), kept.position)).collect();
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec(&Saved { version: VERSION, generation, containers })?)?;
        std::fs::rename(&beside, &self.path)?;
        for kept in self.kept.values_mut() {
            (kept.saved, kept.number) = (true, None);
        }
        self.changed.clear();
        self.journal.begin(generation)
    }
}

fn usable(bytes: &[u8]) -> Result<Saved, String> {
    let saved: Saved = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if saved.version == VERSION { Ok(saved) } else { Err(format!("version {}, not {VERSION}", saved.version)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(offset: u64) -> Position {
        Position {
            file: Identity { device: 1, inode: 2 },
            offset,
            fingerprint: Fingerprint::of(b"{\"log\":\"a\\n\"}", HEAD_BYTES),
        }
    }

    fn elsewhere(offset: u64) -> Position {
        Position { file: Identity { device: 1, inode: 3 }, ..position(offset) }
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("offsets.json");
        (dir, path)
    }

    fn all(path: &Path) -> Vec<(String, Position)> {
        Offsets::load(path).unwrap().kept.into_iter().map(|(id, kept)| (id, kept.position)).collect()
    }

    fn kept(pairs: &[(&str, Position)]) -> Vec<(String, Position)> {
        pairs.iter().map(|(id, position)| ((*id).to_owned(), *position)).collect()
    }

    #[test]
    fn what_was_saved_is_read_back() {
        let (dir, path) = place();
        let mut offsets = Offsets::load(&path).unwrap();
        for (offset, b) in [(7, position(8)), (9, position(10)), (11, elsewhere(3)), (12, elsewhere(4))] {
            offsets.set("a", position(offset));
            offsets.set("b", b);
            offsets.save().unwrap();
            assert_eq!(all(&path), kept(&[("a", position(offset)), ("b", b)]));
        }
        offsets.remove("b");
        offsets.set("c", position(1));
        offsets.save().unwrap();
        assert_eq!(all(&path), kept(&[("a", position(12)), ("c", position(1))]));
        offsets.set("b", position(2));
        offsets.save().unwrap();
        assert_eq!(all(&path), kept(&[("a", position(12)), ("b", position(2)), ("c", position(1))]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "the file and its journal");
    }

    #[test]
    fn unchanged_offsets_are_not_written_again() {
        let (_dir, path) = place();
        let mut offsets = Offsets::load(&path).unwrap();
        offsets.set("a", position(7));
        offsets.save().unwrap();
        std::fs::remove_file(&path).unwrap();
        offsets.set("a", position(7));
        offsets.save().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_a_batch_changes_is_written_and_the_rest_is_not() {
        let (_dir, path) = place();
        let mut offsets = Offsets::load(&path).unwrap();
        for number in 0..1_000 {
            offsets.set(&format!("{number:064}"), position(number));
        }
        offsets.save().unwrap();
        let journal = path.with_extension("journal");
        let size = || std::fs::metadata(&journal).unwrap().len();
        offsets.set(&format!("{:064}", 5), position(1_000_000));
        offsets.save().unwrap();
        let before = size();
        offsets.set(&format!("{:064}", 5), position(2_000_000));
        offsets.save().unwrap();
        assert!(size() - before < 16, "{} bytes for one container", size() - before);
    }

    #[test]
    fn a_journal_that_has_grown_is_taken_into_the_file() {
        let (_dir, path) = place();
        let mut offsets = Offsets::load(&path).unwrap();
        let mut longest = 0;
        for offset in 0..40_000 {
            offsets.set("a", position(offset));
            offsets.save().unwrap();
            longest = longest.max(offsets.journal_bytes());
        }
        assert!(longest > JOURNAL_BYTES && longest < JOURNAL_BYTES + 100, "{longest}");
        assert!(offsets.journal_bytes() < JOURNAL_BYTES, "it began anew");
        assert_eq!(all(&path), kept(&[("a", position(39_999))]));
    }

    #[test]
    fn a_journal_of_an_older_whole_is_not_taken_for_more() {
        let (dir, path) = place();
        let mut offsets = Offsets::load(&path).unwrap();
        for offset in [1, 2] {
            offsets.set("a", position(offset));
            offsets.save().unwrap();
        }
        let journal = path.with_extension("journal");
        let older = std::fs::read(&journal).unwrap();
        // The next life begins with a whole, and is killed before the journal is begun behind it.
        let mut offsets = Offsets::load(&path).unwrap();
        offsets.set("a", position(3));
        offsets.save().unwrap();
        std::fs::write(&journal, older).unwrap();
        assert_eq!(all(&path), kept(&[("a", position(3))]));
        drop(dir);
    }

    #[test]
    fn what_could_not_be_written_is_saved_later() {
        let (_dir, path) = place();
        let mut offsets = Offsets::load(&path).unwrap();
        offsets.set("a", position(1));
        offsets.save().unwrap();
        let beside = path.with_extension("new");
        offsets.journal.file_is_full();
        std::os::unix::fs::symlink("/dev/full", &beside).unwrap();
        for offset in [2, 3] {
            offsets.set("a", position(offset));
            assert_eq!(offsets.save().unwrap_err().kind(), ErrorKind::StorageFull);
            assert_eq!(all(&path), kept(&[("a", position(1))]));
        }
        std::fs::remove_file(&beside).unwrap();
        offsets.save().unwrap();
        assert_eq!(all(&path), kept(&[("a", position(3))]));
        offsets.set("a", position(4));
        offsets.save().unwrap();
        assert_eq!(all(&path), kept(&[("a", position(4))]));
    }

    #[test]
    fn an_unusable_file_is_put_aside() {
        for content in ["{\"version\":2,\"contai", "{\"version\":99,\"generation\":1,\"containers\":{}}"] {
            let (dir, path) = place();
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_journal_torn_at_any_byte_gives_some_state_that_was_saved(
            changes in proptest::collection::vec((0_usize..3, 0_u64..4, any::<bool>()), 1..20),
            torn_at in 0.0..=1.0_f64,
        ) {
            let (_dir, path) = place();
            let mut offsets = Offsets::load(&path).unwrap();
            offsets.set("base", position(0));
            offsets.save().unwrap();
            let mut states = vec![all(&path)];
            for (index, (container, offset, other_file)) in changes.into_iter().enumerate() {
                let container = ["a", "b", "base"][container];
                let offset = 10 * index as u64 + offset;
                match offset % 10 {
                    0 => offsets.remove(container),
                    _ if other_file => offsets.set(container, elsewhere(offset)),
                    _ => offsets.set(container, position(offset)),
                }
                offsets.save().unwrap();
                states.push(all(&path));
            }
            let journal = path.with_extension("journal");
            let mut text = std::fs::read(&journal).unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
            text.truncate((text.len() as f64 * torn_at) as usize);
            std::fs::write(&journal, text).unwrap();
            prop_assert!(states.contains(&all(&path)));
        }
    }
}
