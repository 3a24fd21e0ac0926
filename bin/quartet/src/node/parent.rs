//! The parent process at the other end of standard input: its end, and its orders.
//!
//! The only order is `apart NAME NAME …`: keep apart from these peers, and talk to all others again. It makes the partitions of a
//! devnet. Only the parent can write to this pipe.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read as _},
    thread,
};

use anyhow::Context as _;
use quartet_chain::PeerName;
use tokio::sync::{oneshot, watch};

/// Bytes of an order: a hundred names of peers, more than a devnet has.
const MAX_ORDER: u64 = 8 * 1024;
/// What an order begins with.
const APART: &str = "apart";

/// What comes from the parent.
pub(crate) struct Parent {
    /// Completes when standard input ends.
    pub(crate) ended: oneshot::Receiver<()>,
    /// The peers that this node is to keep apart from.
    pub(crate) apart: watch::Receiver<BTreeSet<PeerName>>,
}

/// Listens on standard input from now on. The thread that reads it lasts as long as the process.
pub(crate) fn listen() -> anyhow::Result<Parent> {
    let (say_ended, ended) = oneshot::channel();
    let (order, apart) = watch::channel(BTreeSet::new());
    thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            take_orders(BufReader::new(std::io::stdin()), &order);
            // Nobody listens any more when the node is stopping already.
            let _ = say_ended.send(());
        })
        .context("cannot watch standard input")?;
    Ok(Parent { ended, apart })
}

/// Passes orders on until the parent has gone. Other lines are skipped.
fn take_orders(mut input: impl BufRead, order: &watch::Sender<BTreeSet<PeerName>>) {
    loop {
        let mut line = Vec::new();
        match input.by_ref().take(MAX_ORDER).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        if let Some(names) = parse(&line) {
            order.send_replace(names);
        }
    }
}

/// The peers of an order, if the line is a complete one.
fn parse(line: &[u8]) -> Option<BTreeSet<PeerName>> {
    let line = str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let mut words = line.split_ascii_whitespace();
    (words.next()? == APART).then(|| words.map(PeerName::new).collect())
}

/// The order to keep apart from these peers, as a line.
pub(crate) fn order(apart: &BTreeSet<PeerName>) -> String {
    let mut line = APART.to_owned();
    for peer in apart {
        line.push(' ');
        line.push_str(peer.as_str());
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<PeerName> {
        names.iter().map(|name| PeerName::new(*name)).collect()
    }

    #[test]
    fn an_order_is_understood_as_it_was_meant() {
        for given in [names(&[]), names(&["a"]), names(&["b", "a"])] {
            assert_eq!(parse(order(&given).as_bytes()), Some(given));
        }
    }

    #[test]
    fn what_is_no_order_changes_nothing() {
        let long = format!("apart {}\n", "x".repeat(MAX_ORDER as usize));
        let input = format!("hello\n\napart a b\n{long}ap");
        let (sender, receiver) = watch::channel(BTreeSet::new());
        take_orders(input.as_bytes(), &sender);
        assert_eq!(*receiver.borrow(), names(&["a", "b"]));
    }
}
