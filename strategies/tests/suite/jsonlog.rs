//! A container's json-file log, as dockerd writes it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(crate) struct JsonLog {
    path: PathBuf,
    file: File,
    printed: usize,
}

impl JsonLog {
    pub(crate) fn create(directory: &Path, id: &str) -> Self {
        std::fs::create_dir(directory).unwrap();
        let path = directory.join(format!("{id}-json.log"));
        let file = File::create(&path).unwrap();
        Self { path, file, printed: 0 }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Prints the next `count` numbers.
    pub(crate) fn print_numbers(&mut self, count: usize) {
        for _ in 0..count {
            let number = self.printed;
            self.write(&format!("{}\n", record(&format!("{number}\n"))));
            self.printed += 1;
        }
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &str) {
        self.file.write_all(bytes.as_bytes()).unwrap();
    }

    /// As dockerd does with `max-file`: the live file included, `keep` are left.
    pub(crate) fn rotate(&mut self, keep: u32) {
        let name = |number: u32| PathBuf::from(format!("{}.{number}", self.path.display()));
        for number in (2..keep).rev() {
            if name(number - 1).exists() {
                std::fs::rename(name(number - 1), name(number)).unwrap();
            }
        }
        std::fs::rename(&self.path, name(1)).unwrap();
        self.file = File::create(&self.path).unwrap();
    }

    pub(crate) fn printed(&self) -> usize {
        self.printed
    }

    /// Begins a new live file; the one before is gone.
    pub(crate) fn reopen(&mut self) {
        self.file = File::create(&self.path).unwrap();
    }

    pub(crate) fn truncate(&mut self) {
        self.file = OpenOptions::new().append(true).open(&self.path).unwrap();
        self.file.set_len(0).unwrap();
    }

    /// As dockerd does when the container is removed.
    pub(crate) fn delete(self) {
        std::fs::remove_dir_all(self.path.parent().unwrap()).unwrap();
    }
}

/// A record of stdout, without the newline at its end.
pub(crate) fn record(log: &str) -> String {
    serde_json::json!({ "log": log, "stream": "stdout", "time": "2026-11-23T13:15:57.5Z" }).to_string()
}
