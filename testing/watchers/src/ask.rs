//! Requests at a steady rate over connections that are kept.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::figures::Spread;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The node's HTTP address.
    address: SocketAddr,
    /// Requests per second, all connections together.
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// For how long.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// The method that is called.
    #[arg(long, default_value = "lean_head")]
    method: String,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<String> {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": args.method }).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{call}",
        args.address,
        call.len()
    );
    let every = Duration::from_secs(1) * args.connections / args.rate;
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let connections = (0..args.connections).map(|number| {
        let offset = every * number / args.connections;
        connection(args.address, request.clone(), every, offset, until)
    });
    let took: Vec<f64> = try_join_all(connections).await?.concat();
    let rate = took.len() as f64 / args.seconds as f64;
    let spread = Spread::of(took).context("no request was answered")?;
    Ok(json!({ "requests_per_second": rate, "took": spread }).to_string())
}

/// Milliseconds from the moment at which each request was due, where it had to wait behind a slow one, so that this counts; else from
/// the moment at which it was sent, since the runtime's timers are a millisecond late.
async fn connection(
    address: SocketAddr,
    request: String,
    every: Duration,
    offset: Duration,
    until: Instant,
) -> anyhow::Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    tokio::time::sleep(offset).await;
    let mut due = interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut took, mut answer) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        let ended = Instant::now();
        let at = due.tick().await;
        let begun = if ended > at { at } else { Instant::now() };
        stream.write_all(request.as_bytes()).await?;
        read(&mut stream, &mut answer).await?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(took)
}

/// Reads one answer.
async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    answer.clear();
    loop {
        let read = stream.read_buf(answer).await?;
        ensure!(read > 0, "the node has closed a connection");
        let text = std::str::from_utf8(answer)?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .context("an answer has no length")?;
        if body.len() >= length.1.trim().parse()? {
            ensure!(body.contains("\"result\""), "the node answered {body}");
            return Ok(());
        }
    }
}
