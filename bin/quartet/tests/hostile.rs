//! What a process without any validator's key can do to a devnet of real processes: the short form of
//! `cargo run --release -p quartet-hostile -- all`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use quartet_hostile::{Attack, AttackReport, Devnet, Limits, Plan, Referee, table};

/// Attacks on the rules all at once, and those on the machinery that are over soon and that nodes stand. Idlers are left to the
/// long form: they take the place of the referee's own listener, too.
const ATTACKS: [&str; 4] = ["together", "restarts", "liars", "orphans"];

/// Memory that a busy machine forgives; a node without bounds takes 400 MB of blocks that are too large.
const RSS_GROWTH: u64 = 160 << 20;

/// What is judged on any machine, however busy: the consensus limits, who can join, and what leaks. How much
/// memory stays for a while and how fast answers come is for the long form.
fn limits() -> Limits {
    Limits {
        rss_growth: RSS_GROWTH,
        rss_left: u64::MAX,
        http_p99: f64::MAX,
        log_lines: f64::MAX,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_stranger_without_a_key_does_not_hold_up_finality() {
    let plan = Plan {
        seconds: 12,
        slots_after: 3,
    };
    let slots = plan.slots() * ATTACKS.len() as u64;
    let devnet = Devnet::start(Path::new(env!("CARGO_BIN_EXE_quartet")), slots);
    let devnet = devnet.await.unwrap();
    let referee = Referee::on(&devnet).await.unwrap();
    let mut reports: Vec<AttackReport> = Vec::new();
    for name in ATTACKS {
        let attack = Attack::named(name).unwrap();
        reports.push(referee.judge(attack, plan, &limits()).await.unwrap());
    }
    drop(referee);
    devnet.stop().await.unwrap();
    let stood =
        |verdict: &AttackReport| verdict.holds() && verdict.heard_nodes == 4 && verdict.sent > 0;
    assert!(reports.iter().all(stood), "\n{}", table(&reports));
}
