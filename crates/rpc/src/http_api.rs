//! The field's HTTP API under `/lean/v0` (leanSpec `api/handlers.py`), and a little more of the same.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use quartet_types::Checkpoint;
use serde::Serialize;
use ssz::Encode;

use crate::{
    accept::{Form, negotiate},
    block_id::{BlockId, BlockIdError},
    error::ApiError,
    node::NodeView,
    views::{ForkChoiceView, HealthView, PeersView, SignedBlockView, StateView},
};

const JSON: &[Form] = &[Form::Json];
const SSZ_OR_JSON: &[Form] = &[Form::Ssz, Form::Json];

pub(crate) async fn health() -> Json<HealthView> {
    Json(HealthView {
        status: "healthy",
        service: "lean-rpc-api",
    })
}

pub(crate) async fn head(
    State(node): State<NodeView>,
    headers: HeaderMap,
) -> Result<Json<Checkpoint>, ApiError> {
    negotiate(&headers, JSON)?;
    Ok(Json(node.overview().head))
}

pub(crate) async fn justified_checkpoint(
    State(node): State<NodeView>,
    headers: HeaderMap,
) -> Result<Json<Checkpoint>, ApiError> {
    negotiate(&headers, JSON)?;
    Ok(Json(node.overview().justified))
}

pub(crate) async fn finalized_checkpoint(
    State(node): State<NodeView>,
    headers: HeaderMap,
) -> Result<Json<Checkpoint>, ApiError> {
    negotiate(&headers, JSON)?;
    Ok(Json(node.overview().finalized))
}

pub(crate) async fn peers(
    State(node): State<NodeView>,
    headers: HeaderMap,
) -> Result<Json<PeersView>, ApiError> {
    negotiate(&headers, JSON)?;
    Ok(Json(node.peers().into()))
}

pub(crate) async fn fork_choice(
    State(node): State<NodeView>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    negotiate(&headers, JSON)?;
    node.heavy(|node| {
        let (overview, nodes) = node.fork_choice();
        Json(ForkChoiceView::new(&overview, &nodes)).into_response()
    })
    .await
}

pub(crate) async fn finalized_state(
    State(node): State<NodeView>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = negotiate(&headers, SSZ_OR_JSON)?;
    node.heavy(move |node| {
        let state = node.finalized_state()?;
        let state = state.ok_or_else(|| ApiError::not_found("the finalized state is not kept"))?;
        Ok(encoded(form, &*state, || StateView::from(&*state)))
    })
    .await?
}

pub(crate) async fn block(
    State(node): State<NodeView>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    let id: BlockId = id
        .parse()
        .map_err(|error: BlockIdError| ApiError::bad_request(error.to_string()))?;
    let form = negotiate(&headers, SSZ_OR_JSON)?;
    node.heavy(move |node| {
        let found = node.block(id)?;
        let (_, block) = found.ok_or_else(|| ApiError::not_found("no such block"))?;
        Ok(encoded(form, &*block, || SignedBlockView::from(&*block)))
    })
    .await?
}

/// The answer in the form that was agreed on.
fn encoded<V: Serialize>(form: Form, value: &impl Encode, view: impl FnOnce() -> V) -> Response {
    match form {
        Form::Json => Json(view()).into_response(),
        Form::Ssz => ([(CONTENT_TYPE, form.media_type())], value.as_ssz_bytes()).into_response(),
    }
}
