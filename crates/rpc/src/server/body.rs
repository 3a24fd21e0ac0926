//! Bodies that call a function when they are finished with.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Frame, SizeHint};

/// A body that calls a function when it is dropped: it is not read further then.
pub(super) struct WatchedBody<B> {
    body: B,
    done: Option<Box<dyn FnOnce() + Send>>,
}

impl<B> WatchedBody<B> {
    pub(super) fn new(body: B, done: impl FnOnce() + Send + 'static) -> Self {
        let done: Option<Box<dyn FnOnce() + Send>> = Some(Box::new(done));
        Self { body, done }
    }
}

impl<B: Body + Unpin> Body for WatchedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for WatchedBody<B> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done();
        }
    }
}
