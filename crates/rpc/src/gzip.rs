//! Compression of answers for clients that accept gzip.
//!
//! Only text is compressed: states and blocks in SSZ are hashes and signatures, which do not get smaller. An answer is compressed
//! as the client reads it, [`CHUNK_BYTES`] at a time, so that memory and work are spent only when needed; what the compression
//! holds meanwhile counts like the answer itself.

use std::{
    io::{self, Write as _},
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{
        HeaderValue, Method, StatusCode,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY},
    },
    middleware::Next,
    response::Response,
};
use flate2::{Compression, write::GzEncoder};
use hyper::body::Frame;

use crate::{accept::takes_gzip, pieces::HeldBytes, server::Endless};

/// Bytes of an answer below which it fits a packet or two as it is.
const MIN_BYTES: u64 = 1 << 10;
/// Bytes that are compressed at a time, in about a millisecond.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes that the compression of an answer holds: its window and tables, and a chunk that was not read yet.
const ENCODER_BYTES: usize = 448 << 10;

/// Compresses the answer to a request where the client accepts it and it saves something.
pub(crate) async fn compress(request: Request, next: Next) -> Response {
    let wanted = takes_gzip(request.headers()) && request.method() != Method::HEAD;
    let mut response = next.run(request).await;
    if !is_worth_it(&response) {
        return response;
    }
    let by = HeaderValue::from(ACCEPT_ENCODING);
    response.headers_mut().append(VARY, by);
    if !wanted {
        return response;
    }
    let gzip = HeaderValue::from_static("gzip");
    response.headers_mut().insert(CONTENT_ENCODING, gzip);
    response.headers_mut().remove(CONTENT_LENGTH);
    let held = match response.extensions().get() {
        Some(HeldBytes(bytes)) => *bytes,
        None => usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX),
    };
    let held = HeldBytes(held.saturating_add(ENCODER_BYTES));
    response.extensions_mut().insert(held);
    response.map(|body| Body::new(Gzip::new(body)))
}

/// Whether an answer gets smaller: text of some length that has an end.
fn is_worth_it(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_text = kind.starts_with("text/")
        || kind.starts_with("application/json")
        || kind.starts_with("image/svg+xml");
    let size = response.body().size_hint().upper();
    is_text
        && response.status() == StatusCode::OK
        && size.is_none_or(|size| size >= MIN_BYTES)
        && !response.headers().contains_key(CONTENT_ENCODING)
        && response.extensions().get::<Endless>().is_none()
}

/// A body in gzip.
struct Gzip {
    body: Body,
    /// Bytes of the body that are not compressed yet.
    rest: Bytes,
    /// Gone once all is.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Gzip {
    fn new(body: Body) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    /// Compresses one chunk; returns the compressed bytes that are ready, often none.
    fn compress_chunk(&mut self) -> io::Result<Vec<u8>> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(Vec::new());
        };
        let part = self.rest.split_to(self.rest.len().min(CHUNK_BYTES));
        encoder.write_all(&part)?;
        Ok(std::mem::take(encoder.get_mut()))
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        let encoder = self.encoder.take();
        encoder.map_or_else(|| Ok(Vec::new()), GzEncoder::finish)
    }
}

type Piece = Result<Frame<Bytes>, axum::Error>;

fn frame(piece: io::Result<Vec<u8>>) -> Piece {
    piece
        .map(|piece| Frame::data(piece.into()))
        .map_err(axum::Error::new)
}

impl HttpBody for Gzip {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        loop {
            if self.encoder.is_none() {
                return Poll::Ready(None);
            }
            if !self.rest.is_empty() {
                let piece = self.compress_chunk();
                if piece.as_ref().is_ok_and(Vec::is_empty) {
                    // Others have their turn before the next part.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(Some(frame(piece)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                // Trailers cannot be part of a compressed answer.
                Some(Ok(came)) => self.rest = came.into_data().unwrap_or_default(),
                Some(Err(error)) => {
                    self.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(Some(frame(self.finish()))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::body::to_bytes;
    use flate2::read::GzDecoder;
    use futures::stream;

    use super::*;

    async fn read(body: Body) -> Result<Vec<u8>, axum::Error> {
        let packed = to_bytes(Body::new(Gzip::new(body)), usize::MAX).await?;
        let mut plain = Vec::new();
        GzDecoder::new(&*packed).read_to_end(&mut plain).unwrap();
        Ok(plain)
    }

    #[tokio::test]
    async fn decompressed_bodies_equal_the_original() {
        for size in [0, 1, CHUNK_BYTES, 5 * CHUNK_BYTES + 1] {
            let plain: Vec<u8> = (0..size).map(|index| (index / 7) as u8).collect();
            assert_eq!(read(Body::from(plain.clone())).await.unwrap(), plain);
            let pieces = plain
                .chunks(1_000)
                .map(|piece| Ok::<_, io::Error>(piece.to_vec()));
            let pieces: Vec<_> = pieces.collect();
            let body = Body::from_stream(stream::iter(pieces));
            assert_eq!(read(body).await.unwrap(), plain, "{size}");
        }
    }

    #[tokio::test]
    async fn a_truncated_body_does_not_look_complete() {
        let pieces = [Ok(vec![7; 100]), Err(io::Error::other("no more"))];
        let body = Body::from_stream(stream::iter(pieces));
        assert!(read(body).await.is_err());
    }

    #[test]
    fn the_encoder_holds_no_more_than_is_counted() {
        let mut gzip = Gzip::new(Body::empty());
        // Incompressible data makes the encoder hold the most.
        let mut number = 1_u64;
        let noise = std::iter::repeat_with(|| {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (number >> 56) as u8
        });
        gzip.rest = noise.take(4 * CHUNK_BYTES).collect();
        let mut most = 0;
        while !gzip.rest.is_empty() {
            most = most.max(gzip.compress_chunk().unwrap().capacity());
        }
        // The tables of the encoder are some 320 KiB.
        assert!((320 << 10) + most <= ENCODER_BYTES, "{most}");
    }
}
