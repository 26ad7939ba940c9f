//! The frames of a container's output, as the engine cut them.

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) stream: &'static str,
    pub(crate) text: String,
}

/// The whole frames that `bytes` consist of; `None` where they do not.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<Frame>> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(8)?;
        let stream = match header[..4] {
            [0, 0, 0, 0] => "stdin",
            [1, 0, 0, 0] => "stdout",
            [2, 0, 0, 0] => "stderr",
            _ => return None,
        };
        let length = u32::from_be_bytes(header[4..].try_into().ok()?) as usize;
        let (text, after) = after.split_at_checked(length)?;
        frames.push(Frame { stream, text: String::from_utf8_lossy(text).into_owned() });
        rest = after;
    }
    Some(frames)
}

impl Frame {
    /// The time that the engine put before the line.
    pub(crate) fn time(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }
}
