//! Errors of the HTTP API, as JSON: `{"code": 404, "message": "…"}`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quartet_chain::StoreError;
use serde::Serialize;
use tracing::error;

/// A request cannot be answered.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {message}")]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    code: u16,
    message: &'a str,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, message }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    pub(crate) fn not_acceptable(accepted: &str, offered: &str) -> Self {
        let message = format!("expected {offered} to be accepted, found {accepted}");
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body exceeds the limit of {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub(crate) fn unknown_host(host: &str) -> Self {
        let message = format!(
            "expected an IP address, localhost or a name given with --http-allowed-host as Host, found {host}"
        );
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn unknown_origin(origin: &str) -> Self {
        let message = format!(
            "expected a page of this node, of this machine, of a name given with --http-allowed-host or one given with --http-cors-origin as Origin, found {origin}"
        );
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// The node has too many requests; a later one may be answered.
    pub(crate) fn busy() -> Self {
        let message = "too many requests are waiting already, try again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// The request cannot be answered now, for the given reason.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// The node failed; the cause is for the log, not for the client.
    pub(crate) fn internal() -> Self {
        let message = "internal error, see the node's log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<StoreError> for ApiError {
    fn from(store: StoreError) -> Self {
        error!(error = %store, "a request could not be answered");
        Self::internal()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            code: self.status.as_u16(),
            message: &self.message,
        };
        (self.status, Json(body)).into_response()
    }
}
