//! Follows one container's log through its files, from the oldest that is there to the last byte of the live one.
//!
//! A file is left only when another is seen in its place and it was read to its end after that; then it is closed, so
//! that no deleted file is held. The end of a delivered line becomes a position to resume from only when the sink (or the
//! dead-letter file) has the line.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::{self, Identity, Successor};
use super::jsonfile::{BadRecord, Decoder, LogLine};
use super::offsets::{Fingerprint, HEAD_BYTES, Position};
use crate::delivery::{Delivery, Ticket};
use crate::line::Line;
use crate::metrics::{DropReason, ErrorKind, Metrics};

/// Where decoded lines go.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) delivery: Delivery,
    pub(super) metrics: Arc<Metrics>,
}

/// Whether there may be more to read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advance {
    More,
    AtEnd,
}

#[derive(Debug)]
pub(super) struct Tail {
    container: String,
    live: PathBuf,
    file: Option<OpenLog>,
    /// Where to begin when no file is open; `None`: with the oldest file.
    resume: Option<Position>,
    decoder: Decoder,
    /// The live file may be another than before.
    check_names: bool,
    /// Another file was seen in this one's place; it is read to its end once more.
    leaving: bool,
    last_ticket: Ticket,
    marks: VecDeque<Mark>,
}

/// Once the line of `ticket` is settled, reading may resume at `position`.
#[derive(Debug)]
struct Mark {
    ticket: Ticket,
    position: Position,
}

#[derive(Debug)]
struct OpenLog {
    file: File,
    identity: Identity,
    read_to: u64,
    /// Its first bytes, as far as they are known.
    head: Vec<u8>,
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
    pub(super) fn new(container: &str, live: &Path, resume: Option<Position>) -> Self {
        Self {
            container: container.to_owned(),
            live: live.to_owned(),
            file: None,
            resume,
            decoder: Decoder::default(),
            check_names: true,
            leaving: false,
            last_ticket: Ticket::default(),
            marks: VecDeque::new(),
        }
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
            open.has_read(&buffer[..count]);
            self.deliver(&buffer[..count], output).await;
            return Ok(Advance::More);
        }
        if self.check_names { self.at_end(&output.metrics) } else { Ok(Advance::AtEnd) }
    }

    /// Hands over what the log's end has left without a newline, and closes the file. Reading may go on later from here.
    pub(super) async fn finish(&mut self, output: &Output) {
        while let Some(line) = self.decoder.next_unfinished() {
            self.last_ticket = output.take(&self.container, Ok(line)).await.unwrap_or(self.last_ticket);
        }
        self.mark();
        self.resume = self.position().or(self.resume);
        self.file = None;
        self.decoder.forget();
        self.check_names = true;
        self.leaving = false;
    }

    /// The position reached by what is settled, if it has moved since it was last asked for.
    pub(super) fn settled(&mut self, settled: Ticket) -> Option<Position> {
        let reached = self.marks.partition_point(|mark| mark.ticket <= settled);
        self.marks.drain(..reached).next_back().map(|mark| mark.position)
    }

    /// The ticket of the last line handed over.
    pub(super) fn last_ticket(&self) -> Ticket {
        self.last_ticket
    }

    async fn deliver(&mut self, mut bytes: &[u8], output: &Output) {
        while let Some(line) = self.decoder.next_line(&mut bytes) {
            if let Some(ticket) = output.take(&self.container, line).await {
                self.last_ticket = ticket;
            }
        }
        self.mark();
    }

    fn mark(&mut self) {
        let Some(position) = self.position() else { return };
        match self.marks.back_mut() {
            Some(mark) if mark.ticket == self.last_ticket => mark.position = position,
            _ => self.marks.push_back(Mark { ticket: self.last_ticket, position }),
        }
    }

    /// Where to resume once all lines given out so far are settled; `None` within a line in parts.
    fn position(&self) -> Option<Position> {
        let open = self.file.as_ref()?;
        let offset = open.read_to - self.decoder.bytes_pending()? as u64;
        let known = usize::try_from(offset).map_or(HEAD_BYTES, |offset| offset.min(HEAD_BYTES));
        Some(Position { file: open.identity, offset, fingerprint: Fingerprint::of(&open.head, known) })
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
            crate::log::say(format_args!(
                "{}: the log was rotated away while it was read; lines in between may be missing",
                self.container
            ));
        }
        self.file = Some(OpenLog::new(next, 0)?);
        self.leaving = false;
        metrics.stream_rotations.inc();
        Ok(Advance::More)
    }

    fn begin_again(&mut self) -> io::Result<Advance> {
        crate::log::say(format_args!("{}: the log was truncated; it is read from its beginning", self.container));
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
                crate::log::say(format_args!(
                    "{}: the file that was read last is gone; the log is read from its beginning",
                    self.container
                ));
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
        Ok(Self { file, identity, read_to: offset, head })
    }

    fn has_read(&mut self, bytes: &[u8]) {
        // The head grows by what lies right behind it.
        if let Some(known) = usize::try_from(self.read_to).ok().and_then(|read_to| self.head.len().checked_sub(read_to))
        {
            let missing = HEAD_BYTES - self.head.len();
            self.head.extend(bytes.iter().skip(known).take(missing));
        }
        self.read_to += bytes.len() as u64;
    }

    fn was_truncated(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() < self.read_to)
    }
}
