//! Follows one container's log through its files, from the oldest that is there to the last byte of the live one.
//!
//! A file is left only when another is seen in its place and it was read to its end after that; then it is closed, so
//! that no deleted file is held. The end of a delivered line becomes a position to resume from only when the sink (or the
//! dead-letter file) has the line.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::age::AgeFilter;
use super::chain::{self, Identity, Successor};
use super::jsonfile::{BadRecord, Decoder, LogLine};
use super::offsets::{Fingerprint, HEAD_BYTES, Position};
use super::settled::Settled;
use crate::delivery::{Delivery, Ticket};
use crate::discovery::Container;
use crate::line::Line;
use crate::metrics::{DropReason, ErrorKind, Metrics};

/// Where decoded lines go.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) delivery: Delivery,
    pub(super) metrics: Arc<Metrics>,
    /// Told of every line's end; `None`: nothing is remembered.
    pub(super) settled: Option<Settled>,
}

/// Whether there may be more to read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advance {
    More,
    AtEnd,
}

#[derive(Debug)]
pub(super) struct Tail {
    id: Arc<str>,
    container: Arc<Container>,
    live: PathBuf,
    file: Option<OpenLog>,
    /// Where to begin when no file is open; `None`: with the oldest file.
    resume: Option<Position>,
    decoder: Decoder,
    age: AgeFilter,
    /// The live file may be another than before.
    check_names: bool,
    /// Another file was seen in this one's place; it is read to its end once more.
    leaving: bool,
    last_ticket: Ticket,
    bytes_read: u64,
}

#[derive(Debug)]
struct OpenLog {
    file: File,
    identity: Identity,
    read_to: u64,
    /// Its first bytes, as far as they are known, and their fingerprint once they are all known.
    head: Vec<u8>,
    fingerprint: Option<Fingerprint>,
}

impl Output {
    /// Counts a line and hands it over; `None` for a bad record, which is counted as dropped.
    pub(super) async fn take(&self, container: &str, line: Result<LogLine<'_>, BadRecord>) -> Option<Ticket> {
        let Ok(LogLine { stream, time, text, cut }) = line else {
            self.metrics.errors.inc(ErrorKind::Parse);
            self.metrics.lines_dropped.inc(DropReason::Unparsable);
            return None;
        };
        if cut {
            self.metrics.errors.inc(ErrorKind::Parse);
        }
        self.metrics.lines_read.inc();
        self.metrics.bytes_read.add(text.len() as u64);
        let line = Line { container, stream, time: Cow::Borrowed(time), text: Cow::Borrowed(text) };
        Some(self.delivery.deliver(&line).await)
    }
}

impl Tail {
    /// Of the log whose live file is (or will be) at `live`.
    pub(super) fn new(container: &Arc<Container>, live: &Path, resume: Option<Position>, age: AgeFilter) -> Self {
        Self {
            id: container.id.as_str().into(),
            container: Arc::clone(container),
            age,
            live: live.to_owned(),
            file: None,
            resume,
            decoder: Decoder::default(),
            check_names: true,
            leaving: false,
            last_ticket: Ticket::default(),
            bytes_read: 0,
        }
    }

    /// Bytes read so far, of all its files.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Has the next [`Tail::advance`] look which file is in the live one's place.
    pub(super) fn check_names(&mut self) {
        self.check_names = true;
    }

    /// Reads at most one `buffer` full. Not to be cancelled: lines in the buffer would be lost.
    pub(super) async fn advance(&mut self, buffer: &mut [u8], output: &Output) -> io::Result<Advance> {
        let Some(open) = &mut self.file else {
            self.file = self.open_first()?;
            return Ok(if self.file.is_some() { Advance::More } else { Advance::AtEnd });
        };
        let count = open.file.read(buffer)?;
        if count > 0 {
            self.bytes_read += count as u64;
            let begin = open.read_to;
            open.has_read(&buffer[..count]);
            self.deliver(begin, &buffer[..count], output).await;
            // Less than there was room for is all that there was: what is written from now on is told of.
            let at_end = count < buffer.len() && !self.check_names;
            return Ok(if at_end { Advance::AtEnd } else { Advance::More });
        }
        if self.check_names { self.at_end(&output.metrics) } else { Ok(Advance::AtEnd) }
    }

    /// Hands over what the log's end has left without a newline, and closes the file. Reading may go on later from here.
    pub(super) async fn finish(&mut self, output: &Output) {
        while let Some(line) = self.decoder.next_unfinished() {
            self.last_ticket = output.take(&self.container.name(), Ok(line)).await.unwrap_or(self.last_ticket);
        }
        if let Some(open) = self.file.take() {
            let position = open.position(open.read_to - self.decoder.bytes_pending().unwrap_or(0) as u64);
            if let Some(settled) = &output.settled {
                settled.add(self.last_ticket, &self.id, position);
            }
            self.resume = Some(position);
        }
        self.decoder.forget();
        self.check_names = true;
        self.leaving = false;
    }

    /// The ticket of the last line handed over.
    pub(super) fn last_ticket(&self) -> Ticket {
        self.last_ticket
    }

    /// Hands over the lines of `bytes`, of which the first is at `begin` in the open file.
    async fn deliver(&mut self, begin: u64, bytes: &[u8], output: &Output) {
        let Self { id, container, file: Some(open), decoder, age, last_ticket, .. } = self else { return };
        let name = container.name();
        let mut rest = bytes;
        while let Some(line) = decoder.next_line(&mut rest) {
            if line.as_ref().is_ok_and(|line| age.is_too_old(line.time)) {
                output.metrics.lines_dropped.inc(DropReason::TooOld);
                continue;
            }
            let Some(ticket) = output.take(&name, line).await else { continue };
            *last_ticket = ticket;
            // Within a line in parts there is no place to resume at.
            if let (Some(settled), Some(pending)) = (&output.settled, decoder.bytes_pending()) {
                let offset = begin + (bytes.len() - rest.len() - pending) as u64;
                settled.add(ticket, id, open.position(offset));
            }
        }
    }

    /// The file is read to its end: is there another to go on with?
    fn at_end(&mut self, metrics: &Metrics) -> io::Result<Advance> {
        let Some(open) = &mut self.file else { return Ok(Advance::AtEnd) };
        let (next, gap) = match chain::successor(&self.live, open.identity)? {
            Successor::NotYet => return Ok(Advance::AtEnd),
            Successor::Itself => {
                self.check_names = false;
                return if open.was_truncated()? { self.begin_again() } else { Ok(Advance::AtEnd) };
            }
            Successor::File(next) => (next, false),
            Successor::AfterGap(next) => (next, true),
        };
        if !std::mem::replace(&mut self.leaving, true) {
            return Ok(Advance::More);
        }
        if gap {
            crate::log::say(
                crate::log::Level::Warn,
                format_args!(
                    "{}: the log was rotated away while it was read; lines in between may be missing",
                    self.container.name()
                ),
            );
        }
        self.file = Some(OpenLog::new(next, 0)?);
        self.leaving = false;
        metrics.stream_rotations.inc();
        Ok(Advance::More)
    }

    fn begin_again(&mut self) -> io::Result<Advance> {
        crate::log::say(
            crate::log::Level::Warn,
            format_args!("{}: the log was truncated; it is read from its beginning", self.container.name()),
        );
        if let Some(open) = self.file.take() {
            self.file = Some(OpenLog::new(open.file, 0)?);
        }
        self.decoder.forget();
        Ok(Advance::More)
    }

    fn open_first(&mut self) -> io::Result<Option<OpenLog>> {
        if let Some(resume) = self.resume {
            if let Some(open) = find(&self.live, resume)? {
                self.resume = None;
                return Ok(Some(open));
            }
            if chain::oldest(&self.live)?.is_some() {
                crate::log::say(
                    crate::log::Level::Warn,
                    format_args!(
                        "{}: the file that was read last is gone; the log is read from its beginning",
                        self.container.name()
                    ),
                );
                self.resume = None;
            }
        }
        chain::oldest(&self.live)?.map(|file| OpenLog::new(file, 0)).transpose()
    }
}

/// The file that `position` is in, opened there.
fn find(live: &Path, position: Position) -> io::Result<Option<OpenLog>> {
    for file in chain::all(live)? {
        let open = OpenLog::new(file, position.offset)?;
        let same = open.identity == position.file
            && Fingerprint::of(&open.head, position.fingerprint.bytes) == position.fingerprint
            && !open.was_truncated()?;
        if same {
            return Ok(Some(open));
        }
    }
    Ok(None)
}

impl OpenLog {
    fn new(mut file: File, offset: u64) -> io::Result<Self> {
        let identity = Identity::of(&file.metadata()?);
        let mut head = vec![0; HEAD_BYTES];
        let known = file.read_at(&mut head, 0)?;
        head.truncate(known);
        file.seek(SeekFrom::Start(offset))?;
        let mut open = Self { file, identity, read_to: offset, head, fingerprint: None };
        open.know_head();
        Ok(open)
    }

    /// Where to resume at `offset`. What lies before it is known.
    fn position(&self, offset: u64) -> Position {
        let known = usize::try_from(offset).map_or(HEAD_BYTES, |offset| offset.min(HEAD_BYTES));
        let whole = self.fingerprint.filter(|fingerprint| fingerprint.bytes == known);
        let fingerprint = whole.unwrap_or_else(|| Fingerprint::of(&self.head, known));
        Position { file: self.identity, offset, fingerprint }
    }

    fn know_head(&mut self) {
        if self.fingerprint.is_none() && self.head.len() == HEAD_BYTES {
            self.fingerprint = Some(Fingerprint::of(&self.head, HEAD_BYTES));
        }
    }

    fn has_read(&mut self, bytes: &[u8]) {
        // The head grows by what lies right behind it.
        if let Some(known) = usize::try_from(self.read_to).ok().and_then(|read_to| self.head.len().checked_sub(read_to))
        {
            let missing = HEAD_BYTES - self.head.len();
            self.head.extend(bytes.iter().skip(known).take(missing));
            self.know_head();
        }
        self.read_to += bytes.len() as u64;
    }

    fn was_truncated(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() < self.read_to)
    }
}
