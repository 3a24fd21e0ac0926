//! Checks before each call: unknown methods, subscriptions without a WebSocket, and the limits of a batch.

use futures::future::{Either, Future, ready};
use jsonrpsee_server::{
    BatchResponseBuilder, MethodResponse,
    middleware::rpc::{Batch, BatchEntry, Notification, RpcServiceT},
    types::{ErrorObjectOwned, Id, Request},
};
use tower::Layer;

use super::{MAX_ANSWERS, MAX_BATCH, fault::Fault, methods, subscriptions};
use crate::{
    error::ApiError,
    node::{BatchPermit, NodeView},
    server::Upgraded,
};

/// Puts the guard round a service.
#[derive(Clone)]
pub(super) struct GuardLayer(pub(super) NodeView);

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard {
            inner,
            node: self.0.clone(),
        }
    }
}

/// A service whose calls are checked before they are made.
#[derive(Clone)]
pub(super) struct Guard<S> {
    inner: S,
    node: NodeView,
}

fn refused(id: Id<'_>, fault: impl Into<Fault>) -> MethodResponse {
    MethodResponse::error(id, ErrorObjectOwned::from(fault.into()))
}

/// Why a call cannot be made at all.
fn reason_to_refuse(request: &Request<'_>) -> Option<Fault> {
    let name = request.method_name();
    if subscriptions::NAMES.contains(&name) {
        let has_socket = request.extensions().get::<Upgraded>().is_some();
        return (!has_socket).then(Fault::no_websocket);
    }
    let is_known = methods::METHODS.iter().any(|method| method.name == name);
    (!is_known).then(|| {
        let known = methods::METHODS.iter().map(|method| method.name);
        let known: Vec<_> = known.chain(subscriptions::NAMES).collect();
        Fault::method_not_found(format!("the methods are {}", known.join(", ")))
    })
}

/// Gets the permit that a batch needs for this method, if it needs one and has none.
fn admit(node: &NodeView, method: &str, leave: &mut Option<BatchPermit>) -> Result<(), ApiError> {
    if leave.is_none() && methods::is_heavy(method) {
        *leave = Some(node.heavy_batch()?);
    }
    Ok(())
}

impl<S> RpcServiceT for Guard<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type BatchResponse = MethodResponse;
    type NotificationResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        match reason_to_refuse(&request) {
            Some(fault) => Either::Left(ready(refused(request.id, fault))),
            None => Either::Right(self.inner.call(request)),
        }
    }

    /// One call after the other. A batch holds its answers while the others are worked out: after [`MAX_ANSWERS`] bytes the rest
    /// of it is refused.
    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let guard = self.clone();
        async move {
            if batch.len() > MAX_BATCH {
                return refused(Id::Null, too_many(batch.len()));
            }
            let mut answers = BatchResponseBuilder::new_with_limit(usize::MAX);
            let (mut bytes, mut leave, mut notified) = (0, None, false);
            for entry in batch {
                let answer = match entry {
                    Ok(BatchEntry::Notification(_)) => {
                        notified = true;
                        continue;
                    }
                    Ok(BatchEntry::Call(request)) if bytes > MAX_ANSWERS => {
                        refused(request.id, Fault::too_large(MAX_ANSWERS))
                    }
                    Ok(BatchEntry::Call(request)) => {
                        match admit(&guard.node, request.method_name(), &mut leave) {
                            Ok(()) => guard.call(request).await,
                            Err(error) => refused(request.id, error),
                        }
                    }
                    Err(error) => {
                        let (_, id) = error.into_parts();
                        refused(id, Fault::invalid_request(CALL_RULE))
                    }
                };
                bytes += answer.as_ref().len();
                if let Err(error) = answers.append(answer) {
                    return error;
                }
            }
            if answers.is_empty() && notified {
                MethodResponse::notification()
            } else {
                MethodResponse::from_batch(answers.finish())
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

/// The required form of a call.
pub(super) const CALL_RULE: &str = "a call is an object with `jsonrpc` \"2.0\", a string `method`, and an `id` that is a string, an integer from 0 on or null";

/// A batch has more calls than it may.
pub(super) fn too_many(found: usize) -> Fault {
    Fault::invalid_request(format!(
        "expected a batch of at most {MAX_BATCH} calls, found {found}"
    ))
}
