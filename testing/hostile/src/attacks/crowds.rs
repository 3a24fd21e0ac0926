//! Many identities, or one that comes again and again.

use std::time::Duration;

use libp2p::identity::Keypair;
use quartet_network::wire::Topic;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::attacker::{IdentityConfig, Speaker, Stage};

/// Identities that do nothing: more than a node has places for strangers, some of which others have.
const IDLE: usize = 72;

/// Idle identities that come at once, so that all are there before an honest node joins.
const AT_ONCE: usize = 24;

/// Identities that earn a ban: more than nodes remember.
const BANNED: usize = 1180;

/// New identities per second: all of them in half a minute if they are let in.
const BANS_PER_SECOND: u64 = 40;

/// Identities that wait to be let in at a time, of those that earn a ban. Where all slots are taken, that takes long.
const MAX_CONNECTING: usize = 96;

/// Messages without any meaning that each of them sends: more than a node puts up with.
const MESSAGES: usize = 64;

/// Twenty in half a minute.
const RESTART: Duration = Duration::from_millis(1500);

/// How long it stays: until its status is answered, and no longer.
const STAY: Duration = Duration::from_millis(500);

/// How long they are given before those that were shown out are replaced.
const ROUND: Duration = Duration::from_secs(2);

/// Identities that claim an honest status, and do nothing. One that is disconnected comes back with a new identity.
pub(super) async fn idle(stage: Stage) {
    let mut crowd: Vec<Speaker> = Vec::new();
    let mut pace = interval(ROUND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        stage.claim_honestly();
        crowd.retain(|speaker| !speaker.is_shown_out());
        while crowd.len() < IDLE {
            let missing = (IDLE - crowd.len()).min(AT_ONCE);
            let fresh = (0..missing).map(|_| stage.speaker());
            crowd.extend(futures::future::join_all(fresh).await);
        }
        pace.tick().await;
    }
}

/// One identity after another that sends garbage, and waits to be disconnected.
pub(super) async fn earn_bans(stage: Stage) {
    let mut pace = interval(Duration::from_millis(1000 / BANS_PER_SECOND));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut guests = JoinSet::new();
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTING));
    for _ in 0..BANNED {
        pace.tick().await;
        let Ok(place) = places.clone().acquire_owned().await else {
            break;
        };
        let stage = stage.clone();
        guests.spawn(async move {
            let speaker = stage.speaker().await;
            drop(place);
            if !speaker.is_let_in() {
                return stage.count("identities_not_let_in", 1);
            }
            for topic in Topic::ALL.into_iter().cycle().take(MESSAGES) {
                let nonsense = rand::random::<[u8; 32]>();
                speaker.utter(topic, nonsense.to_vec()).await;
            }
            let mut pace = interval(ROUND);
            while !speaker.is_shown_out() {
                pace.tick().await;
            }
            stage.count("identities_shown_out", 1);
        });
    }
    std::future::pending().await
}

/// The same identity comes, claims what an honest peer would, and is gone without a word.
pub(super) async fn restart(stage: Stage) {
    let key = Keypair::generate_secp256k1();
    let mut pace = interval(RESTART);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        stage.claim_honestly();
        let identity_config = IdentityConfig {
            key: Some(key.clone()),
            ..IdentityConfig::default()
        };
        let speaker = stage.identity(identity_config).await;
        if let Some(status) = stage.honest_status() {
            speaker.tell(&status).await;
        }
        tokio::time::sleep(STAY).await;
        stage.count("restarts", 1);
    }
}
