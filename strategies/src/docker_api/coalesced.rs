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
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::watched::Watched;
use ticks::Tick;

pub(super) use ticks::Ticks;

/// Read at once at the most. hyper's buffer is cleared before, so a larger one costs more than it saves.
pub(super) const READ_BYTES: usize = 32 << 10;

/// What may come from one look to the next. A Unix socket takes twice as much of lines of a hundred bytes before whoever
/// writes them has to wait; every message in it counts as nearly a kilobyte.
const PLENTY_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Coalesced {
    /// Registered only while the reactor is to say when it can be read or written.
    socket: Watched,
    /// The other side takes no more at the moment.
    write_blocked: bool,
    tick: Tick,
    /// When it was last looked at.
    last_look: Instant,
    phase: Phase,
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
        }
    }

    /// `found`: the bytes that had come since the last look.
    fn leave_until_next_tick(&mut self, found: usize) {
        if !self.write_blocked {
            self.socket.leave();
        }
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.last_look, now);
        let plenty_after = took.mul_f64(PLENTY_BYTES as f64 / found.max(1) as f64);
        self.tick.next_after(now, plenty_after);
        self.phase = Phase::Left;
    }
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
                }
                Phase::Left => {
                    ready!(this.tick.poll(cx));
                    this.phase = Phase::Reading { found: 0 };
                }
                Phase::Reading { found } => {
                    match rustix::io::read(this.socket.fd(), buffer.initialize_unfilled_to(room)) {
                        Ok(bytes) => {
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
                        Err(Errno::AGAIN) if found > 0 => this.leave_until_next_tick(found),
                        Err(Errno::AGAIN) => this.phase = Phase::Idle,
                        Err(Errno::INTR) => {}
                        Err(error) => return Poll::Ready(Err(error.into())),
                    }
                }
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
    use std::time::Duration;

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
        tick_after(PLENTY_BYTES + 100, TICK / 2).await;
        tick_after(100, TICK).await;
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
