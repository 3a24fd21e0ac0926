//! Subscribers to everything.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use futures::future::try_join_all;
use jsonrpsee_core::{
    client::{ClientT as _, Subscription, SubscriptionClientT as _},
    params::ArrayParams,
    rpc_params,
};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::figures::Spread;

const TOPICS: [&str; 12] = [
    "head",
    "block",
    "attestation",
    "justified",
    "finalized",
    "safe_target",
    "reorg",
    "equivocation",
    "sync",
    "peer",
    "duty",
    "slot",
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The node's HTTP address.
    address: SocketAddr,
    /// Subscribers that read.
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Subscribers that subscribe and never read.
    #[arg(long, default_value_t = 0)]
    stuck: usize,
    /// For this many slots.
    #[arg(long, default_value_t = 100)]
    slots: u64,
}

/// The members of an event that are read.
#[derive(Debug, Deserialize)]
struct Told {
    topic: String,
    at: u64,
    #[serde(default)]
    slot: u64,
}

/// The events that a subscriber received.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Events by topic, between the first and the last slot that count.
    events: BTreeMap<String, u64>,
    ended: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<String> {
    let genesis = {
        let client = connect(args.address).await?;
        client
            .request::<Value, _>("lean_genesis", rpc_params![])
            .await?
    };
    let slot_ms = genesis["slot_duration_ms"]
        .as_u64()
        .context("no lean_genesis")?;
    let mut open = Vec::new();
    // Not all at once: what is measured is not how fast connections are made.
    for _ in 0..args.subscribers.div_ceil(50) {
        let batch = 50.min(args.subscribers - open.len());
        open.extend(try_join_all((0..batch).map(|_| subscriber(args.address))).await?);
    }
    let stuck = try_join_all((0..args.stuck).map(|_| stuck(args.address))).await?;
    let client = connect(args.address).await?;
    let head: Value = client.request("lean_syncing", rpc_params![]).await?;
    let first = head["current_slot"].as_u64().context("no lean_syncing")? + 1;
    let last = first + args.slots;
    let deadline = Instant::now() + Duration::from_millis(slot_ms) * (args.slots as u32 + 8);
    let watched = open
        .into_iter()
        .map(|(client, events)| tokio::spawn(watch(client, events, first, last, deadline)));
    let (mut tallies, mut heads, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for watched in watched.collect::<Vec<_>>() {
        let (tally, head, every) = watched.await?;
        tallies.push(tally);
        heads.extend(head);
        all.extend(every);
    }
    drop(stuck);
    let most = tallies
        .iter()
        .max_by_key(|tally| tally.events.values().sum::<u64>());
    let most = most.context("there was no subscriber")?;
    let lost = tallies
        .iter()
        .filter(|tally| tally.events != most.events)
        .count();
    let ended = tallies.iter().filter(|tally| tally.ended).count();
    Ok(json!({
        "subscribers": tallies.len(),
        "slots": args.slots,
        "events_each": most.events,
        "told_less_than_others": lost,
        "ended_early": ended,
        "head_latency": Spread::of(heads),
        "latency": Spread::of(all),
    })
    .to_string())
}

async fn connect(address: SocketAddr) -> anyhow::Result<WsClient> {
    let client = WsClientBuilder::default()
        .max_buffer_capacity_per_subscription(16_384)
        .build(format!("ws://{address}/"))
        .await?;
    Ok(client)
}

async fn subscriber(address: SocketAddr) -> anyhow::Result<(WsClient, Subscription<Told>)> {
    let client = connect(address).await?;
    let mut topics = ArrayParams::new();
    for topic in TOPICS {
        topics.insert(topic)?;
    }
    let events = client
        .subscribe("lean_subscribe", topics, "lean_unsubscribe")
        .await?;
    Ok((client, events))
}

/// Counts what happens in the slots from `first` to before `last`, by the slot that an event's time lies in.
async fn watch(
    client: WsClient,
    mut events: Subscription<Told>,
    first: u64,
    last: u64,
    deadline: Instant,
) -> (Tally, Vec<f64>, Vec<f64>) {
    let (mut tally, mut heads, mut all) = (Tally::default(), Vec::new(), Vec::new());
    let mut now = 0;
    while let Ok(event) = timeout_at(deadline, events.next()).await {
        let Some(Ok(Told { topic, at, slot })) = event else {
            tally.ended = true;
            break;
        };
        let came = quartet_clock::unix_time();
        let late = came.as_secs_f64() * 1_000.0 - at as f64;
        // The slot ends are the same for all subscribers, and events keep their order.
        if topic == "slot" {
            now = slot + 1;
        }
        if now > last {
            break;
        }
        if now > first {
            if topic == "head" {
                heads.push(late);
            }
            all.push(late);
            *tally.events.entry(topic).or_default() += 1;
        }
    }
    drop(client);
    (tally, heads, all)
}

/// A connection that has subscribed and reads no more.
async fn stuck(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let handshake = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).await?;
    let mut answer = [0; 1024];
    let read = stream.read(&mut answer).await?;
    anyhow::ensure!(answer[..read].starts_with(b"HTTP/1.1 101"), "no WebSocket");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "lean_subscribe", "params": TOPICS })
        .to_string();
    let length = u16::try_from(call.len())?.to_be_bytes();
    // A masked text of 126 bytes or more; the mask is zero.
    let mut frame = vec![0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
    frame.extend(call.as_bytes());
    stream.write_all(&frame).await?;
    Ok(stream)
}
