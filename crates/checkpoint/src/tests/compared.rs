//! One server or several, and which checkpoint is taken.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use quartet_types::Checkpoint;

use super::{
    chain::{Served, chain, genesis, network},
    liar::{Liar, Reply, honest, ssz, status},
};
use crate::{
    Anchor, CheckpointError, Claim, Fetched, Limits, MOST_SERVERS, Mismatch, Network, Refusal,
    ServerUrl, fetch,
    url::{BLOCK_PATH, STATE_PATH},
};
use ssz::Encode as _;

const NOW: u64 = 12;

async fn ask(servers: &[&Liar]) -> Result<Fetched, CheckpointError> {
    let urls: Vec<ServerUrl> = servers.iter().map(|server| server.url.clone()).collect();
    fetch(&urls, network(NOW), Limits::default()).await
}

fn anchor(outcome: Result<Fetched, CheckpointError>) -> Box<Anchor> {
    match outcome {
        Ok(Fetched::Anchor(anchor)) => anchor,
        Ok(Fetched::Genesis) => panic!("genesis"),
        Err(error) => panic!("{error}"),
    }
}

fn refusals(outcome: Result<Fetched, CheckpointError>) -> Vec<(String, Refusal)> {
    match outcome {
        Err(CheckpointError::NoneUsable(refusals)) => refusals,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is taken"),
    }
}

#[tokio::test]
async fn an_honest_server_gives_its_block_and_state() {
    for served in chain(8, &[3, 4]) {
        let server = Liar::honest(&served).await;
        let anchor = anchor(ask(&[&server]).await);
        assert_eq!(anchor.block, served.block);
        assert_eq!(anchor.state, served.state);
        assert_eq!(anchor.checkpoint, served.checkpoint());
        assert_eq!(server.requests.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test]
async fn a_state_whose_header_has_its_root_already_is_the_same_state() {
    let served = chain(4, &[]).pop().unwrap();
    let mut filled = served.clone();
    filled.state.latest_block_header.state_root = served.block.block().state_root;
    let server = Liar::honest(&filled).await;
    assert_eq!(anchor(ask(&[&server]).await).state, served.state);

    filled.state.latest_block_header.state_root.0[0] ^= 1;
    let server = Liar::honest(&filled).await;
    let refusal = refusals(ask(&[&server]).await).remove(0).1;
    assert!(
        matches!(refusal, Refusal::Mismatch(Mismatch::Inconsistent(_))),
        "{refusal}"
    );
}

#[tokio::test]
async fn the_newest_of_several_on_one_chain_is_taken() {
    let chain = chain(9, &[]);
    let (old, middle) = (Liar::honest(&chain[2]).await, Liar::honest(&chain[5]).await);
    let (new, genesis) = (Liar::honest(&chain[8]).await, at_genesis().await);
    for servers in [
        [&old, &new, &genesis, &middle],
        [&new, &middle, &old, &genesis],
        [&genesis, &middle, &new, &new],
    ] {
        assert_eq!(
            anchor(ask(&servers).await).checkpoint,
            chain[8].checkpoint()
        );
    }
}

#[tokio::test]
async fn servers_on_different_chains_are_refused_by_name() {
    let (here, there) = (chain(8, &[]), chain(9, &[2]));
    let one = Liar::honest(&here[7]).await;
    // The same slot, a later one, and an earlier one.
    for block in [7, 6, 3] {
        let other = Liar::honest(&there[block]).await;
        for servers in [[&one, &other], [&other, &one]] {
            let error = ask(&servers).await.err().unwrap();
            let text = error.to_string();
            let CheckpointError::Disagree { newer, older } = error else {
                panic!("{error}");
            };
            let mut found = [*newer, *older];
            found.sort_by_key(|claim| claim.server != one.url.to_string());
            assert_eq!(found, [claim(&one, &here[7]), claim(&other, &there[block])]);
            for claim in found {
                let (root, slot) = (claim.checkpoint.root, claim.checkpoint.slot);
                assert!(
                    text.contains(&format!("{} has block {root} at slot {slot}", claim.server))
                );
            }
        }
    }
}

fn claim(server: &Liar, served: &Served) -> Claim {
    Claim {
        server: server.url.to_string(),
        checkpoint: served.checkpoint(),
    }
}

async fn at_genesis() -> Liar {
    Liar::start(|path| match path {
        STATE_PATH => ssz(&genesis().as_ssz_bytes()),
        _ => status("404 Not Found"),
    })
    .await
}

#[tokio::test]
async fn a_network_without_finality_is_no_error() {
    let server = at_genesis().await;
    assert!(matches!(
        ask(&[&server, &server]).await,
        Ok(Fetched::Genesis)
    ));
}

#[tokio::test]
async fn servers_that_fail_are_passed_over_while_one_holds() {
    let served = chain(5, &[]).pop().unwrap();
    let good = Liar::honest(&served).await;
    let missing = Liar::start(|_| status("404 Not Found")).await;
    let html = Liar::start(|_| Reply::Raw(b"<html>".to_vec())).await;
    let found = anchor(ask(&[&missing, &good, &html]).await);
    assert_eq!(found.checkpoint, served.checkpoint());

    let error = ask(&[&missing, &html]).await.err().unwrap().to_string();
    for server in [&missing, &html] {
        assert!(error.contains(&format!("\n  {}: ", server.url)), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_delays_the_others_for_a_stated_time_only() {
    let served = chain(5, &[]).pop().unwrap();
    let good = Liar::honest(&served).await;
    let silent = Liar::start(|_| Reply::Hang(Vec::new())).await;
    let limits = Limits {
        patience: Duration::from_millis(50),
        // It is for patience that this test ends.
        head: Duration::from_secs(3_600),
        total: Duration::from_secs(3_600),
        ..Limits::default()
    };
    let urls = [silent.url.clone(), good.url.clone()];
    let found = anchor(fetch(&urls, network(NOW), limits).await);
    assert_eq!(found.checkpoint, served.checkpoint());
}

#[tokio::test]
async fn the_number_of_servers_has_a_limit() {
    let url: ServerUrl = "http://127.0.0.1:1".parse().unwrap();
    let many = vec![url; MOST_SERVERS + 1];
    let ask = |servers: Vec<ServerUrl>| async move {
        fetch(&servers, network(NOW), Limits::default()).await
    };
    assert!(matches!(
        ask(many).await,
        Err(CheckpointError::TooManyServers { found: 9 })
    ));
    assert!(matches!(ask(vec![]).await, Err(CheckpointError::NoServers)));
}

#[tokio::test]
async fn a_state_without_its_block_is_of_no_use() {
    let served = chain(5, &[]).pop().unwrap();
    let server = Liar::start(move |path| match path {
        BLOCK_PATH => status("404 Not Found"),
        path => honest(&served, path),
    })
    .await;
    let refusal = refusals(ask(&[&server]).await).remove(0).1;
    assert!(matches!(refusal, Refusal::NoBlock(_)), "{refusal}");
}

#[tokio::test]
async fn finality_may_move_on_between_block_and_state() {
    let chain = chain(9, &[]);
    let (old, new) = (chain[6].clone(), chain[7].clone());
    let last = new.checkpoint();
    let asked = AtomicU64::new(0);
    let server = Liar::start(move |path| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => honest(&old, path),
        _ => honest(&new, path),
    })
    .await;
    assert_eq!(anchor(ask(&[&server]).await).checkpoint, last);
}

#[tokio::test]
async fn block_and_state_that_never_fit_are_given_up() {
    let chain = chain(9, &[]);
    let (block, state) = (chain[6].clone(), chain[7].clone());
    let (wrong, right): (Checkpoint, Checkpoint) = (block.checkpoint(), state.checkpoint());
    let server = Liar::start(move |path| match path {
        BLOCK_PATH => honest(&block, path),
        path => honest(&state, path),
    })
    .await;
    let refusal = refusals(ask(&[&server]).await).remove(0).1;
    let Refusal::Mismatch(mismatch) = refusal else {
        panic!("{refusal}");
    };
    let (expected, found) = (right.root, wrong.root);
    assert_eq!(mismatch, Mismatch::Pair { expected, found });
    assert_eq!(server.requests.load(Ordering::Relaxed), 6);
}

/// Nothing is sent here: the network's own view decides alone.
#[test]
fn what_is_checked_of_a_download_is_checked_of_a_file_too() {
    let chain = chain(6, &[]);
    let network: Network = network(NOW);
    let check = |block: &Served, state: &Served| {
        Anchor::check(&network, block.block.clone(), state.state.clone())
    };
    let anchor = check(&chain[5], &chain[5]).unwrap().unwrap();
    assert!(anchor.has(chain[0].checkpoint()) && anchor.has(anchor.checkpoint));
    assert_eq!(anchor.age(NOW), 6);
    assert!(matches!(
        check(&chain[4], &chain[5]),
        Err(Mismatch::Pair { .. })
    ));
}
