//! Carries out requests to a running devnet.

use super::{
    control::{Reply, Request},
    network::Network,
    partition::Partition,
    terminal::note,
};

/// Carries out a request, except for [`Request::Stop`], which the caller does.
pub(super) async fn carry_out(network: &mut Network, request: Request) -> Reply {
    let done = match request {
        Request::Status => return Reply::Status(network.status()),
        Request::Stop => Ok("stopping".to_owned()),
        Request::Kill { node } => network
            .kill(&node)
            .await
            .map(|()| format!("{node} is killed")),
        Request::Restart { node } => {
            let restarted = network.restart(&node).await;
            restarted.map(|()| format!("{node} is started"))
        }
        Request::Partition { groups } => partition(network, &groups),
        Request::Heal => {
            let together = Partition::none(network.nodes.len());
            note("the partition is over, by command");
            let healed = network.set_partition(together);
            healed.map(|()| "the nodes talk to each other again".to_owned())
        }
    };
    done.map_or_else(|error| Reply::Refused(format!("{error:#}")), Reply::Done)
}

fn partition(network: &mut Network, groups: &[String]) -> anyhow::Result<String> {
    let names = network.names();
    let partition = Partition::parse(groups, &names)?;
    let described = partition.describe(&names);
    network.set_partition(partition)?;
    note(format_args!("kept apart, by command: {described}"));
    Ok(format!("kept apart: {described}"))
}
