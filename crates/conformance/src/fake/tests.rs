//! Each fault is found by the case that is there for it, and a node without a fault passes them.

use super::{Fake, Fault};
use crate::{Options, Report, Verdict, cases, run};

/// Where the fake differs from most clients: it keeps no backoffs, announces no ids, sends no requests, and accepts any varint.
const BEYOND_IT: [&str; 7] = ["T11", "S11", "F02", "G07", "M03", "M07", "X03"];

async fn played(fault: Fault, is_wanted: impl Fn(&str) -> bool) -> Report {
    let fake = Fake::start(fault).await;
    let options = Options::new(fake.address.clone());
    let mut cases = cases();
    cases.retain(|case| is_wanted(case.id));
    run(options, &cases, |_| {}).await.unwrap()
}

fn verdicts(report: &Report) -> Vec<(&'static str, Verdict, String)> {
    let cases = report.cases.iter();
    cases
        .map(|case| {
            (
                case.id,
                case.verdict,
                format!("{} | {}", case.sent, case.seen),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_keeps_the_rules_passes() {
    let is_wanted = |id: &str| !BEYOND_IT.contains(&id);
    let report = played(Fault::None, is_wanted).await;
    let wrong: Vec<_> = verdicts(&report)
        .into_iter()
        .filter(|(_, verdict, _)| matches!(verdict, Verdict::Fail | Verdict::Differs))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(report.summary.pass >= 60, "{:?}", report.summary);
}

/// How often a fault may escape.
const ATTEMPTS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_found() {
    let faults = [
        (Fault::FinalityAhead, "S06", Verdict::Fail),
        (Fault::CompressedLength, "S02", Verdict::Differs),
        (Fault::StandsStill, "S09", Verdict::Differs),
        (Fault::WrongBlock, "B02", Verdict::Fail),
        (Fault::WrongBlock, "S07", Verdict::Fail),
        (Fault::TooManyRoots, "B05", Verdict::Fail),
        (Fault::ServesTwice, "B08", Verdict::Differs),
        (Fault::Dies, "B08", Verdict::Fail),
        (Fault::LeavesOpen, "B13", Verdict::Differs),
        // Cases about something else do not suffer from it.
        (Fault::LeavesOpen, "X02", Verdict::Pass),
        (Fault::LeavesOpen, "X04", Verdict::Pass),
        (Fault::AnswersAnything, "F06", Verdict::Fail),
        (Fault::AnswersAnything, "F08", Verdict::Fail),
        (Fault::OtherIds, "G06", Verdict::Fail),
        (Fault::Authored, "G05", Verdict::Fail),
        (Fault::Repeats, "G08", Verdict::Fail),
        (Fault::Deaf, "M02", Verdict::Fail),
        (Fault::PassesOnUnseen, "I03", Verdict::Fail),
        (Fault::PassesOnUnseen, "I06", Verdict::Fail),
        (Fault::PassesOnUnseen, "I17", Verdict::Fail),
    ];
    let mut unfound = Vec::new();
    for (fault, id, expected) in faults {
        // On a busy machine a message may come by the mesh after it was asked for, which the checker gives the node credit for.
        let mut found = Vec::new();
        for _ in 0..ATTEMPTS {
            let report = played(fault, |wanted| wanted == id).await;
            found = verdicts(&report);
            if found.iter().any(|(_, verdict, _)| *verdict == expected) {
                break;
            }
        }
        if found.iter().all(|(_, verdict, _)| *verdict != expected) {
            unfound.push((fault, found));
        }
    }
    assert!(unfound.is_empty(), "{unfound:#?}");
}

#[tokio::test]
async fn an_unreachable_node_is_an_error_of_its_own() {
    let mut options = Options::new("/ip4/127.0.0.1/udp/9/quic-v1".parse().unwrap());
    options.answer_timeout = std::time::Duration::from_millis(300);
    assert!(run(options, &cases(), |_| {}).await.is_err());
}
