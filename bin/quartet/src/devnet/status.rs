//! `quartet devnet status`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use futures::future::join_all;
use serde_json::{Value, json};

use super::{
    control::{NodeStatus, Reply, Request, Status, Unreached, ask, locate},
    description::Description,
    node_state::NodeState,
    terminal,
    view::{NodeView, Point, Seen},
    which::Which,
};
use crate::keys::table;

/// The arguments of `quartet devnet status`.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let devnet = locate(self.which.data_dir.as_deref())?;
        let (status, runs) = match ask(&devnet, &Request::Status).await {
            Ok(Reply::Status(status)) => (status, true),
            Ok(Reply::Refused(why) | Reply::Done(why)) => bail!("{}: {why}", devnet.display()),
            Err(Unreached::NotRunning(_)) => (former(&Description::read(&devnet)?), false),
            Err(unreached) => return Err(unreached.into()),
        };
        let views = views(&status).await;
        let text = if self.json {
            serde_json::to_string_pretty(&as_json(&status, runs, &views))?
        } else {
            as_text(&status, runs, &views)
        };
        terminal::line(text.trim_end())?;
        Ok(if runs {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// How the nodes of a devnet are that has ended.
fn former(description: &Description) -> Status {
    let nodes = description.nodes.iter().map(|node| NodeStatus {
        name: node.name.clone(),
        standing: NodeState::Stopped,
        pid: node.pid,
        http: node.http,
        client: node.client.clone(),
        questions: node.questions.clone(),
    });
    Status {
        pid: description.pid,
        slot: 0,
        partition: None,
        nodes: nodes.collect(),
    }
}

async fn views(status: &Status) -> Vec<Option<Seen>> {
    let asked = status.nodes.iter().map(async |node| {
        if node.standing != NodeState::Running {
            return None;
        }
        match &node.questions {
            None => NodeView::ask(node.http).await.ok().map(Seen::from),
            Some(questions) => questions.ask().await.ok().map(Seen::from),
        }
    });
    join_all(asked).await
}

fn as_text(status: &Status, runs: bool, views: &[Option<Seen>]) -> String {
    let mut text = if runs {
        format!("running, process {}, slot {}\n", status.pid, status.slot)
    } else {
        "not running; `quartet devnet --resume` goes on with it\n".to_owned()
    };
    if let Some(partition) = &status.partition {
        text.push_str(&format!("kept apart: {partition}\n"));
    }
    let heading = [
        "node",
        "is",
        "pid",
        "HTTP",
        "head",
        "justified",
        "finalized",
        "peers",
    ];
    let mut rows = vec![heading.map(str::to_owned)];
    for (node, view) in status.nodes.iter().zip(views) {
        let unknown = || "-".to_owned();
        let slot = |of: fn(&Seen) -> Option<Point>| {
            let point = view.as_ref().and_then(of);
            point.map_or_else(unknown, |point| point.slot.to_string())
        };
        let runs = node.standing == NodeState::Running;
        let pid = if runs {
            node.pid.to_string()
        } else {
            "-".to_owned()
        };
        let standing = if runs && view.is_none() {
            "silent".to_owned()
        } else {
            node.standing.to_string()
        };
        rows.push([
            node.name.clone(),
            standing,
            pid,
            format!("http://{}", node.http),
            slot(|view| view.head),
            slot(|view| view.justified),
            slot(|view| view.finalized),
            (view.and_then(|view| view.peers)).map_or_else(unknown, |peers| peers.to_string()),
        ]);
    }
    text + &table(&rows)
}

fn as_json(status: &Status, runs: bool, views: &[Option<Seen>]) -> Value {
    let nodes = status.nodes.iter().zip(views).map(|(node, view)| {
        let seen = view.unwrap_or_default();
        json!({
            "name": node.name,
            "standing": node.standing,
            "pid": (node.standing == NodeState::Running).then_some(node.pid),
            "http": node.http,
            "client": node.client,
            "head": seen.head,
            "justified": seen.justified,
            "finalized": seen.finalized,
            "peers": seen.peers,
        })
    });
    json!({
        "running": runs,
        "pid": runs.then_some(status.pid),
        "slot": runs.then_some(status.slot),
        "partition": status.partition,
        "nodes": nodes.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::view::tests::view, *};

    fn status() -> Status {
        let node = |name: &str, standing| NodeStatus {
            name: name.to_owned(),
            standing,
            pid: 7,
            http: "127.0.0.1:9100".parse().unwrap(),
            client: "quartet".to_owned(),
            questions: None,
        };
        Status {
            pid: 5,
            slot: 9,
            partition: Some("a | b, c".to_owned()),
            nodes: vec![
                node("a", NodeState::Running),
                node("b", NodeState::Running),
                node("c", NodeState::Killed),
            ],
        }
    }

    #[test]
    fn a_node_is_a_row() {
        let text = as_text(&status(), true, &[view(9, 1).map(Seen::from), None, None]);
        let rows: Vec<Vec<_>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(text.lines().next(), Some("running, process 5, slot 9"));
        assert_eq!(text.lines().nth(1), Some("kept apart: a | b, c"));
        let http = "http://127.0.0.1:9100";
        assert_eq!(rows[3], ["a", "running", "7", http, "9", "7", "6", "3"]);
        assert_eq!(rows[4], ["b", "silent", "7", http, "-", "-", "-", "-"]);
        assert_eq!(rows[5], ["c", "killed", "-", http, "-", "-", "-", "-"]);
    }

    #[test]
    fn the_json_status_has_the_same_facts() {
        let json = as_json(&status(), true, &[view(9, 1).map(Seen::from), None, None]);
        assert_eq!(json["nodes"][0]["finalized"]["slot"], 6);
        assert_eq!(json["nodes"][0]["standing"], "running");
        assert_eq!(json["nodes"][2]["pid"], Value::Null);
        let ended = as_json(&status(), false, &[None, None, None]);
        assert_eq!(
            (&ended["running"], &ended["pid"]),
            (&json!(false), &Value::Null)
        );
    }
}
