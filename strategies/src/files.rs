//! Small things about files that several modules need.

use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Whether the process (or the system) has no file descriptor left to give.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno == Some(Errno::MFILE) || errno == Some(Errno::NFILE)
}

/// Open file descriptors of this process.
///
/// The size of `/proc/self/fd` since Linux 6.2; before that its size is 0 and its entries are counted, less the one
/// that the counting itself opens.
pub(crate) fn open_descriptors() -> io::Result<u64> {
    let directory = Path::new("/proc/self/fd");
    let size = std::fs::metadata(directory)?.len();
    if size > 0 {
        return Ok(size);
    }
    let entries = std::fs::read_dir(directory)?.count();
    Ok(entries.saturating_sub(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opened_file_is_counted() {
        // Other tests open files at the same time: more files than they could open make the difference plain.
        let before = open_descriptors().unwrap();
        let files: Vec<_> = (0..200).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let after = open_descriptors().unwrap();
        assert!(after >= before + 100, "{before} before, {after} after");
        drop(files);
    }
}
