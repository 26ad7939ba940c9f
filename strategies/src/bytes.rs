//! Bytes looked at many at a time.

/// Whether `is` is true of any byte. Blocks are looked at whole: a compiler makes few instructions of that, but not of a loop
/// that may end at any byte.
#[inline]
pub(crate) fn any(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    let in_block = |block: &[u8]| block.iter().fold(false, |any, byte| any | is(*byte));
    let (large, rest) = bytes.as_chunks::<64>();
    let (small, rest) = rest.as_chunks::<16>();
    if large.iter().any(|block| in_block(block)) || small.iter().any(|block| in_block(block)) {
        return true;
    }
    match bytes.last_chunk::<16>() {
        // Some of these were looked at already.
        Some(last) if !rest.is_empty() => in_block(last),
        _ => rest.iter().any(|byte| is(*byte)),
    }
}

/// Whether JSON has this byte of a text only as an escape.
pub(crate) fn is_escaped_in_json(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        let mut bytes = [0; 200];
        assert!(!any(&bytes, |byte| byte > 0));
        for at in 0..bytes.len() {
            bytes[at] = 1;
            assert!(any(&bytes, |byte| byte > 0), "{at}");
            assert!(!any(&bytes[..at], |byte| byte > 0), "{at}");
            bytes[at] = 0;
        }
    }
}
