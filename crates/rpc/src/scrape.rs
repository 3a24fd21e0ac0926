//! What a scrape of `/metrics` reads of the node.

use axum::{
    extract::State,
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use quartet_chain::SyncState;
use quartet_metrics::{CONTENT_TYPE_TEXT, Metrics, Reading, SyncStatus};
use tracing::error;

use crate::{
    accept::{Form, negotiate},
    condition::Condition,
    error::ApiError,
    node::{NodeInfo, NodeView},
};

/// `/metrics`. Without a recorder, only the values that are read here.
pub(crate) async fn scrape(
    State(node): State<NodeView>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    negotiate(&headers, &[Form::Text])?;
    let metrics = match node.metrics() {
        Some(metrics) => metrics.clone(),
        None => Metrics::detached().map_err(|failure| {
            error!(%failure, "a scrape could not be answered");
            ApiError::internal()
        })?,
    };
    let text = metrics.render(&read(&node));
    Ok(([(CONTENT_TYPE, CONTENT_TYPE_TEXT)], text).into_response())
}

fn read(node: &NodeView) -> Reading<'_> {
    let (overview, info) = (node.overview(), node.info());
    let (justified, finalized) = node.head_checkpoints();
    let condition = node.condition_of(&overview);
    Reading {
        client: NodeInfo::CLIENT,
        version: &info.version,
        commit: &info.commit,
        node: &info.name,
        started: node.started().as_secs_f64(),
        validators: info.validators.len(),
        current_slot: node.current_slot(),
        head_slot: overview.head.slot,
        safe_target_slot: overview.safe_target.slot,
        justified_slot: overview.justified.slot,
        finalized_slot: overview.finalized.slot,
        head_justified_slot: justified.slot,
        head_finalized_slot: finalized.slot,
        sync: match (overview.sync, condition) {
            (SyncState::Syncing { target }, _) => SyncStatus::Syncing {
                target,
                slots_per_second: overview.sync_speed,
            },
            // A scraper could not see that a cut-off text is incomplete.
            (_, Condition::Synced | Condition::Stalled) => SyncStatus::Synced,
            _ => SyncStatus::Idle,
        },
        condition: condition.name(),
    }
}
