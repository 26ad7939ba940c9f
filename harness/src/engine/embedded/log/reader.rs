//! Reading a log: from its beginning or its last records, to its end or on with what is written.
//!
//! What comes out is what goes over the wire: frames, or the text itself of a terminal. A reader keeps its place and
//! nothing else; blocks are read into memory that all readers of a thread share.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::sync::Arc;

use hyper::body::Bytes;
use leaksoak_strategies::docker_api::timestamp::Timestamp;
use leaksoak_strategies::line::StreamKind;
use tokio::sync::watch;

use super::query::Query;
use super::record::{self, Record};
use super::segment::{Position, Segment};
use super::{Log, Run, frame, stamp};

/// What is read at once.
const BLOCK_BYTES: usize = 64 * 1024;
/// A part of 16 KiB in which every byte is escaped is a record of some 96 KiB. What is longer is none, and is passed over.
const MAX_RECORD_BYTES: usize = 256 * 1024;

thread_local! {
    static BLOCK: RefCell<Vec<u8>> = RefCell::new(vec![0; BLOCK_BYTES]);
}

/// A reader of a log.
#[derive(Debug)]
pub struct Reader {
    query: Query,
    tty: bool,
    segment: Option<Arc<Segment>>,
    offset: u64,
    end: End,
    wake: watch::Receiver<()>,
    over: bool,
}

/// Where a reader ends.
#[derive(Debug)]
enum End {
    At(Position),
    WithRun(Arc<Run>),
}

/// What one step of reading gave.
enum Step {
    Chunk(Bytes),
    /// Something was read, and left out.
    Nothing,
    /// There is no more yet.
    Wait,
    Over,
}

impl Log {
    /// A reader of what `query` asks for.
    ///
    /// # Errors
    /// A file cannot be opened or read.
    pub fn read(&self, query: Query) -> io::Result<Reader> {
        let inner = self.lock();
        // Subscribed under the lock: nothing that comes after this place goes untold.
        let mut wake = self.wake.subscribe();
        wake.mark_unchanged();
        let end = match (&inner.run, query.follow) {
            (Some(run), true) => Some(End::WithRun(Arc::clone(run))),
            _ => None,
        };
        let segments = self.segments(inner.live.clone(), inner.number)?;
        let last = segments.last().map_or(Position { segment: 0, offset: 0 }, |segment| segment.end());
        drop(inner);

        let end = end.unwrap_or(End::At(last));
        let (segment, offset) = match query.tail {
            None => (segments.first().cloned(), 0),
            Some(tail) => place_of_last(&segments, last, tail)?,
        };
        Ok(Reader { query, tty: self.tty, segment, offset, end, wake, over: false })
    }

    /// Its files, oldest first, linked. Those that were rotated are numbered down from the live one.
    fn segments(&self, live: Option<Arc<Segment>>, number: u64) -> io::Result<Vec<Arc<Segment>>> {
        let open = |path| match File::open(path) {
            Ok(file) => file.metadata().map(|metadata| Some((file, metadata.len()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        let youngest = match live {
            Some(live) => Some(live),
            None => open(self.numbered(0))?.map(|(file, length)| Arc::new(Segment::new(number, file, length))),
        };
        let mut before = youngest.as_ref().map_or(number, |segment| segment.number());
        segments.extend(youngest);
        for rotated in 1..self.kept_files() {
            let Some((file, length)) = open(self.numbered(rotated))? else { break };
            // Numbers only order places; of those before the first of this process, all that matters is that they come first.
            before = before.saturating_sub(1);
            let segment = Arc::new(Segment::new(before, file, length));
            if let Some(next) = segments.last() {
                segment.follow_with(Arc::clone(next));
            }
            segments.push(segment);
        }
        segments.reverse();
        Ok(segments)
    }
}

/// Where the last `count` records before `end` begin; the beginning, where there are not so many.
fn place_of_last(segments: &[Arc<Segment>], end: Position, count: u64) -> io::Result<(Option<Arc<Segment>>, u64)> {
    let mut left = count;
    for segment in segments.iter().rev() {
        let to = if segment.number() == end.segment { end.offset } else { segment.length() };
        if left == 0 {
            return Ok((Some(Arc::clone(segment)), to));
        }
        if let Some(offset) = go_back(segment, to, &mut left)? {
            return Ok((Some(Arc::clone(segment)), offset));
        }
    }
    Ok((segments.first().cloned(), 0))
}

/// Where the last `left` records of a file before `to` begin, or `None`, and by how many it has too few.
fn go_back(segment: &Segment, to: u64, left: &mut u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK_BYTES];
    // The newline of the last record ends it, and begins none.
    let mut to = to.saturating_sub(1);
    if to == 0 {
        return Ok(None);
    }
    while to > 0 {
        let from = to.saturating_sub(BLOCK_BYTES as u64);
        let wanted = usize::try_from(to - from).unwrap_or(BLOCK_BYTES);
        let read = segment.read_at(&mut block[..wanted], from)?;
        for newline in memchr::memrchr_iter(b'\n', &block[..read]) {
            *left -= 1;
            if *left == 0 {
                return Ok(Some(from + newline as u64 + 1));
            }
        }
        to = from;
    }
    // The first record begins at the beginning.
    *left -= 1;
    Ok((*left == 0).then_some(0))
}

impl Reader {
    /// The next bytes of the answer; `None` at its end. Waits for more while the run lasts.
    ///
    /// # Errors
    /// A file cannot be read. There is nothing after that.
    pub async fn next_chunk(&mut self) -> Option<io::Result<Bytes>> {
        while !self.over {
            // Marked before looking: what is written after the look is told again.
            self.wake.borrow_and_update();
            match self.step() {
                Ok(Step::Chunk(chunk)) => return Some(Ok(chunk)),
                Ok(Step::Nothing) => tokio::task::yield_now().await,
                Ok(Step::Wait) => {
                    if self.wake.changed().await.is_err() {
                        self.over = true;
                    }
                }
                Ok(Step::Over) => self.over = true,
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        self.segment = None;
        None
    }

    fn step(&mut self) -> io::Result<Step> {
        // Asked first: what is written before a run's end, or before a rotation, is then seen below.
        let end = match &self.end {
            End::At(position) => Some(*position),
            End::WithRun(run) => run.end(),
        };
        let Some(segment) = &self.segment else { return Ok(Step::Over) };
        let next = segment.next().cloned();
        let limit = match end {
            Some(end) if end.segment == segment.number() => end.offset,
            _ => segment.length(),
        };
        if self.offset >= limit {
            let is_last = end.is_some_and(|end| end.segment <= segment.number());
            return Ok(match next {
                _ if is_last => Step::Over,
                Some(next) => {
                    (self.segment, self.offset) = (Some(next), 0);
                    Step::Nothing
                }
                None if end.is_some() => Step::Over,
                None => Step::Wait,
            });
        }
        let segment = Arc::clone(segment);
        BLOCK.with_borrow_mut(|block| {
            let mut wanted = block.len().min(usize::try_from(limit - self.offset).unwrap_or(usize::MAX));
            let mut read = segment.read_at(&mut block[..wanted], self.offset)?;
            let mut whole = memchr::memrchr(b'\n', &block[..read]);
            if whole.is_none() && read == wanted && self.offset + (read as u64) < limit {
                let mut long = vec![0; MAX_RECORD_BYTES];
                wanted = long.len().min(usize::try_from(limit - self.offset).unwrap_or(usize::MAX));
                read = segment.read_at(&mut long[..wanted], self.offset)?;
                whole = memchr::memrchr(b'\n', &long[..read]);
                return Ok(self.take(&long[..read], whole, limit));
            }
            Ok(self.take(&block[..read], whole, limit))
        })
    }

    /// Takes the whole records of `block`, which was read at this place.
    fn take(&mut self, block: &[u8], last_newline: Option<usize>, limit: u64) -> Step {
        let Some(last_newline) = last_newline else {
            // A record torn by a crash, or what is no record at all.
            self.offset = if block.is_empty() { limit } else { self.offset + block.len() as u64 };
            return Step::Nothing;
        };
        let records = &block[..last_newline];
        let mut out = Vec::with_capacity(records.len());
        let mut from = 0;
        for to in memchr::memchr_iter(b'\n', records).chain([records.len()]) {
            let line = &records[from..to];
            from = to + 1;
            if let Some(record) = record::decode(line)
                && !self.put(&mut out, &record)
            {
                self.over = true;
                break;
            }
        }
        self.offset += last_newline as u64 + 1;
        if out.is_empty() { Step::Nothing } else { Step::Chunk(out.into()) }
    }

    /// Puts a record on the wire, if it was asked for; false: it is past the end.
    fn put(&self, out: &mut Vec<u8>, record: &Record<'_>) -> bool {
        let Query { since, until, .. } = self.query;
        if since.is_some() || until.is_some() {
            let time = Timestamp::parse(&record.time);
            if time < since {
                return true;
            }
            if until.is_some() && time > until {
                return false;
            }
        }
        let wanted = match record.stream {
            StreamKind::Stdout => self.query.stdout,
            StreamKind::Stderr => self.query.stderr,
        };
        if !wanted {
            return true;
        }
        let begin = out.len();
        if !self.tty {
            out.extend(frame::header(record.stream, 0));
        }
        if self.query.timestamps {
            stamp::push_fixed(out, &record.time);
            out.push(b' ');
        }
        if self.query.details {
            out.push(b' ');
        }
        out.extend_from_slice(record.text.as_bytes());
        if record.newline {
            out.push(b'\n');
        }
        if !self.tty {
            let content = out.len() - begin - frame::HEADER_BYTES;
            let header = frame::header(record.stream, u32::try_from(content).unwrap_or(u32::MAX));
            out[begin..begin + frame::HEADER_BYTES].copy_from_slice(&header);
        }
        true
    }
}
