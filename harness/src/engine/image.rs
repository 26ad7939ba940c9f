//! The workload image, made without a registry: this executable and the shared objects that it maps.
//!
//! The image holds `/leaksoak`, the program loader under `/lib/loader` and the libraries in `/lib`; containers run
//! `/lib/loader --library-path /lib /leaksoak workload ...`, so no path of this machine needs to exist in it. A static
//! executable maps none, and is run as it is. The tag is the hash of what is in it: an unchanged image is reused.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use procfs::process::{MMapPath, Process};
use sha2::{Digest, Sha256};

/// Name of the image; its tag is the content's hash.
pub const REPOSITORY: &str = "leaksoak-workload";

/// What goes into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Path in the image, source on this machine.
    files: BTreeMap<String, PathBuf>,
    dynamic: bool,
}

impl Contents {
    /// What the running executable consists of.
    ///
    /// # Errors
    /// /proc/self cannot be read.
    pub fn of_this_process() -> io::Result<Self> {
        Self::of_process(std::process::id())
    }

    /// What the executable of a process consists of. It can be read while the process lives.
    ///
    /// # Errors
    /// /proc/PID cannot be read.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let maps = Process::new(pid.cast_signed()).and_then(|process| process.maps()).map_err(io::Error::other)?;
        let source = PathBuf::from(format!("/proc/{pid}/exe"));
        let exe = fs::read_link(&source)?;
        let mapped = maps.into_iter().filter_map(|map| match map.pathname {
            MMapPath::Path(path) if path != exe => Some(path),
            _ => None,
        });
        let mut files = BTreeMap::from([("leaksoak".to_owned(), source)]);
        for path in mapped.filter(|path| is_shared_object(path)) {
            for name in names(&path)? {
                if name.starts_with("ld-") || name.starts_with("ld.") {
                    files.insert("lib/loader".into(), path.clone());
                }
                files.insert(format!("lib/{name}"), path.clone());
            }
        }
        Ok(Self { dynamic: files.contains_key("lib/loader"), files })
    }

    /// The command that runs the executable in the image.
    #[must_use]
    pub fn entrypoint(&self) -> Vec<String> {
        let words: &[&str] =
            if self.dynamic { &["/lib/loader", "--library-path", "/lib", "/leaksoak"] } else { &["/leaksoak"] };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// `leaksoak-workload:<hash>`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn tag(&self) -> io::Result<String> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        for (name, source) in &self.files {
            hash.update(name.as_bytes());
            hash.update([0]);
            let mut file = File::open(source)?;
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    length => hash.update(&buffer[..length]),
                }
            }
        }
        let digest = hash.finalize();
        let short = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Ok(format!("{REPOSITORY}:{short:016x}"))
    }

    /// Writes the image's file system as a tar archive.
    ///
    /// # Errors
    /// A file cannot be read, or `out` not written.
    pub fn write_tar(&self, out: impl io::Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        for (name, source) in &self.files {
            let mut file = File::open(source)?;
            let mut header = tar::Header::new_gnu();
            header.set_size(file.metadata()?.len());
            header.set_mode(0o755);
            header.set_mtime(0);
            tar.append_data(&mut header, name, &mut file)?;
        }
        tar.finish()
    }
}

fn is_shared_object(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.contains(".so.") || name.ends_with(".so")
    })
}

/// The names under which a library may be asked for: its own, and the links to it that lie beside it.
fn names(library: &Path) -> io::Result<Vec<String>> {
    let real = fs::canonicalize(library)?;
    let mut names = Vec::new();
    let Some(dir) = library.parent() else { return Ok(names) };
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let is_it = entry.path() == library
            || entry.file_type()?.is_symlink() && fs::canonicalize(entry.path()).is_ok_and(|path| path == real);
        if is_it {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_executable_runs_from_what_the_image_holds() {
        let contents = Contents::of_this_process().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let tar = dir.path().join("image.tar");
        contents.write_tar(File::create(&tar).unwrap()).unwrap();
        tar::Archive::new(File::open(&tar).unwrap()).unpack(dir.path()).unwrap();
        let mut entrypoint = contents
            .entrypoint()
            .into_iter()
            .map(|word| if word.starts_with('/') { format!("{}{word}", dir.path().display()) } else { word });
        let output =
            std::process::Command::new(entrypoint.next().unwrap()).args(entrypoint).arg("--list").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn the_tag_is_of_the_content() {
        let contents = Contents::of_this_process().unwrap();
        let tag = contents.tag().unwrap();
        assert_eq!(tag, contents.tag().unwrap());
        let mut other = contents;
        other.files.insert("lib/more".into(), "/etc/passwd".into());
        assert_ne!(tag, other.tag().unwrap());
    }
}
