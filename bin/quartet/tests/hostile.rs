//! What a process without any validator's key can do to a devnet of real processes, and what one can do with a key: the
//! short form of `cargo run --release -p quartet-hostile -- all`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use quartet_hostile::{Attack, AttackReport, Devnet, Kind, Limits, Plan, Referee, table};
use tokio::sync::Mutex;

/// Attacks on the rules all at once, and those on the machinery that are over soon and that nodes stand. Idlers are left to the
/// long form: they take the place of the referee's own listener, too.
const ATTACKS: [&str; 4] = ["together", "restarts", "liars", "orphans"];

/// Memory that a busy machine forgives; a node without bounds takes 400 MB of blocks that are too large.
const RSS_GROWTH: u64 = 160 << 20;

/// One devnet at a time: each shall have the machine to itself.
static MACHINE: Mutex<()> = Mutex::const_new(());

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
    let _machine = MACHINE.lock().await;
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

#[tokio::test]
async fn one_validator_of_seven_does_not_hold_up_finality() {
    let _machine = MACHINE.lock().await;
    // Eight slots: one of them is its own.
    let plan = Plan {
        seconds: 32,
        slots_after: 3,
    };
    let program = Path::new(env!("CARGO_BIN_EXE_quartet"));
    let devnet = Devnet::start_for(Kind::Treason, program, plan.slots());
    let devnet = devnet.await.unwrap();
    let referee = Referee::on(&devnet).await.unwrap();
    let attack = Attack::named("treason").unwrap();
    let limits = limits().with_a_traitor(plan.seconds);
    let report = referee.judge(attack, plan, &limits).await.unwrap();
    drop(referee);
    devnet.stop().await.unwrap();
    let table = table(std::slice::from_ref(&report));
    assert!(report.holds(), "\n{table}");
    assert!(report.counts["own_slots"] > 0 && report.forged_sent > 0);
}
