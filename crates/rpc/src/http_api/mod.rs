//! The field's HTTP API under `/lean/v0`: what leanSpec (`node/api/server.py`), ethlambda (`docs/rpc.md`) and ream
//! (`crates/rpc/lean`) serve for consensus, as far as it means something without aggregators, and a little more of the same.
//!
//! Where they give one thing different members, an answer has those of all.

mod chain;
mod events;
mod node;
mod views;

use axum::{
    Json, Router,
    extract::{Path, rejection::PathRejection},
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Serialize;

use crate::{
    accept::{Form, negotiate},
    block_id::{BlockId, BlockIdError},
    error::ApiError,
    node::NodeView,
};
pub(crate) use node::health;

const JSON: &[Form] = &[Form::Json];

/// All of it but the health, which the other addresses have too.
pub(crate) fn routes() -> Router<NodeView> {
    Router::new()
        .route("/lean/v0/head", get(chain::head))
        .route("/lean/v0/checkpoints/justified", get(chain::justified))
        .route("/lean/v0/checkpoints/finalized", get(chain::finalized))
        .route("/lean/v0/finality", get(chain::finality))
        .route("/lean/v0/fork_choice", get(chain::fork_choice))
        // The path of ethlambda's page; ours has another one.
        .route(
            "/lean/v0/fork_choice/ui",
            get(async || Redirect::temporary("/")),
        )
        .route("/lean/v0/states/{id}", get(chain::state))
        .route("/lean/v0/blocks", get(chain::blocks))
        .route("/lean/v0/blocks/{id}", get(chain::block))
        .route("/lean/v0/blocks/{id}/header", get(chain::header))
        .route("/lean/v0/headers/{id}", get(chain::header))
        .route("/lean/v0/events", get(events::events))
        .route("/lean/v0/config/spec", get(node::spec))
        .route("/lean/v0/genesis", get(node::genesis))
        .route("/lean/v0/node/identity", get(node::identity))
        .route("/lean/v0/node/version", get(node::version))
        .route("/lean/v0/node/syncing", get(node::syncing))
        .route("/lean/v0/node/peers", get(node::peers))
        .route("/lean/v0/node/peer_count", get(node::peer_count))
}

type IdResult = Result<Path<String>, PathRejection>;

/// The block that the path names.
fn block_id(id: IdResult) -> Result<BlockId, ApiError> {
    let Path(id) = id.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    id.parse()
        .map_err(|error: BlockIdError| ApiError::bad_request(error.to_string()))
}

/// An answer that exists in JSON only.
fn json(headers: &HeaderMap, view: impl Serialize) -> Result<Response, ApiError> {
    negotiate(headers, JSON)?;
    Ok(Json(view).into_response())
}
