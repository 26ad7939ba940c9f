//! How many tasks of a runtime live, by the line that spawned them: it says which line a leak of tasks comes from.
//!
//! tokio tells of each spawn and each end, and where the task was spawned, only if it was built with
//! `--cfg tokio_unstable`; this workspace's `.cargo/config.toml` asks for it. Built without, nothing is counted, and
//! [`SpawnSites::count_in`] says so by giving `None`: an absent count, never a zero. Costs a lock and a look-up per spawn and end.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Builder;

/// The live tasks of one runtime, by spawn site.
#[derive(Debug, Clone, Default)]
pub struct SpawnSites(Arc<Mutex<HashMap<&'static Location<'static>, u64>>>);

impl SpawnSites {
    /// Counts the tasks of the runtime that `builder` builds; `None`: this build cannot.
    #[cfg(tokio_unstable)]
    pub fn count_in(builder: &mut Builder) -> Option<Self> {
        let sites = Self::default();
        let (spawned, ended) = (sites.clone(), sites.clone());
        builder.on_task_spawn(move |task| spawned.spawned(task.spawned_at()));
        builder.on_task_terminate(move |task| ended.ended(task.spawned_at()));
        Some(sites)
    }

    /// Counts the tasks of the runtime that `builder` builds; `None`: this build cannot.
    #[cfg(not(tokio_unstable))]
    pub fn count_in(_: &mut Builder) -> Option<Self> {
        None
    }

    /// Every site that has live tasks, as `strategies/src/naive.rs:99`, with their number; in the order of the names.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts: Vec<_> = sites.iter().map(|(site, count)| (name(site.file(), site.line()), *count)).collect();
        drop(sites);
        counts.sort();
        // Two spawns on one line are one site.
        counts.dedup_by(|(site, count), (kept, sum)| {
            let same = site == kept;
            *sum += if same { *count } else { 0 };
            same
        });
        counts
    }

    #[cfg_attr(not(tokio_unstable), expect(dead_code, reason = "only the hooks call it"))]
    fn spawned(&self, site: &'static Location<'static>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(site).or_default() += 1;
    }

    /// A task whose spawn was not told of (one on a thread of the blocking pool) is not missed.
    #[cfg_attr(not(tokio_unstable), expect(dead_code, reason = "only the hooks call it"))]
    fn ended(&self, site: &'static Location<'static>) {
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sites.get_mut(site) {
            *count -= 1;
            if *count == 0 {
                sites.remove(site);
            }
        }
    }
}

/// File and line; of a dependency, from its crate's directory on, since the path to cargo's cache is of no interest.
fn name(file: &str, line: u32) -> String {
    let caches = ["/registry/src/", "/git/checkouts/"];
    let of_crate = caches.iter().find_map(|cache| Some(file.split_once(cache)?.1.split_once('/')?.1));
    format!("{}:{line}", of_crate.unwrap_or(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_in_a_dependency_is_named_from_its_crate_on() {
        let cached = "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/hyper-util-0.1.19/src/rt/tokio.rs";
        assert_eq!(name(cached, 94), "hyper-util-0.1.19/src/rt/tokio.rs:94");
        assert_eq!(name("strategies/src/naive.rs", 99), "strategies/src/naive.rs:99");
    }

    #[cfg(tokio_unstable)]
    mod counted {
        use super::*;
        use crate::task::OwnedTask;

        fn lines(sites: &SpawnSites) -> Vec<u64> {
            let counts = sites.counts();
            assert!(counts.iter().all(|(site, _)| site.starts_with(file!())), "{counts:?}");
            counts.into_iter().map(|(_, count)| count).collect()
        }

        #[test]
        fn live_tasks_are_counted_by_the_line_that_spawned_them_until_they_end() {
            let mut builder = Builder::new_current_thread();
            let sites = SpawnSites::count_in(&mut builder).unwrap();
            let runtime = builder.build().unwrap();
            runtime.block_on(async {
                let three: Vec<_> = (0..3).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
                let owned = OwnedTask::spawn(std::future::pending::<()>());
                tokio::spawn(async {}).await.unwrap();
                assert_eq!(lines(&sites), [3, 1], "an owned task is its spawner's, and one that ended is nobody's");
                drop(owned);
                three[0].abort();
                tokio::task::yield_now().await;
                assert_eq!(lines(&sites), [2]);
            });
            drop(runtime);
            assert_eq!(lines(&sites), [0; 0]);
        }

        #[test]
        fn work_on_the_blocking_pool_is_no_task_and_disturbs_no_count() {
            let mut builder = Builder::new_current_thread();
            let sites = SpawnSites::count_in(&mut builder).unwrap();
            let runtime = builder.build().unwrap();
            runtime.block_on(async {
                let task = tokio::spawn(std::future::pending::<()>());
                tokio::task::spawn_blocking(|| {}).await.unwrap();
                assert_eq!(lines(&sites), [1]);
                task.abort();
            });
        }
    }
}
