//! JSON-RPC 2.0 over HTTP and WebSocket, by jsonrpsee. What the methods do is in [`methods`], what can be subscribed to in
//! [`crate::feed`].

mod fault;
mod guard;
mod methods;
mod params;
mod subscriptions;

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{FromRequest as _, Request},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use jsonrpsee_server::{
    BatchRequestConfig, MethodResponse, Methods, PingConfig, RegisterMethodError, RpcModule,
    ServerBuilder, ServerConfig, ServerHandle, StopHandle, TowerServiceBuilder,
    middleware::rpc::RpcServiceBuilder,
    stop_channel,
    types::{ErrorObjectOwned, Id, InvalidRequest, Notification, Request as Call},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tower::{
    Service as _,
    layer::util::{Identity, Stack},
};

use crate::{accept::Form, error::ApiError, node::NodeView, server::Upgraded};
use fault::Fault;
use guard::{CALL_RULE, GuardLayer};
use params::Params;

/// Bytes of a request's body, and of a message over a WebSocket.
pub(crate) const MAX_BODY: usize = 64 << 10;
/// Calls in one batch.
const MAX_BATCH: usize = 100;
/// Bytes of the answers to a batch after which the rest of it is refused, and most of one answer of many blocks.
const MAX_ANSWERS: usize = 4 << 20;
/// Bytes of one answer: of the largest block there can be.
const MAX_ANSWER: u32 = 32 << 20;
/// Subscriptions of one WebSocket.
const MAX_SUBSCRIPTIONS: u32 = 32;
/// Messages that wait for one WebSocket. Further ones wait in the feed, where they cost nothing.
const WAITING: u32 = 32;
/// How often a WebSocket is pinged, and after how long a silence it is closed.
const PING: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(60);

type Builder = TowerServiceBuilder<Stack<GuardLayer, Identity>, Identity>;

/// Answers calls. Clones share it; once the last one is gone, WebSockets are closed.
#[derive(Clone)]
pub(crate) struct JsonRpc {
    methods: Methods,
    builder: Builder,
    stop: StopHandle,
    _server: Arc<ServerHandle>,
}

impl JsonRpc {
    pub(crate) fn new(node: NodeView) -> Self {
        let pings = PingConfig::new()
            .ping_interval(PING)
            .inactive_limit(SILENCE)
            .max_failures(1);
        let config = ServerConfig::builder()
            .max_request_body_size(MAX_BODY as u32)
            .max_response_body_size(MAX_ANSWER)
            // The server has its own table of connections.
            .max_connections(u32::MAX >> 4)
            .max_subscriptions_per_connection(MAX_SUBSCRIPTIONS)
            .set_message_buffer_capacity(WAITING)
            .set_batch_request_config(BatchRequestConfig::Limit(MAX_BATCH as u32))
            .enable_ws_ping(pings)
            .build();
        let guard = RpcServiceBuilder::new().layer(GuardLayer(node.clone()));
        let (stop, server) = stop_channel();
        Self {
            methods: module(node).map_or_else(|_| Methods::new(), Into::into),
            builder: ServerBuilder::with_config(config)
                .set_rpc_middleware(guard)
                .to_service_builder(),
            stop,
            _server: Arc::new(server),
        }
    }

    /// Answers a call or a batch of calls.
    pub(crate) async fn answer(self, request: Request) -> Result<Response, ApiError> {
        let (parts, body) = request.into_parts();
        let body = read(Request::from_parts(parts.clone(), body)).await?;
        if let Some((id, fault)) = reason_to_refuse(&body) {
            let answer = MethodResponse::error(id, ErrorObjectOwned::from(fault));
            let headers = [(CONTENT_TYPE, Form::Json.media_type())];
            return Ok((headers, answer.to_string()).into_response());
        }
        let mut request = Request::from_parts(parts, Body::from(body));
        // Whatever the client calls it.
        let json = axum::http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json.clone());
        let mut response = self.serve(request).await?;
        if is_nothing(&response) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    }

    /// Opens a WebSocket for calls and subscriptions.
    pub(crate) async fn upgrade(self, request: Request) -> Result<Response, ApiError> {
        if request.extensions().get::<Upgraded>().is_none() {
            let detail = "calls are sent by POST, or over a WebSocket that GET asks for";
            return Err(ApiError::method_not_allowed(detail));
        }
        self.serve(request).await
    }

    async fn serve(self, request: Request) -> Result<Response, ApiError> {
        let mut service = self.builder.build(self.methods, self.stop);
        let answered = service.call(request).await;
        let response = answered.map_err(|error| {
            tracing::error!(%error, "a call could not be answered");
            ApiError::internal()
        })?;
        Ok(response.map(Body::new))
    }
}

fn module(node: NodeView) -> Result<RpcModule<NodeView>, RegisterMethodError> {
    let mut module = RpcModule::new(node);
    for method in methods::METHODS {
        let call = method.call;
        module.register_async_method(method.name, move |params, node, _| async move {
            let params = Params::parse(params.as_str()).map_err(ErrorObjectOwned::from)?;
            let answer: Result<Box<RawValue>, _> = call(NodeView::clone(&node), params).await;
            answer.map_err(ErrorObjectOwned::from)
        })?;
    }
    subscriptions::register(&mut module)?;
    Ok(module)
}

/// Whether all calls were notifications, which get no answer: jsonrpsee writes `null` then.
fn is_nothing(response: &Response) -> bool {
    let nothing = b"null".len() as u64;
    response
        .body()
        .size_hint()
        .exact()
        .is_some_and(|size| size <= nothing)
}

/// An object with an id, which may be one that a call cannot have.
#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow, rename = "id")]
    _id: &'a RawValue,
}

/// Why a request is refused, where jsonrpsee would not say.
fn reason_to_refuse(body: &[u8]) -> Option<(Id<'_>, Fault)> {
    let json: &RawValue = match serde_json::from_slice(body) {
        Ok(json) => json,
        Err(error) => return Some((Id::Null, Fault::parse(&error))),
    };
    let json = json.get();
    if json.starts_with('[') {
        let calls = serde_json::from_str::<Vec<&RawValue>>(json).map_or(0, |calls| calls.len());
        return match calls {
            0 => Some((
                Id::Null,
                Fault::invalid_request("a batch needs at least one call"),
            )),
            _ if calls > MAX_BATCH => Some((Id::Null, guard::too_many(calls))),
            _ => None,
        };
    }
    let is_call = serde_json::from_str::<Call<'_>>(json).is_ok();
    let is_notification = serde_json::from_str::<Notification<'_, Option<&RawValue>>>(json).is_ok()
        && serde_json::from_str::<Identified<'_>>(json).is_err();
    (!is_call && !is_notification).then(|| {
        let id = serde_json::from_str::<InvalidRequest<'_>>(json).map_or(Id::Null, |call| call.id);
        (id, Fault::invalid_request(CALL_RULE))
    })
}

/// The body, up to [`MAX_BODY`]. A longer one is refused before it is read if its length is announced.
async fn read(request: Request) -> Result<Bytes, ApiError> {
    if request.body().size_hint().lower() > MAX_BODY as u64 {
        return Err(ApiError::too_large(MAX_BODY));
    }
    let body = Bytes::from_request(request, &()).await;
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(MAX_BODY),
        _ => ApiError::bad_request(rejection.body_text()),
    })
}
