//! What a process without any validator's key can do to a devnet of real processes: the short form of
//! `cargo run --release -p quartet-hostile -- all`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use quartet_hostile::{Attack, Devnet, Limits, Plan, Referee, table};

#[tokio::test]
async fn a_stranger_without_a_key_does_not_hold_up_finality() {
    let plan = Plan {
        seconds: 12,
        slots_after: 2,
    };
    let devnet = Devnet::start(Path::new(env!("CARGO_BIN_EXE_quartet")), plan.slots());
    let devnet = devnet.await.unwrap();
    let referee = Referee::on(&devnet).await.unwrap();
    let attack = Attack::named("together").unwrap();
    let verdict = referee.judge(attack, plan, &Limits::default()).await;
    let verdict = verdict.unwrap();
    drop(referee);
    devnet.stop().await.unwrap();
    let held = verdict.holds() && verdict.heard_nodes == 4 && verdict.sent > 0;
    assert!(held, "\n{}", table(&[verdict]));
}
