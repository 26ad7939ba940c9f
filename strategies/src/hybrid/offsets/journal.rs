//! What has changed since the offsets were last written as a whole: a file that is only appended to.
//!
//! Its first line names the whole that it continues, so that one left over from an older whole is never taken for more.
//! A container's first line has its id and its position, and gives it the next number, counted from 0; further ones are
//! `<number> <offset>` for as long as the file that is read stays the same. What a batch has changed is one write of some
//! bytes a container, instead of one of all containers.
//!
//! A last line that was torn, or that was never ended, is left out, with all that follows.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Position};
use crate::hybrid::chain::Identity;

/// A line that is not `<number> <offset>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Record<'a> {
    /// The whole that this continues.
    Continues(u64),
    At {
        container: &'a str,
        position: Position,
    },
    Gone {
        container: &'a str,
    },
}

/// The number under which a container's offsets in one file are noted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    number: u32,
    of: (Identity, Fingerprint),
}

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// `None`: it has to be begun anew, because none was begun or a write has failed.
    file: Option<File>,
    written_bytes: usize,
    numbers: u32,
    /// Noted, and not yet written.
    noted: Vec<u8>,
}

impl Journal {
    /// One that is yet to be begun.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, file: None, written_bytes: 0, numbers: 0, noted: Vec::new() }
    }

    /// Gives what continues the whole of this `generation`, in the order in which it was written; `None` as a position: gone.
    pub(super) fn replay(&self, generation: u64, mut tell: impl FnMut(&str, Option<Position>)) -> io::Result<()> {
        let text = match std::fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            text => text?,
        };
        let mut lines = text.split_inclusive(|byte| *byte == b'\n').map_while(|line| line.strip_suffix(b"\n"));
        let continues = lines.next().and_then(|line| serde_json::from_slice(line).ok());
        if !matches!(continues, Some(Record::Continues(of)) if of == generation) {
            return Ok(());
        }
        let mut numbered: Vec<(&str, Position)> = Vec::new();
        for line in lines {
            if let Some((container, position)) = moved(line, &numbered) {
                tell(container, Some(position));
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(Record::At { container, position }) => {
                    numbered.push((container, position));
                    tell(container, Some(position));
                }
                Ok(Record::Gone { container }) => tell(container, None),
                Ok(Record::Continues(_)) | Err(_) => break,
            }
        }
        Ok(())
    }

    /// Begins anew, behind the whole of this `generation`.
    pub(super) fn begin(&mut self, generation: u64) -> io::Result<()> {
        self.forget();
        let mut file = File::create(&self.path)?;
        let mut line = serde_json::to_vec(&Record::Continues(generation))?;
        line.push(b'\n');
        file.write_all(&line)?;
        (self.file, self.written_bytes) = (Some(file), line.len());
        Ok(())
    }

    /// Whether it can be continued, and is no longer than `limit_bytes`.
    pub(super) fn goes_on(&self, limit_bytes: usize) -> bool {
        self.file.is_some() && self.written_bytes <= limit_bytes
    }

    /// Notes a position; `number` is what this gave for the container the last time, since the journal was begun.
    pub(super) fn note(&mut self, container: &str, position: Position, number: Option<Number>) -> io::Result<Number> {
        let of = (position.file, position.fingerprint);
        if let Some(known) = number.filter(|known| known.of == of) {
            writeln!(self.noted, "{} {}", known.number, position.offset)?;
            return Ok(known);
        }
        self.note_record(&Record::At { container, position })?;
        self.numbers += 1;
        Ok(Number { number: self.numbers - 1, of })
    }

    /// Notes that a container is gone.
    pub(super) fn note_gone(&mut self, container: &str) -> io::Result<()> {
        self.note_record(&Record::Gone { container })
    }

    fn note_record(&mut self, record: &Record<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.noted, record)?;
        self.noted.push(b'\n');
        Ok(())
    }

    /// Writes what was noted. After an error it has to be begun anew.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(ErrorKind::NotFound.into()) };
        if let Err(error) = file.write_all(&self.noted) {
            self.forget();
            return Err(error);
        }
        self.written_bytes += self.noted.len();
        self.noted.clear();
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// From now on there is no room for it.
    #[cfg(test)]
    pub(super) fn file_is_full(&mut self) {
        self.file = File::options().write(true).open("/dev/full").ok();
    }

    fn forget(&mut self) {
        self.file = None;
        self.numbers = 0;
        self.noted.clear();
    }
}

/// A line `<number> <offset>`.
fn moved<'a>(line: &[u8], numbered: &[(&'a str, Position)]) -> Option<(&'a str, Position)> {
    let (number, offset) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let (container, position) = *numbered.get(number.parse::<usize>().ok()?)?;
    Some((container, Position { offset: offset.parse().ok()?, ..position }))
}

/// Where the journal of the offsets at `path` lies.
pub(super) fn beside(path: &Path) -> PathBuf {
    path.with_extension("journal")
}
