//! Requests that cost more than they are worth.

use std::time::Duration;

use quartet_network::wire;
use quartet_types::{MAX_REQUEST_BLOCKS, Root};
use ssz::Encode as _;
use tokio::time::{MissedTickBehavior, interval};

use crate::attacker::{Asks, IdentityConfig, Speaker, Stage};

/// Identities that ask and do not read, or do not end.
const IDENTITIES: usize = 18;

/// Between two rounds of requests.
const ROUND: Duration = Duration::from_millis(500);

/// Requests of each identity in a round: as many streams as a node allows are open after some rounds.
const PER_ROUND: usize = 8;

/// Identities of the flood, and requests a second from all of them.
const FLOODERS: usize = 8;
const PER_SECOND: u64 = 2_000;

/// Batches of the flood a second.
const BATCHES: u64 = 20;

/// Asks for all blocks that are known and reads no answer.
pub(super) async fn without_reading(stage: Stage) {
    keep_asking(stage, Asks::WithoutReading).await;
}

/// Begins requests and ends none.
pub(super) async fn without_end(stage: Stage) {
    keep_asking(stage, Asks::WithoutEnd).await;
}

async fn keep_asking(stage: Stage, asks: Asks) {
    let identity_config = IdentityConfig {
        asks,
        ..IdentityConfig::default()
    };
    stage.claim_honestly();
    let mut crowd: Vec<Speaker> = Vec::new();
    let mut pace = interval(ROUND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        crowd.retain(|speaker| !speaker.is_shown_out());
        let fresh = (crowd.len()..IDENTITIES).map(|_| stage.identity(identity_config.clone()));
        crowd.extend(futures::future::join_all(fresh).await);
        let request = request(&stage);
        for speaker in &crowd {
            for _ in 0..PER_ROUND {
                speaker.ask(request.clone()).await;
            }
        }
    }
}

/// A flood of statuses and requests for blocks.
pub(super) async fn flood(stage: Stage) {
    stage.claim_honestly();
    let mut crowd: Vec<Speaker> = Vec::new();
    let mut pace = interval(Duration::from_millis(1000 / BATCHES));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        pace.tick().await;
        crowd.retain(|speaker| !speaker.is_shown_out());
        let fresh = (crowd.len()..FLOODERS).map(|_| stage.speaker());
        crowd.extend(futures::future::join_all(fresh).await);
        let (request, status) = (request(&stage), stage.honest_status());
        for number in 0..(PER_SECOND / BATCHES) as usize {
            let speaker = &crowd[number % FLOODERS];
            match (number / FLOODERS % 2, &status) {
                (0, Some(status)) => speaker.tell(status).await,
                _ => speaker.ask(request.clone()).await,
            }
        }
    }
}

/// A request for as many blocks as one may ask for.
fn request(stage: &Stage) -> Vec<u8> {
    let known = stage.chain().roots();
    let roots: Vec<Root> = (known.iter().copied().cycle())
        .take(MAX_REQUEST_BLOCKS)
        .collect();
    wire::encode_payload(&roots.as_ssz_bytes()).unwrap_or_default()
}
