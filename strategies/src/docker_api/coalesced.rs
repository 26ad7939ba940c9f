//! A socket that is read on a tick while it is busy, and at once when it was idle.
//!
//! What costs of a followed log is not its bytes but its wake-ups: an engine sends every line by itself, and a reader that
//! is woken for each spends most of its time on being woken. So a socket that had something to read is then left alone
//! until the next tick, and read to its end there. One that has nothing at its tick is waited for, and read as soon as
//! something comes. A line is late by at most one tick, and only if another came shortly before it.
//!
//! Where that would have the engine wait, because the socket takes no more, the tick is halved until it need not: a backlog
//! comes as fast as the engine can read it.
//!
//! While it is left alone the socket is not registered with the reactor: one that is wakes the thread, whether or not
//! anybody is interested. All sockets tick together, so that one wake-up reads them all.

mod ticks;

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::watched::Watched;
use ticks::Tick;

pub(super) use ticks::Ticks;

/// Read at once at the most. hyper's buffer is cleared before, so a larger one costs more than it saves.
pub(crate) const READ_BYTES: usize = 32 << 10;

/// What may come from one look to the next. A Unix socket takes twice as much of lines of a hundred bytes before whoever
/// writes them has to wait; every message in it counts as nearly a kilobyte.
const PLENTY_BYTES: u32 = 16 << 10;

/// Ticks in a row that make a socket busy. A container with a line a tick seldom has them, one with several nearly always.
const BUSY_TICKS: u32 = 4;

#[derive(Debug)]
pub(crate) struct Coalesced {
    /// Registered only while the reactor is to say when it can be read or written.
    socket: Watched,
    /// The other side takes no more at the moment.
    write_blocked: bool,
    tick: Tick,
    /// When it was last looked at.
    last_look: Instant,
    phase: Phase,
    /// Ticks at which it was read, without one in between at which nothing was there.
    ticks_in_a_row: u32,
}

/// A socket that has something to read at every tick, without what waiting for it needs. What a look needs is near together:
/// from one tick to the next, all of it leaves the processor's caches.
#[derive(Debug)]
pub(crate) struct BusySocket {
    due: Instant,
    last_look: Instant,
    /// Since then.
    found: usize,
    fd: Arc<OwnedFd>,
    ticks: Ticks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was there at the last tick.
    Idle,
    /// Something may be there; so many bytes were already.
    Reading { found: usize },
    /// All that was there is read, until the next tick.
    Left,
}

impl Coalesced {
    /// Of a socket that does not block.
    pub(super) fn new(socket: impl Into<OwnedFd>, ticks: Ticks) -> Self {
        Self {
            socket: Watched::new(socket),
            write_blocked: false,
            tick: Tick::new(ticks),
            last_look: Instant::now(),
            phase: Phase::Idle,
            ticks_in_a_row: 0,
        }
    }

    /// The same socket for whoever reads many that are busy, if it is, and has been read up to its next tick.
    pub(crate) fn busy(&self) -> Option<BusySocket> {
        (self.phase == Phase::Left && self.ticks_in_a_row >= BUSY_TICKS).then(|| BusySocket {
            due: self.tick.at(),
            last_look: self.last_look,
            found: 0,
            fd: self.socket.share(),
            ticks: self.tick.ticks().clone(),
        })
    }

    /// `found`: the bytes that had come since the last look.
    fn leave_until_next_tick(&mut self, found: usize) {
        if !self.write_blocked {
            self.socket.leave();
        }
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.last_look, now);
        self.tick.next_after(now, plenty_after(found, took));
        self.phase = Phase::Left;
    }
}

impl BusySocket {
    /// When to look at it.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Reads what is there `now`. `None`: it is not busy any more, but idle or at its end; which of the two, reading the
    /// [`Coalesced`] tells.
    pub(crate) fn look(&mut self, buffer: &mut [u8], now: Instant) -> io::Result<Option<usize>> {
        let bytes = match receive(&self.fd, buffer)? {
            Some(0) => return Ok(None),
            None if self.found == 0 => return Ok(None),
            bytes => bytes.unwrap_or(0),
        };
        self.found += bytes;
        self.due = if bytes == buffer.len() {
            now
        } else {
            let took = now - std::mem::replace(&mut self.last_look, now);
            self.ticks.after(now, plenty_after(std::mem::take(&mut self.found), took))
        };
        Ok(Some(bytes))
    }
}

/// Reads from a socket that does not block. `None`: nothing is there.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((bytes, _)) => return Ok(Some(bytes)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How long it takes until plenty has come, if it goes on like the `found` bytes that it `took` so long for.
fn plenty_after(found: usize, took: Duration) -> Duration {
    took.saturating_mul(PLENTY_BYTES) / u32::try_from(found).unwrap_or(u32::MAX).max(1)
}

impl AsyncRead for Coalesced {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = buffer.remaining().min(READ_BYTES);
        loop {
            match this.phase {
                Phase::Idle => {
                    ready!(this.socket.registered()?.poll_read_ready(cx))?.clear_ready();
                    this.phase = Phase::Reading { found: 0 };
                    this.ticks_in_a_row = 0;
                }
                Phase::Left => {
                    ready!(this.tick.poll(cx));
                    this.phase = Phase::Reading { found: 0 };
                    this.ticks_in_a_row = this.ticks_in_a_row.saturating_add(1);
                }
                Phase::Reading { found } => match receive(this.socket.fd(), buffer.initialize_unfilled_to(room))? {
                    Some(bytes) => {
                        buffer.advance(bytes);
                        // Less than there was room for: there is no more.
                        let found = found + bytes;
                        if bytes < room {
                            this.leave_until_next_tick(found);
                        } else {
                            this.phase = Phase::Reading { found };
                        }
                        return Poll::Ready(Ok(()));
                    }
                    None if found > 0 => this.leave_until_next_tick(found),
                    None => this.phase = Phase::Idle,
                },
            }
        }
    }
}

impl AsyncWrite for Coalesced {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            match rustix::net::send(this.socket.fd(), bytes, SendFlags::NOSIGNAL) {
                Ok(written) => {
                    this.write_blocked = false;
                    return Poll::Ready(Ok(written));
                }
                Err(Errno::AGAIN) => {
                    this.write_blocked = true;
                    ready!(this.socket.registered()?.poll_write_ready(cx))?.clear_ready();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(self.socket.fd(), Shutdown::Write) {
            // The engine was the first to close.
            Ok(()) | Err(Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    fn pair() -> (Coalesced, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Coalesced::new(ours, Ticks::new(TICK)), theirs)
    }

    /// What one read gives, if there is something to give without waiting.
    fn read_now(socket: &mut Coalesced) -> Option<String> {
        let mut buffer = [0; 100];
        let bytes = socket.read(&mut buffer).now_or_never()?.unwrap();
        Some(String::from_utf8_lossy(&buffer[..bytes]).into_owned())
    }

    async fn read(socket: &mut Coalesced) -> String {
        let mut buffer = [0; 100];
        let bytes = socket.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..bytes]).into_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_socket_is_read_once_a_tick() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"a").unwrap();
        assert_eq!(read(&mut ours).await, "a");
        for _ in 0..3 {
            theirs.write_all(b"b").unwrap();
            assert_eq!(read_now(&mut ours), None, "before the tick");
            theirs.write_all(b"c").unwrap();
            assert_eq!(read_now(&mut ours), None, "before the tick");
            assert!(!ours.socket.is_registered(), "nor does it wake anybody");
            tokio::time::advance(TICK).await;
            assert_eq!(read_now(&mut ours).as_deref(), Some("bc"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_socket_is_read_at_once() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"a").unwrap();
        assert_eq!(read(&mut ours).await, "a");
        tokio::time::advance(TICK).await;
        assert_eq!(read_now(&mut ours), None, "nothing at its tick");
        let since = Instant::now();
        theirs.write_all(b"b").unwrap();
        assert_eq!(read(&mut ours).await, "b");
        assert_eq!(since.elapsed(), Duration::ZERO, "no tick was waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_room_because_of_the_tick() {
        let (mut ours, mut theirs) = pair();
        tokio::time::advance(TICK).await;
        let mut tick_after = async |bytes: usize, tick: Duration| {
            theirs.write_all(&vec![b'x'; bytes]).unwrap();
            assert_eq!(ours.read(&mut vec![0; READ_BYTES]).await.unwrap(), bytes);
            let since = Instant::now();
            theirs.write_all(b"next").unwrap();
            assert_eq!(read(&mut ours).await, "next");
            assert_eq!(since.elapsed(), tick);
        };
        tick_after(100, TICK).await;
        tick_after(PLENTY_BYTES as usize + 100, TICK / 2).await;
        tick_after(100, TICK).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_one_is_looked_at_by_others_until_nothing_is_there() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"a").unwrap();
        assert_eq!(read(&mut ours).await, "a");
        for _ in 0..BUSY_TICKS {
            assert!(ours.busy().is_none(), "not yet");
            theirs.write_all(b"b").unwrap();
            assert_eq!(read(&mut ours).await, "b");
        }
        let mut busy = ours.busy().unwrap();
        let mut look = |to_write: &[u8], room: usize| {
            theirs.write_all(to_write).unwrap();
            let found = busy.look(&mut vec![0; room], Instant::now()).unwrap();
            (found, if busy.due() > Instant::now() { "at the tick" } else { "at once" })
        };
        tokio::time::advance(TICK).await;
        assert_eq!(look(b"one", 10), (Some(3), "at the tick"));
        tokio::time::advance(TICK).await;
        assert_eq!(look(b"more than there is room for", 10), (Some(10), "at once"));
        assert_eq!(look(b"", 17), (Some(17), "at once"));
        assert_eq!(look(b"", 10), (Some(0), "at the tick"), "it was all, and no reason to call it idle");
        tokio::time::advance(TICK).await;
        assert_eq!(look(b"", 10).0, None);
        assert_eq!(read_now(&mut ours), None);
        theirs.write_all(b"c").unwrap();
        assert_eq!(read(&mut ours).await, "c");
        assert!(ours.busy().is_none(), "it was idle");
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_one_at_its_end_is_busy_no_more() {
        let (mut ours, mut theirs) = pair();
        for _ in 0..=BUSY_TICKS {
            theirs.write_all(b"a").unwrap();
            assert_eq!(read(&mut ours).await, "a");
        }
        let mut busy = ours.busy().unwrap();
        theirs.write_all(b"last").unwrap();
        drop(theirs);
        let mut look = || busy.look(&mut [0; 10], Instant::now()).unwrap();
        assert_eq!([look(), look()], [Some(4), None]);
        assert_eq!(read(&mut ours).await, "");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_before_the_end_is_read_before_the_end() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"last").unwrap();
        drop(theirs);
        assert_eq!(read(&mut ours).await, "last");
        assert_eq!(read(&mut ours).await, "");
    }

    #[tokio::test]
    async fn a_write_waits_for_room_and_reading_goes_on() {
        let (ours, mut theirs) = pair();
        let (mut reading, mut writing) = tokio::io::split(ours);
        let sent = vec![b'x'; 4 << 20];
        let expected = sent.len();
        let echo = std::thread::spawn(move || {
            let mut received = 0;
            let mut buffer = [0; 8192];
            while received < expected {
                received += std::io::Read::read(&mut theirs, &mut buffer).unwrap();
                theirs.write_all(b".").unwrap();
            }
        });
        let write = async { writing.write_all(&sent).await.unwrap() };
        let read = async {
            let mut buffer = [0; 100];
            while reading.read(&mut buffer).await.unwrap() > 0 {}
        };
        tokio::join!(write, read);
        echo.join().unwrap();
    }
}
