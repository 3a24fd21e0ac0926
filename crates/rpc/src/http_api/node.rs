//! The endpoints about the node: its condition, identity, peers and network.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::{
    JSON, json,
    views::{HealthView, IdentityView, NodeSyncingView, NodeVersionView, PeerCountView, SpecView},
};
use crate::{
    accept::negotiate, condition::Condition, error::ApiError, node::NodeView,
    node_views::GenesisView, views::PeersView,
};

type Answer = Result<Response, ApiError>;

/// 200 for a synced node, 206 for one that is catching up, 503 for one that needs an operator.
pub(crate) async fn health(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    negotiate(&headers, JSON)?;
    let overview = node.overview();
    let condition = node.condition_of(&overview);
    let status = match condition {
        Condition::Synced => StatusCode::OK,
        Condition::Starting | Condition::Syncing => StatusCode::PARTIAL_CONTENT,
        Condition::CutOff | Condition::Stalled => StatusCode::SERVICE_UNAVAILABLE,
    };
    let view = HealthView::new(&node, &overview, condition);
    Ok((status, Json(view)).into_response())
}

pub(super) async fn spec(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, SpecView::of(&node))
}

pub(super) async fn genesis(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, GenesisView::of(&node))
}

pub(super) async fn identity(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, IdentityView::of(&node))
}

pub(super) async fn version(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, NodeVersionView::from(node.info()))
}

pub(super) async fn syncing(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, NodeSyncingView::of(&node))
}

pub(super) async fn peers(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, PeersView::of(&node))
}

pub(super) async fn peer_count(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, PeerCountView::of(&node))
}
