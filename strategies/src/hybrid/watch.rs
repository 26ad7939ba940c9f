//! Who says that a log was written to: inotify, one instance for all logs, or a clock where inotify cannot be had.
//!
//! The directory of a log is watched, not the file: so a watch outlives rotations, and tells of them. The number of
//! inotify instances of a user is limited (`fs.inotify.max_user_instances`, 128 by default, shared with dockerd when that
//! runs as the same user); the number of watches likewise. When either is used up, all logs are looked at every
//! [`POLL_EVERY`] instead, and the arm's log says so.
//!
//! With coalescing, the instance is registered with the reactor only while it is waited for. One that is registered wakes
//! the thread for every line that anybody prints, whether or not it is time to look: that costs many times the line. A log that
//! is looked at all the time anyhow can be hushed: that somebody wrote to it is told no longer, only of its names.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use tokio::time::{Interval, MissedTickBehavior};

use crate::watched::Watched;

/// How often logs are looked at without inotify.
pub(super) const POLL_EVERY: Duration = Duration::from_millis(250);

/// A few hundred events; what does not fit stays in the kernel's queue.
const BUFFER_BYTES: usize = 16 << 10;

/// Buffers read before whoever is told may act on them.
const MOST_AT_ONCE: usize = 16;

/// What is known of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Something was written.
    Written,
    /// A file came, went, or got another name; or it is not known what happened.
    Names,
}

pub(super) enum Watcher {
    Inotify(Watches),
    Clock(Interval),
}

pub(super) struct Watches {
    inotify: Inotify,
    /// The same instance, for the reactor.
    instance: Watched,
    coalesced: bool,
    buffer: Vec<u8>,
    by_descriptor: HashMap<WatchDescriptor, String>,
    by_container: HashMap<String, Watch>,
}

/// The watch of a container's log.
struct Watch {
    descriptor: WatchDescriptor,
    directory: PathBuf,
}

/// What happens to the names in a directory.
const NAMES: WatchMask = WatchMask::CREATE
    .union(WatchMask::DELETE)
    .union(WatchMask::MOVED_FROM)
    .union(WatchMask::MOVED_TO)
    .union(WatchMask::ONLYDIR);

impl Watcher {
    /// A watcher that watches nothing yet. `coalesced`: it is not waited for all the time.
    pub(super) fn new(coalesced: bool) -> Self {
        Watches::new(coalesced).map_or_else(|error| Self::clock_because("no inotify instance", &error), Self::Inotify)
    }

    /// Watches the directory of a container's log, until [`Watcher::forget`].
    pub(super) fn watch(&mut self, container: &str, directory: &Path) {
        if let Self::Inotify(watches) = self {
            let added = watches.add(container, directory, NAMES | WatchMask::MODIFY);
            self.unless_it_failed(added);
        }
    }

    /// From now on, or no longer, that a container's log was written to is not told. False: it goes on being told.
    pub(super) fn hush(&mut self, container: &str, hush: bool) -> bool {
        let Self::Inotify(watches) = self else { return false };
        let Some(directory) = watches.by_container.get(container).map(|watch| watch.directory.clone()) else {
            return false;
        };
        let mask = if hush { NAMES } else { NAMES | WatchMask::MODIFY };
        let changed = watches.add(container, &directory, mask);
        self.unless_it_failed(changed) && hush
    }

    fn unless_it_failed(&mut self, added: io::Result<()>) -> bool {
        match added {
            Ok(()) => true,
            // Without the directory there is nothing to be watched: the container is being removed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                *self = Self::clock_because("no inotify watch", &error);
                false
            }
        }
    }

    /// Watches a container's log no longer.
    pub(super) fn forget(&mut self, container: &str) {
        if let Self::Inotify(watches) = self {
            watches.remove(container);
        }
    }

    /// Waits for changes and tells each: of one container, or of any (`None`). Cancel-safe.
    pub(super) async fn changed(&mut self, mut tell: impl FnMut(Option<&str>, Change)) {
        match self {
            Self::Clock(clock) => {
                clock.tick().await;
                tell(None, Change::Names);
            }
            Self::Inotify(watches) => {
                let told = watches.changed(&mut tell).await;
                self.unless_inotify_failed(told, tell);
            }
        }
    }

    /// Tells of the changes that there are, and waits for none.
    pub(super) fn look(&mut self, mut tell: impl FnMut(Option<&str>, Change)) {
        if let Self::Inotify(watches) = self {
            let told = watches.read(&mut tell).map(drop);
            self.unless_inotify_failed(told, tell);
        }
    }

    /// What it has not told may be anything.
    fn unless_inotify_failed(&mut self, told: io::Result<()>, mut tell: impl FnMut(Option<&str>, Change)) {
        if let Err(error) = told {
            *self = Self::clock_because("inotify failed", &error);
            tell(None, Change::Names);
        }
    }

    fn clock_because(what: &str, error: &io::Error) -> Self {
        crate::log::say(
            crate::log::Level::Warn,
            format_args!("{what} ({error}): logs are looked at every {POLL_EVERY:?} instead; see fs.inotify in sysctl"),
        );
        let mut clock = tokio::time::interval(POLL_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Clock(clock)
    }
}

impl Watches {
    fn new(coalesced: bool) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        Ok(Self {
            instance: Watched::new(inotify.as_fd().try_clone_to_owned()?),
            inotify,
            coalesced,
            buffer: vec![0; BUFFER_BYTES],
            by_descriptor: HashMap::new(),
            by_container: HashMap::new(),
        })
    }

    /// Adds a watch, or changes what an older one of the same directory tells.
    fn add(&mut self, container: &str, directory: &Path, mask: WatchMask) -> io::Result<()> {
        let descriptor = self.inotify.watches().add(directory, mask)?;
        self.by_descriptor.insert(descriptor.clone(), container.to_owned());
        self.by_container.insert(container.to_owned(), Watch { descriptor, directory: directory.to_owned() });
        Ok(())
    }

    fn remove(&mut self, container: &str) {
        if let Some(Watch { descriptor, .. }) = self.by_container.remove(container) {
            self.by_descriptor.remove(&descriptor);
            // The kernel has removed it already when the directory is gone.
            let _ = self.inotify.watches().remove(descriptor);
        }
    }

    async fn changed(&mut self, tell: &mut impl FnMut(Option<&str>, Change)) -> io::Result<()> {
        while !self.read(tell)? {
            // What comes from here on makes it ready again, and is not missed.
            self.instance.registered()?.readable().await?.clear_ready();
        }
        if self.coalesced {
            self.instance.leave();
        }
        Ok(())
    }

    /// Tells what is there; false: nothing.
    fn read(&mut self, tell: &mut impl FnMut(Option<&str>, Change)) -> io::Result<bool> {
        let mut any = false;
        for _ in 0..MOST_AT_ONCE {
            let events = match self.inotify.read_events(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                events => events?,
            };
            for event in events {
                any = true;
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    tell(None, Change::Names);
                } else if let Some(container) = self.by_descriptor.get(&event.wd) {
                    let written = event.mask == EventMask::MODIFY;
                    tell(Some(container), if written { Change::Written } else { Change::Names });
                }
            }
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::io::Write as _;

    async fn next(watcher: &mut Watcher) -> Vec<(Option<String>, Change)> {
        let mut told = Vec::new();
        watcher.changed(|container, change| told.push((container.map(str::to_owned), change))).await;
        told
    }

    #[tokio::test]
    async fn writing_and_renaming_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut watcher = Watcher::new(false);
        watcher.watch("a", dir.path());
        file.write_all(b"x").unwrap();
        assert_eq!(next(&mut watcher).await, [(Some("a".to_owned()), Change::Written)]);
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        assert!(next(&mut watcher).await.contains(&(Some("a".to_owned()), Change::Names)));
    }

    #[tokio::test]
    async fn what_is_forgotten_is_not_told_of() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut watcher = Watcher::new(false);
        watcher.watch("one", one.path());
        watcher.watch("two", two.path());
        watcher.forget("one");
        std::fs::write(one.path().join("log"), "x").unwrap();
        std::fs::write(two.path().join("log"), "x").unwrap();
        let mut told = next(&mut watcher).await;
        if told.is_empty() {
            // The removal of the watch is an event of its own.
            told = next(&mut watcher).await;
        }
        assert!(told.iter().all(|(container, _)| container.as_deref() == Some("two")) && !told.is_empty(), "{told:?}");
    }

    #[tokio::test]
    async fn of_a_hushed_log_only_its_names_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut watcher = Watcher::new(true);
        watcher.watch("a", dir.path());
        assert!(!watcher.hush("unknown", true));
        assert!(watcher.hush("a", true));
        file.write_all(b"x").unwrap();
        watcher.look(|_, change| panic!("{change:?} is told"));
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        assert!(next(&mut watcher).await.contains(&(Some("a".to_owned()), Change::Names)));
        assert!(!watcher.hush("a", false));
        file.write_all(b"x").unwrap();
        assert_eq!(next(&mut watcher).await, [(Some("a".to_owned()), Change::Written)]);
    }

    #[tokio::test]
    async fn with_coalescing_nobody_is_woken_between_two_looks_and_nothing_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(true);
        watcher.watch("a", dir.path());
        let registered = |asked: &Watcher| match asked {
            Watcher::Inotify(inotify) => inotify.instance.is_registered(),
            Watcher::Clock(_) => panic!("no inotify here"),
        };
        let mut file = std::fs::File::create(dir.path().join("log")).unwrap();
        next(&mut watcher).await;
        for _ in 0..3 {
            assert!(!registered(&watcher));
            file.write_all(b"x").unwrap();
            assert_eq!(next(&mut watcher).await, [(Some("a".to_owned()), Change::Written)]);
        }
        assert!(next(&mut watcher).now_or_never().is_none(), "nothing was written");
        assert!(registered(&watcher), "it is waited for");
        file.write_all(b"x").unwrap();
        assert_eq!(next(&mut watcher).await, [(Some("a".to_owned()), Change::Written)]);
        assert!(!registered(&watcher));
    }

    #[tokio::test(start_paused = true)]
    async fn without_inotify_the_clock_tells_of_everything() {
        let mut watcher = Watcher::clock_because("tried in a test", &io::Error::other("no instance"));
        for _ in 0..3 {
            assert_eq!(next(&mut watcher).await, [(None, Change::Names)]);
        }
    }
}
