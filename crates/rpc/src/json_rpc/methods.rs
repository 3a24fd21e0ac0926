//! The methods: what the node tells about the chain and itself.

use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{Fault, MAX_ANSWERS, Params};
use crate::{
    block_id::{BlockId, BlockIdError},
    block_pieces::{BlockPieces, SlotRange},
    error::ApiError,
    node::NodeView,
    pieces::{More, Source as _},
    views::{EquivocationsView, FinalityView, NamedBlockView, PeersView, SyncingView, VersionView},
};

/// Slots of one call, whose answer is in memory at once; the HTTP API has more.
const MOST_SLOTS: u64 = 64;

const METHODS: &str = "lean_block, lean_blocks, lean_equivocations, lean_finality, lean_finality_history, lean_head, lean_peers, lean_syncing and lean_version";

/// Whether a method reads the disk or answers at length.
pub(super) fn is_heavy(method: &str) -> bool {
    matches!(
        method,
        "lean_block" | "lean_blocks" | "lean_equivocations" | "lean_finality_history"
    )
}

/// Calls a method.
pub(super) async fn call(
    node: &NodeView,
    method: &str,
    params: Params,
) -> Result<Box<RawValue>, Fault> {
    if method == "lean_block" {
        return block(node, params).await;
    }
    if method == "lean_blocks" {
        return blocks(node, params).await;
    }
    if method == "lean_finality_history" {
        return finality_history(node, params).await;
    }
    if method == "lean_equivocations" {
        params.none()?;
        return equivocations(node).await;
    }
    let answer: fn(&NodeView) -> Result<Box<RawValue>, Fault> = match method {
        "lean_head" => |node| json(&node.overview().head),
        "lean_finality" => |node| json(&FinalityView::from(&node.overview())),
        "lean_syncing" => |node| json(&SyncingView::new(&node.overview(), node.current_slot())),
        "lean_peers" => |node| json(&PeersView::from(node.peers())),
        "lean_version" => |node| json(&VersionView::from(node.info())),
        _ => {
            let detail = format!("the methods are {METHODS}");
            return Err(Fault::method_not_found(detail));
        }
    };
    params.none()?;
    answer(node)
}

/// The block that the parameter names, or null.
async fn block(node: &NodeView, params: Params) -> Result<Box<RawValue>, Fault> {
    let id = block_id(&params.one("block")?)?;
    node.heavy(move |node| {
        let found = node.block(id).map_err(ApiError::from)?;
        match &found {
            Some((root, block)) => json(&NamedBlockView::new(*root, block)),
            None => json(&()),
        }
    })
    .await?
}

/// The blocks of the head's chain in a range of slots.
async fn blocks(node: &NodeView, params: Params) -> Result<Box<RawValue>, Fault> {
    let range = range(params)?;
    let json = node
        .heavy(move |node| {
            let mut source = BlockPieces::new(node, range)?;
            let mut json = Vec::new();
            loop {
                // A piece goes on where the last one has ended.
                let mut piece = Vec::new();
                let more = source.next(node, &mut piece)?;
                json.append(&mut piece);
                if json.len() > MAX_ANSWERS {
                    return Err(Fault::too_large(MAX_ANSWERS));
                }
                if more == More::No {
                    return Ok(json);
                }
            }
        })
        .await??;
    let json = String::from_utf8(json).map_err(|_| ApiError::internal())?;
    RawValue::from_string(json).map_err(|_| ApiError::internal().into())
}

/// When finality moved to the slots of a range.
async fn finality_history(node: &NodeView, params: Params) -> Result<Box<RawValue>, Fault> {
    let range = range(params)?;
    let moves = node.heavy(move |node| node.finality(range)).await?;
    json(&moves.map_err(ApiError::from)?)
}

fn range(params: Params) -> Result<SlotRange, Fault> {
    let [start, count] = params.two(["start_slot", "count"])?;
    let (Some(start), Some(count)) = (start.as_u64(), count.as_u64()) else {
        let detail = format!("expected two numbers, found {start} and {count}");
        return Err(Fault::invalid_params(detail));
    };
    Ok(SlotRange::new(start, count, MOST_SLOTS)?)
}

/// The evidence that is kept; with its signatures it can be large.
async fn equivocations(node: &NodeView) -> Result<Box<RawValue>, Fault> {
    node.heavy(|node| {
        let (total, kept) = node.equivocations();
        json(&EquivocationsView::new(total, &kept))
    })
    .await?
}

fn block_id(param: &Value) -> Result<BlockId, Fault> {
    let id = match param {
        Value::Number(slot) => slot.as_u64().map(BlockId::Slot),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    id.ok_or_else(|| {
        let error = BlockIdError::new(&param.to_string());
        Fault::invalid_params(error.to_string())
    })
}

fn json(answer: &impl Serialize) -> Result<Box<RawValue>, Fault> {
    to_raw_value(answer).map_err(|_| ApiError::internal().into())
}
