//! What a process without any validator's key can do to a devnet of real processes: the short form of
//! `cargo run --release -p quartet-hostile -- all`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use quartet_hostile::{Attack, Devnet, Limits, Plan, Referee, table};

/// Plays these attacks one after another on one devnet; all must hold.
async fn hold(attacks: &[&str], plan: Plan) {
    let slots = plan.slots() * attacks.len() as u64;
    let devnet = Devnet::start(Path::new(env!("CARGO_BIN_EXE_quartet")), slots);
    let devnet = devnet.await.unwrap();
    let referee = Referee::on(&devnet).await.unwrap();
    let mut verdicts = Vec::new();
    for name in attacks {
        let attack = Attack::named(name).unwrap();
        let verdict = referee.judge(attack, plan, &Limits::default()).await;
        verdicts.push(verdict.unwrap());
    }
    drop(referee);
    devnet.stop().await.unwrap();
    let held = verdicts
        .iter()
        .all(|verdict| verdict.holds() && verdict.heard_nodes == 4);
    assert!(held, "\n{}", table(&verdicts));
    assert!(verdicts.iter().all(|verdict| verdict.sent > 0));
}

#[tokio::test]
async fn names_that_a_stranger_has_invented_cost_the_network_nothing() {
    let plan = Plan {
        seconds: 8,
        slots_after: 2,
    };
    hold(&["invented-roots"], plan).await;
}

#[tokio::test]
#[ignore = "blocks are not tied to their proposers yet, and old votes replace newer ones"]
async fn a_stranger_without_a_key_does_not_hold_up_finality() {
    let plan = Plan {
        seconds: 12,
        slots_after: 2,
    };
    hold(&["together"], plan).await;
}
