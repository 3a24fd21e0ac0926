//! The field's HTTP API under `/lean/v0` (leanSpec `api/handlers.py`), and a little more of the same.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use quartet_types::{Checkpoint, Slot};
use serde::{Deserialize, Serialize};
use ssz::Encode;

use crate::{
    accept::{Form, negotiate},
    block_id::{BlockId, BlockIdError},
    block_pieces::{BlockPieces, MOST_SLOTS, SlotRange},
    error::ApiError,
    node::NodeView,
    pieces,
    state_pieces::StatePieces,
    tree_pieces::TreePieces,
    views::{HealthView, PeersView, SignedBlockView, StateView},
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
    Ok(Json(PeersView::of(&node)))
}

pub(crate) async fn fork_choice(
    State(node): State<NodeView>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    negotiate(&headers, JSON)?;
    pieces::answer(node, Form::Json, TreePieces::read).await
}

pub(crate) async fn state(
    State(node): State<NodeView>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = block_id(id)?;
    let state = move |node: &NodeView| {
        let state = node.state(id)?;
        state.ok_or_else(|| ApiError::not_found("no such state, or it is not kept"))
    };
    match negotiate(&headers, SSZ_OR_JSON)? {
        Form::Ssz => {
            pieces::answer(node, Form::Ssz, move |node| {
                state(node).map(StatePieces::new)
            })
            .await
        }
        Form::Json => {
            node.heavy(move |node| {
                let state = state(node)?;
                Ok(Json(StateView::from(&*state)).into_response())
            })
            .await?
        }
    }
}

/// A range of slots, as a client asks for it.
#[derive(Debug, Deserialize)]
pub(crate) struct RangeQuery {
    start_slot: Slot,
    count: u64,
}

type RangeResult = Result<Query<RangeQuery>, QueryRejection>;

fn slot_range(query: RangeResult) -> Result<SlotRange, ApiError> {
    let Query(query) = query.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    SlotRange::new(query.start_slot, query.count, MOST_SLOTS)
}

pub(crate) async fn blocks(
    State(node): State<NodeView>,
    query: RangeResult,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let range = slot_range(query)?;
    negotiate(&headers, JSON)?;
    pieces::answer(node, Form::Json, move |node| BlockPieces::new(node, range)).await
}

pub(crate) async fn finality(
    State(node): State<NodeView>,
    query: RangeResult,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let range = slot_range(query)?;
    negotiate(&headers, JSON)?;
    let moves = node.heavy(move |node| node.finality(range)).await??;
    Ok(Json(moves).into_response())
}

pub(crate) async fn block(
    State(node): State<NodeView>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = block_id(id)?;
    let form = negotiate(&headers, SSZ_OR_JSON)?;
    node.heavy(move |node| {
        let found = node.block(id)?;
        let (_, block) = found.ok_or_else(|| ApiError::not_found("no such block"))?;
        Ok(encoded(form, &*block, || SignedBlockView::from(&*block)))
    })
    .await?
}

/// The block that the path names.
fn block_id(id: Result<Path<String>, PathRejection>) -> Result<BlockId, ApiError> {
    let Path(id) = id.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    id.parse()
        .map_err(|error: BlockIdError| ApiError::bad_request(error.to_string()))
}

/// The answer in the form that was agreed on.
fn encoded<V: Serialize>(form: Form, value: &impl Encode, view: impl FnOnce() -> V) -> Response {
    match form {
        Form::Json => Json(view()).into_response(),
        Form::Ssz => ([(CONTENT_TYPE, form.media_type())], value.as_ssz_bytes()).into_response(),
    }
}
