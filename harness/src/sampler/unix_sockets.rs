//! Who is at the other end of a Unix socket: the kernel's socket table, by netlink.
//!
//! /proc/net/unix has no peers, so the table is asked for by `sock_diag(7)`: one dump for all sockets of this network
//! namespace. A kernel that does not answer (no `CONFIG_UNIX_DIAG`) gives an error, and the caller does without names.

use std::collections::HashMap;
use std::io;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP` of linux/netlink.h.
const REQUEST_DUMP: u16 = 0x301;
/// `NLMSG_ERROR`, `NLMSG_DONE` of linux/netlink.h.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `UDIAG_SHOW_NAME | UDIAG_SHOW_PEER` of linux/unix_diag.h.
const SHOW_NAME_AND_PEER: u32 = 1 | 4;
/// `UNIX_DIAG_NAME`, `UNIX_DIAG_PEER` of linux/unix_diag.h.
const ATTRIBUTE_NAME: u16 = 0;
const ATTRIBUTE_PEER: u16 = 2;

/// Sizes of `struct nlmsghdr` and `struct unix_diag_msg`.
const HEADER: usize = 16;
const DIAG_MSG: usize = 16;

/// The names of Unix sockets, by inode.
#[derive(Debug, Default)]
pub struct UnixSockets {
    by_inode: HashMap<u64, Socket>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Socket {
    name: Option<String>,
    peer: Option<u64>,
}

impl UnixSockets {
    /// Asks the kernel for the table.
    ///
    /// # Errors
    /// The kernel does not answer `sock_diag` requests for Unix sockets.
    pub fn read() -> io::Result<Self> {
        let socket =
            socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
        sendto(&socket, &request(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut table = Self::default();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
            if table.take(&buffer[..length.min(64 * 1024)])? || length == 0 {
                return Ok(table);
            }
        }
    }

    /// The path at the other end of the socket with this inode; its own path, where it is the end that was accepted or
    /// listens; `None` where neither end has one.
    #[must_use]
    pub fn name_of(&self, inode: u64) -> Option<&str> {
        let socket = self.by_inode.get(&inode)?;
        let peer = socket.peer.and_then(|peer| self.by_inode.get(&peer)).and_then(|peer| peer.name.as_deref());
        peer.or(socket.name.as_deref())
    }

    /// Takes in one datagram of messages; true after the last of the dump.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while let Some(length) = u32_at(bytes, 0) {
            let length = length as usize;
            let Some(message) = bytes.get(..length).filter(|message| message.len() >= HEADER) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a netlink message longer than its datagram"));
            };
            match u16_at(message, 4) {
                Some(DONE) => return Ok(true),
                Some(ERROR) => {
                    let errno = u32_at(message, HEADER).unwrap_or_default().cast_signed();
                    return Err(io::Error::from_raw_os_error(-errno));
                }
                Some(SOCK_DIAG_BY_FAMILY) => self.take_socket(&message[HEADER..]),
                _ => {}
            }
            bytes = bytes.get(align(length)..).unwrap_or_default();
        }
        Ok(false)
    }

    fn take_socket(&mut self, message: &[u8]) {
        let Some(inode) = u32_at(message, 4) else { return };
        let mut socket = Socket::default();
        let mut attributes = message.get(DIAG_MSG..).unwrap_or_default();
        while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
            let Some(value) = attributes.get(4..usize::from(length)) else { break };
            match kind {
                ATTRIBUTE_NAME => socket.name = Some(printable(value)),
                ATTRIBUTE_PEER => socket.peer = u32_at(value, 0).map(u64::from),
                _ => {}
            }
            attributes = attributes.get(align(usize::from(length))..).unwrap_or_default();
        }
        self.by_inode.insert(u64::from(inode), socket);
    }
}

/// A path ends at its first NUL; an abstract name begins with one, written `@` as ss(8) does.
fn printable(name: &[u8]) -> String {
    let (prefix, name) = name.strip_prefix(b"\0").map_or(("", name), |rest| ("@", rest));
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    format!("{prefix}{}", String::from_utf8_lossy(name))
}

fn request() -> Vec<u8> {
    let mut message = Vec::with_capacity(40);
    message.extend(40_u32.to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST_DUMP.to_ne_bytes());
    message.extend([0; 8]); // sequence, port
    message.extend([1, 0, 0, 0]); // AF_UNIX, protocol, padding
    message.extend(u32::MAX.to_ne_bytes()); // every state
    message.extend([0; 4]); // every inode
    message.extend(SHOW_NAME_AND_PEER.to_ne_bytes());
    message.extend([0; 8]); // cookie
    message
}

fn align(length: usize) -> usize {
    length.next_multiple_of(4).max(4)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_client_s_socket_is_named_by_the_path_it_is_connected_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let _served = listener.accept().unwrap();
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&client));
        let inode = std::fs::metadata(link).unwrap().ino();
        let table = UnixSockets::read().unwrap();
        assert_eq!(table.name_of(inode), path.to_str());
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic_or_hang(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = UnixSockets::default().take(&bytes);
            let mut message = u32::try_from(bytes.len() + 16).unwrap().to_ne_bytes().to_vec();
            message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            message.extend([0; 10]);
            message.extend(bytes);
            let _ = UnixSockets::default().take(&message);
        }
    }
}
