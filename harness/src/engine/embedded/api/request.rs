//! Bodies of requests, read whole within bounds.

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};

use super::answer::ApiError;

/// What is read of a body that is too long, so that its sender gets to read the answer instead of a broken connection.
const DRAINED_BYTES: usize = 64 << 20;

/// The whole of a body of at most `most` bytes.
///
/// # Errors
/// It is longer, or breaks off.
pub async fn whole<B>(body: B, most: usize) -> Result<Vec<u8>, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let mut body = std::pin::pin!(body);
    let (mut whole, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::bad(format!("the request's body cannot be read: {error}")))?;
        let Some(bytes) = frame.data_ref() else { continue };
        length += bytes.len();
        if length <= most {
            whole.extend_from_slice(bytes);
        } else if length > DRAINED_BYTES {
            break;
        }
    }
    if length > most {
        return Err(ApiError::bad(format!("the request's body has over {most} bytes")));
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        let body = |bytes: &'static [u8]| Full::new(Bytes::from_static(bytes));
        assert_eq!(whole(body(b"abc"), 3).await.unwrap(), b"abc");
        assert_eq!(whole(body(b""), 3).await.unwrap(), b"");
        let error = whole(body(b"abcd"), 3).await.unwrap_err();
        assert!(error.status() == 400 && error.to_string().contains("over 3 bytes"), "{error}");
    }
}
