//! Large answers, made piece by piece as the client takes them.
//!
//! Between two pieces an answer costs what its source holds, and no worker: a client that reads slowly does not hold up others.
//! A failure in the middle breaks the connection off, so that no client takes a part for the whole.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::{accept::Form, error::ApiError, node::NodeView};

/// Bytes after which a piece is complete. It may exceed this by one item.
pub(crate) const PIECE: usize = 64 << 10;

/// A source of an answer's pieces.
pub(crate) trait PieceSource: Send + Unpin + 'static {
    /// Appends items to a piece as far as they fit, or the next item if that alone is larger. May read the disk.
    ///
    /// # Errors
    /// When the answer cannot go on.
    fn next(&mut self, node: &NodeView, piece: &mut Vec<u8>) -> Result<HasMore, ApiError>;

    /// Bytes of memory that only this source holds until the answer is taken.
    fn held_bytes(&self) -> usize;

    /// Bytes of the whole answer, where they are known before.
    fn length(&self) -> Option<u64> {
        None
    }
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HasMore {
    Yes,
    No,
}

/// Bytes that an answer holds while it is being taken, for the server's books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldBytes(pub(crate) usize);

/// An answer in pieces. The first piece is made before the answer begins, so that an early failure has a status of its own.
pub(crate) async fn answer<S: PieceSource>(
    node: NodeView,
    form: Form,
    begin: impl FnOnce(&NodeView) -> Result<S, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let (source, made) = node
        .heavy(|node| {
            let mut source = begin(node)?;
            let made = make_piece(&mut source, node)?;
            Ok::<_, ApiError>((source, made))
        })
        .await??;
    let held = HeldBytes(source.held_bytes() + made.0.len());
    let length = match made.1 {
        HasMore::No => Some(made.0.len() as u64),
        HasMore::Yes => source.length(),
    };
    let body = Pieces {
        node,
        step: Step::Made(source, made),
        length,
    };
    let mut response = ([(CONTENT_TYPE, form.media_type())], Body::new(body)).into_response();
    response.extensions_mut().insert(held);
    Ok(response)
}

type MadePiece = (Bytes, HasMore);
type MakingPiece<S> = Pin<Box<dyn Future<Output = Result<(S, MadePiece), ApiError>> + Send>>;

struct Pieces<S> {
    node: NodeView,
    step: Step<S>,
    /// Bytes that are still to come, where that is known.
    length: Option<u64>,
}

enum Step<S> {
    Made(S, MadePiece),
    Waiting(S),
    Making(MakingPiece<S>),
    Over,
}

fn make_piece(source: &mut impl PieceSource, node: &NodeView) -> Result<MadePiece, ApiError> {
    let mut piece = Vec::new();
    let more = source.next(node, &mut piece)?;
    Ok((piece.into(), more))
}

impl<S: PieceSource> Pieces<S> {
    fn begin(&self, mut source: S) -> MakingPiece<S> {
        let node = self.node.clone();
        Box::pin(async move {
            node.piece(move |node| {
                let made = make_piece(&mut source, node)?;
                Ok((source, made))
            })
            .await?
        })
    }
}

impl<S: PieceSource> HttpBody for Pieces<S> {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        loop {
            match std::mem::replace(&mut self.step, Step::Over) {
                Step::Over => return Poll::Ready(None),
                Step::Waiting(source) => self.step = Step::Making(self.begin(source)),
                Step::Making(mut making) => {
                    let made = match making.as_mut().poll(context) {
                        Poll::Ready(made) => made,
                        Poll::Pending => {
                            self.step = Step::Making(making);
                            return Poll::Pending;
                        }
                    };
                    match made {
                        Ok((source, made)) => self.step = Step::Made(source, made),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                Step::Made(source, (piece, more)) => {
                    if more == HasMore::Yes {
                        self.step = Step::Waiting(source);
                    }
                    if let Some(length) = &mut self.length {
                        *length = length.saturating_sub(piece.len() as u64);
                    }
                    if !piece.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(piece))));
                    }
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use axum::body::to_bytes;
    use quartet_chain::{ChainReader, ChainWriter, EventBus, LeanChain, Peers};
    use quartet_clock::Clock;
    use quartet_storage::Database;
    use quartet_types::{PublicKey, State};

    use super::*;
    use crate::{NodeInfo, NodeParts};

    fn node() -> NodeView {
        let genesis = State::genesis(0, &[PublicKey::default()]).unwrap();
        let chain = ChainWriter::new(LeanChain::from_genesis(genesis));
        let store = Database::in_memory(quartet_types::Root::ZERO).unwrap();
        let parts = NodeParts {
            chain: ChainReader::new(chain.reader(), Arc::new(store)),
            peers: Peers::default(),
            clock: Clock::manual(0, Duration::ZERO),
            metrics: None,
            events: EventBus::new(),
        };
        NodeView::new(NodeInfo::default(), parts)
    }

    /// Gives `pieces` pieces of its own number, then ends or fails.
    struct Counting {
        made: u8,
        pieces: u8,
        fails: bool,
    }

    impl PieceSource for Counting {
        fn next(&mut self, _: &NodeView, piece: &mut Vec<u8>) -> Result<HasMore, ApiError> {
            if self.made == self.pieces {
                return if self.fails {
                    Err(ApiError::internal())
                } else {
                    Ok(HasMore::No)
                };
            }
            piece.push(self.made);
            self.made += 1;
            Ok(HasMore::Yes)
        }

        fn held_bytes(&self) -> usize {
            7
        }
    }

    async fn ask(pieces: u8, fails: bool) -> Result<Response, ApiError> {
        let source = Counting {
            made: 0,
            pieces,
            fails,
        };
        answer(node(), Form::Ssz, move |_| Ok(source)).await
    }

    #[tokio::test]
    async fn pieces_come_in_order_to_the_end() {
        for pieces in [0, 1, 2, 9] {
            let response = ask(pieces, false).await.unwrap();
            let Some(HeldBytes(held)) = response.extensions().get() else {
                panic!("nothing is said of what it holds");
            };
            assert_eq!(*held, 7 + usize::from(pieces > 0));
            let body = to_bytes(response.into_body(), 100).await.unwrap();
            assert_eq!(body, (0..pieces).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn an_early_failure_has_a_status_and_a_late_one_breaks_the_body_off() {
        assert_eq!(ask(0, true).await.unwrap_err().status(), 500);
        for pieces in [1, 2, 9] {
            let response = ask(pieces, true).await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(to_bytes(response.into_body(), 100).await.is_err());
        }
    }
}
