//! Subscriptions to events over a WebSocket.

use jsonrpsee_core::SubscriptionError;
use jsonrpsee_server::{
    PendingSubscriptionSink, RegisterMethodError, RpcModule, SubscriptionCloseResponse,
    SubscriptionMessage, types::ErrorObjectOwned,
};
use metrics::counter;
use serde_json::{Value, value::to_raw_value};
use tokio::sync::broadcast::error::RecvError;

use super::{fault::Fault, params::Params};
use crate::{feed::Topics, node::NodeView};

/// The methods by which one subscribes, and does no longer.
pub(super) const NAMES: [&str; 2] = ["lean_subscribe", "lean_unsubscribe"];
/// The method name of notifications.
const NOTIFICATION: &str = "lean_subscription";

pub(super) fn register(module: &mut RpcModule<NodeView>) -> Result<(), RegisterMethodError> {
    let [subscribe, unsubscribe] = NAMES;
    module.register_subscription(
        subscribe,
        NOTIFICATION,
        unsubscribe,
        |params, pending, node, _| async move {
            match topics(params.as_str()) {
                Ok(topics) => follow(&node, topics, pending).await,
                Err(fault) => {
                    pending.reject(ErrorObjectOwned::from(fault)).await;
                    SubscriptionCloseResponse::None
                }
            }
        },
    )?;
    Ok(())
}

/// The topics: each parameter is one, or the one called `topics` is a list of them.
fn topics(params: Option<&str>) -> Result<Topics, Fault> {
    let names = match Params::parse(params)? {
        Params::Positional(values) => values,
        Params::Named(mut values) => match values.remove("topics") {
            Some(Value::Array(topics)) if values.is_empty() => topics,
            _ => return Err(Fault::invalid_params("expected one parameter, `topics`")),
        },
    };
    let name = |value: &Value| match value {
        Value::String(name) => Ok(name.clone()),
        other => Err(Fault::invalid_params(format!(
            "expected the name of a topic, found {other}"
        ))),
    };
    let names: Vec<String> = names.iter().map(name).collect::<Result<_, _>>()?;
    Ok(Topics::parse(names.iter().map(String::as_str))?)
}

/// Sends events until the subscription ends, or the client is too slow to take them.
async fn follow(
    node: &NodeView,
    topics: Topics,
    pending: PendingSubscriptionSink,
) -> SubscriptionCloseResponse {
    // From before the answer on, so that nothing is lost in between.
    let mut events = node.feed().subscribe();
    let Ok(sink) = pending.accept().await else {
        return SubscriptionCloseResponse::None;
    };
    loop {
        let event = tokio::select! {
            biased;
            () = sink.closed() => return SubscriptionCloseResponse::None,
            event = events.recv() => event,
        };
        match event {
            Ok(event) if !topics.contains(event.topic) => {}
            Ok(event) => {
                let message = SubscriptionMessage::from(event.json.clone());
                if sink.send(message).await.is_err() {
                    return SubscriptionCloseResponse::None;
                }
            }
            Err(RecvError::Lagged(missed)) => {
                counter!("quartet_subscribers_dropped_total").increment(1);
                return too_slow(missed);
            }
            Err(RecvError::Closed) => return SubscriptionCloseResponse::None,
        }
    }
}

fn too_slow(missed: u64) -> SubscriptionCloseResponse {
    let fault = ErrorObjectOwned::from(Fault::too_slow(missed));
    match to_raw_value(&fault) {
        Ok(json) => SubscriptionCloseResponse::NotifErr(SubscriptionError::from_json(json)),
        Err(_) => SubscriptionCloseResponse::None,
    }
}
