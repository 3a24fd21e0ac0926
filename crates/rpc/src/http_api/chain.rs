//! The endpoints about the chain: checkpoints, blocks, states and the fork-choice tree.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use quartet_types::Slot;
use serde::{Deserialize, Serialize};
use ssz::Encode;

use super::{IdResult, JSON, block_id, json, views::HeadView};
use crate::{
    accept::{Form, negotiate},
    block_id::BlockId,
    block_pieces::{BlockPieces, MOST_SLOTS},
    block_views::{NamedHeaderView, SignedBlockView, StateView},
    error::ApiError,
    node::NodeView,
    pieces,
    slot_range::SlotRange,
    state_pieces::StatePieces,
    tree_pieces::TreePieces,
    views::FinalizedView,
};

const SSZ_OR_JSON: &[Form] = &[Form::Ssz, Form::Json];
const JSON_OR_SSZ: &[Form] = &[Form::Json, Form::Ssz];

type Answer = Result<Response, ApiError>;

pub(super) async fn head(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, HeadView::from(node.overview().head))
}

pub(super) async fn justified(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, node.overview().justified)
}

pub(super) async fn finalized(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    json(&headers, node.overview().finalized)
}

pub(super) async fn fork_choice(State(node): State<NodeView>, headers: HeaderMap) -> Answer {
    negotiate(&headers, JSON)?;
    pieces::answer(node, Form::Json, TreePieces::read).await
}

pub(super) async fn state(
    State(node): State<NodeView>,
    id: IdResult,
    headers: HeaderMap,
) -> Answer {
    let id = block_id(id)?;
    let state = move |node: &NodeView| {
        let state = node.state(id)?;
        state.ok_or_else(|| ApiError::not_found("no such state, or it is not kept"))
    };
    match negotiate(&headers, SSZ_OR_JSON)? {
        Form::Json => {
            node.heavy(move |node| {
                let state = state(node)?;
                Ok(Json(StateView::from(&*state)).into_response())
            })
            .await?
        }
        form => pieces::answer(node, form, move |node| state(node).map(StatePieces::new)).await,
    }
}

/// A range of slots, as a client asks for it.
#[derive(Debug, Deserialize)]
pub(super) struct RangeQuery {
    start_slot: Slot,
    count: u64,
}

type RangeResult = Result<Query<RangeQuery>, QueryRejection>;

fn slot_range(query: RangeResult) -> Result<SlotRange, ApiError> {
    let Query(query) = query.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    SlotRange::new(query.start_slot, query.count, MOST_SLOTS)
}

pub(super) async fn blocks(
    State(node): State<NodeView>,
    query: RangeResult,
    headers: HeaderMap,
) -> Answer {
    let range = slot_range(query)?;
    negotiate(&headers, JSON)?;
    pieces::answer(node, Form::Json, move |node| BlockPieces::new(node, range)).await
}

pub(super) async fn finality(
    State(node): State<NodeView>,
    query: RangeResult,
    headers: HeaderMap,
) -> Answer {
    let range = slot_range(query)?;
    negotiate(&headers, JSON)?;
    let moves = node.heavy(move |node| node.finality(range)).await??;
    let moves: Vec<_> = moves.into_iter().map(FinalizedView::from).collect();
    Ok(Json(moves).into_response())
}

pub(super) async fn block(
    State(node): State<NodeView>,
    id: IdResult,
    headers: HeaderMap,
) -> Answer {
    let id = block_id(id)?;
    // All clients serve the finalized block, from which others start, in SSZ, and any other one in JSON.
    let offered = match id {
        BlockId::Finalized => SSZ_OR_JSON,
        _ => JSON_OR_SSZ,
    };
    let form = negotiate(&headers, offered)?;
    node.heavy(move |node| {
        let found = node.block(id)?;
        let (_, block) = found.ok_or_else(no_block)?;
        Ok(encoded(form, &*block, || SignedBlockView::from(&*block)))
    })
    .await?
}

pub(super) async fn header(
    State(node): State<NodeView>,
    id: IdResult,
    headers: HeaderMap,
) -> Answer {
    let id = block_id(id)?;
    negotiate(&headers, JSON)?;
    node.heavy(move |node| {
        let found = node.block(id)?;
        let (root, block) = found.ok_or_else(no_block)?;
        // The hash of the whole body is part of it.
        let view = NamedHeaderView::new(root, &block.block().header());
        Ok(Json(view).into_response())
    })
    .await?
}

fn no_block() -> ApiError {
    ApiError::not_found("no such block")
}

/// The answer in the form that was agreed on.
fn encoded<V: Serialize>(form: Form, value: &impl Encode, view: impl FnOnce() -> V) -> Response {
    match form {
        Form::Json => Json(view()).into_response(),
        form => ([(CONTENT_TYPE, form.media_type())], value.as_ssz_bytes()).into_response(),
    }
}
