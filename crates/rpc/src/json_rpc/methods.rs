//! The methods: what the node tells about the chain and itself. `openrpc.json` describes them.

use futures::future::{BoxFuture, FutureExt as _, ready};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{MAX_ANSWERS, fault::Fault, params::Params};
use crate::{
    block_id::BlockId,
    block_pieces::BlockPieces,
    block_views::NamedBlockView,
    error::ApiError,
    feed::KEPT_SLOTS,
    node::NodeView,
    node_views::{
        ConstantsView, DutiesView, GenesisView, NodeInfoView, StateSummaryView, ValidatorView,
        VotesView,
    },
    pieces::{HasMore, PieceSource},
    slot_range::SlotRange,
    tree_pieces::TreePieces,
    views::{EquivocationsView, FinalityView, FinalizedView, PeersView, SyncingView, VersionView},
};

/// Slots of one call, whose answer is in memory at once; the HTTP API has more.
const MOST_SLOTS: u64 = 64;
/// The document that `rpc.discover` answers with.
pub(super) const OPENRPC: &str = include_str!("openrpc.json");

type Answer = Result<Box<RawValue>, Fault>;

/// A method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    /// Whether it reads the disk or answers at length.
    pub(super) is_heavy: bool,
    pub(super) call: fn(NodeView, Params) -> BoxFuture<'static, Answer>,
}

const fn light(
    name: &'static str,
    call: fn(NodeView, Params) -> BoxFuture<'static, Answer>,
) -> Method {
    Method {
        name,
        is_heavy: false,
        call,
    }
}

const fn heavy(
    name: &'static str,
    call: fn(NodeView, Params) -> BoxFuture<'static, Answer>,
) -> Method {
    Method {
        name,
        is_heavy: true,
        call,
    }
}

/// All methods but those for subscriptions.
pub(super) const METHODS: &[Method] = &[
    heavy("lean_block", |node, params| block(node, params).boxed()),
    heavy("lean_blocks", |node, params| blocks(node, params).boxed()),
    light("lean_constants", |node, params| {
        at_once(params, || json(&ConstantsView::of(&node)))
    }),
    light("lean_duties", |node, params| {
        let slot = params.number("slot");
        done(slot.and_then(|slot| json(&DutiesView::of(&node, slot))))
    }),
    heavy("lean_equivocations", |node, params| {
        equivocations(node, params).boxed()
    }),
    light("lean_finality", |node, params| {
        at_once(params, || json(&FinalityView::from(&node.overview())))
    }),
    heavy("lean_finality_history", |node, params| {
        finality_history(node, params).boxed()
    }),
    heavy("lean_fork_choice", |node, params| {
        fork_choice(node, params).boxed()
    }),
    light("lean_genesis", |node, params| {
        at_once(params, || json(&GenesisView::of(&node)))
    }),
    light("lean_head", |node, params| {
        at_once(params, || json(&node.overview().head))
    }),
    light("lean_node_info", |node, params| {
        at_once(params, || json(&NodeInfoView::of(&node)))
    }),
    light("lean_peers", |node, params| {
        at_once(params, || json(&PeersView::of(&node)))
    }),
    heavy("lean_state", |node, params| state(node, params).boxed()),
    light("lean_syncing", |node, params| {
        at_once(params, || json(&SyncingView::of(&node)))
    }),
    light("lean_validator", |node, params| {
        done(validator(&node, params))
    }),
    heavy("lean_validators", |node, params| {
        validators(node, params).boxed()
    }),
    light("lean_version", |node, params| {
        at_once(params, || json(&VersionView::from(node.info())))
    }),
    heavy("lean_votes", |node, params| votes(node, params).boxed()),
    light("rpc.discover", |_, params| at_once(params, discover)),
];

/// Whether a method reads the disk or answers at length.
pub(super) fn is_heavy(name: &str) -> bool {
    METHODS
        .iter()
        .any(|method| method.is_heavy && method.name == name)
}

fn done(answer: Answer) -> BoxFuture<'static, Answer> {
    ready(answer).boxed()
}

/// The answer of a method that has no parameters.
fn at_once(params: Params, answer: impl FnOnce() -> Answer) -> BoxFuture<'static, Answer> {
    done(params.take([]).and_then(|[]| answer()))
}

/// The block that the parameter names, or null.
async fn block(node: NodeView, params: Params) -> Answer {
    let id = params.block()?;
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
async fn blocks(node: NodeView, params: Params) -> Answer {
    let range = params.range(MOST_SLOTS)?;
    whole(node, move |node| BlockPieces::new(node, range)).await
}

/// The tree, from the finalized block on.
async fn fork_choice(node: NodeView, params: Params) -> Answer {
    let [] = params.take([])?;
    whole(node, TreePieces::read).await
}

/// All pieces of an answer, which must not exceed [`MAX_ANSWERS`].
async fn whole<S: PieceSource>(
    node: NodeView,
    begin: impl FnOnce(&NodeView) -> Result<S, ApiError> + Send + 'static,
) -> Answer {
    let json = node
        .heavy(move |node| {
            let mut source = begin(node)?;
            let mut json = Vec::new();
            loop {
                // Each piece begins where the last one has ended.
                let mut piece = Vec::new();
                let more = source.next(node, &mut piece)?;
                json.append(&mut piece);
                if json.len() > MAX_ANSWERS {
                    return Err(Fault::too_large(MAX_ANSWERS));
                }
                if more == HasMore::No {
                    return Ok(json);
                }
            }
        })
        .await??;
    let json = String::from_utf8(json).map_err(|_| ApiError::internal())?;
    RawValue::from_string(json).map_err(|_| ApiError::internal().into())
}

/// When finality moved to the slots of a range.
async fn finality_history(node: NodeView, params: Params) -> Answer {
    let range: SlotRange = params.range(MOST_SLOTS)?;
    let moves = node.heavy(move |node| node.finality(range)).await?;
    let moves = moves.map_err(ApiError::from)?.into_iter();
    json(&moves.map(FinalizedView::from).collect::<Vec<_>>())
}

/// The evidence that is kept; with its signatures it can be large.
async fn equivocations(node: NodeView, params: Params) -> Answer {
    let [] = params.take([])?;
    node.heavy(|node| {
        let (total, kept) = node.equivocations();
        json(&EquivocationsView::new(total, &kept))
    })
    .await?
}

/// The state after a block, in short, or null.
async fn state(node: NodeView, params: Params) -> Answer {
    let id: BlockId = params.block()?;
    node.heavy(move |node| {
        let state = node.state(id).map_err(ApiError::from)?;
        match node.root_of(id).zip(state) {
            Some((root, state)) => json(&StateSummaryView::new(root, &state)),
            None => json(&()),
        }
    })
    .await?
}

/// One validator and what it has done, or null.
fn validator(node: &NodeView, params: Params) -> Answer {
    let index = params.number("index")?;
    json(&ValidatorView::of(node, index..index.saturating_add(1)).first())
}

/// All of them.
async fn validators(node: NodeView, params: Params) -> Answer {
    let [] = params.take([])?;
    node.heavy(|node| json(&ValidatorView::of(node, 0..node.overview().validator_count)))
        .await?
}

/// The votes of one of the last slots.
async fn votes(node: NodeView, params: Params) -> Answer {
    let slot = params.number("slot")?;
    let current = node.current_slot();
    if slot > current + 1 || slot + (KEPT_SLOTS as u64) <= current {
        let detail =
            format!("expected one of the last {KEPT_SLOTS} slots before {current}, found {slot}");
        return Err(Fault::invalid_params(detail));
    }
    node.heavy(move |node| json(&VotesView::of(node, slot)))
        .await?
}

fn discover() -> Answer {
    RawValue::from_string(OPENRPC.trim().to_owned()).map_err(|_| ApiError::internal().into())
}

fn json(answer: &impl Serialize) -> Answer {
    to_raw_value(answer).map_err(|_| ApiError::internal().into())
}
