//! Frames of Docker's multiplexed stream ("stdcopy"): the stream's number, three zero bytes, the length as a big-endian
//! `u32`, the content. See `POST /containers/{id}/attach` in the Engine API's reference.

use leaksoak_strategies::line::StreamKind;

/// Length of a frame's header.
pub const HEADER_BYTES: usize = 8;

/// The header of a frame that holds `length` bytes.
#[must_use]
pub fn header(stream: StreamKind, length: u32) -> [u8; HEADER_BYTES] {
    let kind = match stream {
        StreamKind::Stdout => 1,
        StreamKind::Stderr => 2,
    };
    let [a, b, c, d] = length.to_be_bytes();
    [kind, 0, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_strategies::docker_api::frames::Demultiplexer;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_framed_is_told_apart_again(
            lines in proptest::collection::vec((any::<bool>(), "[^\n]{0,40}"), 0..20)
        ) {
            let mut bytes = Vec::new();
            for (to_stderr, text) in &lines {
                let stream = if *to_stderr { StreamKind::Stderr } else { StreamKind::Stdout };
                bytes.extend(header(stream, u32::try_from(text.len() + 1).unwrap()));
                bytes.extend(text.bytes().chain([b'\n']));
            }
            let mut demultiplexer = Demultiplexer::new(false);
            let (mut input, mut found) = (bytes.as_slice(), Vec::new());
            while let Some(line) = demultiplexer.next_line(&mut input).unwrap() {
                found.push((line.stream == StreamKind::Stderr, String::from_utf8(line.bytes.to_vec()).unwrap()));
            }
            prop_assert_eq!(found, lines);
        }
    }
}
