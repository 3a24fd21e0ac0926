//! The error object of JSON-RPC: the specification's code and message, and what exactly was wrong.

use axum::http::StatusCode;
use jsonrpsee_server::types::ErrorObjectOwned;

use crate::{error::ApiError, feed::TopicsError};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    code: i32,
    message: &'static str,
    data: Option<String>,
}

impl Fault {
    const fn new(code: i32, message: &'static str, data: Option<String>) -> Self {
        Self {
            code,
            message,
            data,
        }
    }

    pub(super) fn parse(error: &serde_json::Error) -> Self {
        Self::new(-32700, "Parse error", Some(error.to_string()))
    }

    pub(super) fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(-32600, "Invalid Request", Some(detail.into()))
    }

    pub(super) fn method_not_found(detail: impl Into<String>) -> Self {
        Self::new(-32601, "Method not found", Some(detail.into()))
    }

    pub(super) fn invalid_params(detail: impl Into<String>) -> Self {
        Self::new(-32602, "Invalid params", Some(detail.into()))
    }

    /// A code of the range for servers: the answers to one batch are too large.
    pub(super) fn too_large(limit: usize) -> Self {
        let detail = format!("the answers to this exceed {limit} bytes, ask for less at once");
        Self::new(-32000, "Response too large", Some(detail))
    }

    /// There are subscriptions over WebSocket only.
    pub(super) fn no_websocket() -> Self {
        let detail = "subscriptions need a WebSocket, at the same address";
        Self::new(-32004, "Method not supported", Some(detail.to_owned()))
    }

    /// The subscriber has lost events.
    pub(super) fn too_slow(missed: u64) -> Self {
        let detail = format!("{missed} events were lost: they came faster than they were read");
        Self::new(-32008, "Subscriber too slow", Some(detail))
    }
}

impl From<ApiError> for Fault {
    /// The cause is in the log.
    fn from(error: ApiError) -> Self {
        match error.status() {
            StatusCode::SERVICE_UNAVAILABLE => {
                Self::new(-32005, "Limit exceeded", Some(error.message().to_owned()))
            }
            StatusCode::BAD_REQUEST => Self::invalid_params(error.message()),
            StatusCode::NOT_FOUND => Self::new(
                -32001,
                "Resource not found",
                Some(error.message().to_owned()),
            ),
            _ => Self::new(-32603, "Internal error", None),
        }
    }
}

impl From<TopicsError> for Fault {
    fn from(error: TopicsError) -> Self {
        Self::invalid_params(error.to_string())
    }
}

impl From<Fault> for ErrorObjectOwned {
    fn from(fault: Fault) -> Self {
        Self::owned(fault.code, fault.message, fault.data)
    }
}
