//! An honest user of HTTP: a hundred questions while an attack goes on, and how they are answered.

use std::{net::SocketAddr, time::Duration};

use quartet_clock::Stopwatch;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{http, node::Node};

/// Questions in all.
const QUESTIONS: u32 = 100;

/// How the questions were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Questions that were asked.
    pub(crate) asked: u64,
    /// How long each answer took that came, the shortest first.
    pub(crate) times: Vec<Duration>,
}

impl Answers {
    /// Asks [`QUESTIONS`] questions, evenly over `duration`, of one node after another; three in four by
    /// JSON-RPC, and every fourth for metrics.
    pub(crate) async fn collect(nodes: &[Node], duration: Duration) -> Self {
        let mut pace = interval(duration / QUESTIONS);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut questions = JoinSet::new();
        for number in 0..QUESTIONS as usize {
            pace.tick().await;
            let Some(node) = nodes.get(number % nodes.len().max(1)) else {
                break;
            };
            // A whole round of the nodes is of one kind.
            let wants_metrics = number / nodes.len() % 4 == 3;
            questions.spawn(ask(node.http, wants_metrics));
        }
        let mut answers = Self {
            asked: questions.len() as u64,
            times: questions.join_all().await.into_iter().flatten().collect(),
        };
        answers.times.sort_unstable();
        answers
    }

    /// How many were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.times.len() as u64
    }

    /// In this time, 99 of 100 were answered; `None` when fewer ever were.
    pub(crate) fn p99(&self) -> Option<Duration> {
        let needed = (self.asked * 99).div_ceil(100) as usize;
        self.times.get(needed.checked_sub(1)?).copied()
    }
}

/// How long an answer takes, if it comes.
async fn ask(node: SocketAddr, wants_metrics: bool) -> Option<Duration> {
    let start = Stopwatch::start();
    let answer = if wants_metrics {
        http::get(node, "/metrics").await
    } else {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "lean_head", "params": []});
        http::post(node, &call.to_string()).await
    };
    answer.ok().map(|_| start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(asked: u64, milliseconds: impl Iterator<Item = u64>) -> Answers {
        let times = milliseconds.map(Duration::from_millis).collect();
        Answers { asked, times }
    }

    #[test]
    fn one_of_a_hundred_may_be_slow_or_missing_and_two_may_not() {
        let p99 = |answers: &Answers| answers.p99().map(|time| time.as_millis());
        assert_eq!(p99(&answers(100, 1..=100)), Some(99));
        assert_eq!(p99(&answers(100, 1..=99)), Some(99));
        assert_eq!(p99(&answers(100, 1..=98)), None);
        assert_eq!(p99(&answers(0, 0..0)), None);
    }
}
