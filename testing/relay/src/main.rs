//! `quartet-relay --listen 127.0.0.1:0 --to ADDR --delay 50ms --jitter 20ms --loss 2%`

// It prints its address.
#![allow(clippy::print_stdout)]

use std::{future::pending, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use clap::Parser;
use quartet_relay::{Conditions, Cut, Relay, RelayConfig};

/// Relay UDP between clients and one address, with delay, loss and cuts
#[derive(Debug, Parser)]
#[command(after_help = "\
The first line that is printed is the address at which it listens. Times are like 50ms or 2s.
It runs until it is ended.")]
struct Arguments {
    /// Where clients find it; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Where it sends what they send
    #[arg(long, value_name = "ADDR")]
    to: SocketAddr,

    /// How long a datagram takes, in either direction
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = time)]
    delay: Duration,

    /// How much more or less it takes
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = time)]
    jitter: Duration,

    /// Which share is lost, like 2% or 0.02
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    loss: f64,

    /// What chance is made from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Lets nothing through from one time after the start to another; may be given several times
    #[arg(long, value_name = "FROM..TO", value_parser = cut)]
    cut: Vec<Cut>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let relay = Relay::start(RelayConfig {
        listen: arguments.listen,
        target: arguments.to,
        conditions: Conditions {
            delay: arguments.delay,
            jitter: arguments.jitter,
            loss: arguments.loss,
            cuts: arguments.cut,
        },
        seed: arguments.seed,
    })
    .await
    .with_context(|| format!("{} cannot be bound", arguments.listen))?;
    println!("{}", relay.address());
    pending().await
}

fn time(text: &str) -> Result<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(""), 1.0),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| anyhow!("a time is like 50ms or 2s"))?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| anyhow!("no such time"))
}

fn share(text: &str) -> Result<f64> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 1e-2),
        None => (text, 1.0),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| anyhow!("a share is like 2% or 0.02"))?;
    let share = number * unit;
    (0.0..=1.0)
        .contains(&share)
        .then_some(share)
        .context("a share is from 0 to 1, or from 0% to 100%")
}

fn cut(text: &str) -> Result<Cut> {
    let (from, to) = text.split_once("..").context("a cut is like 10s..20s")?;
    Ok(time(from)?..time(to)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_read_with_their_units() {
        assert_eq!(time("50ms").unwrap(), Duration::from_millis(50));
        assert_eq!(time("1.5s").unwrap(), Duration::from_millis(1500));
        assert_eq!(share("2%").unwrap(), 0.02);
        assert_eq!(share("0.02").unwrap(), 0.02);
        let seconds = Duration::from_secs;
        assert_eq!(cut("10s..20s").unwrap(), seconds(10)..seconds(20));
        for wrong in ["", "50", "ms", "-1s", "s"] {
            assert!(time(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["", "101%", "-1", "many"] {
            assert!(share(wrong).is_err(), "{wrong:?}");
        }
    }
}
