//! The page that shows all nodes of the devnet side by side.

use std::net::SocketAddr;

use quartet_rpc::{PageNode, PageService};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{layout::NodeLayout, ports::LOOPBACK, terminal::note};

/// Serves the page as long as this lives.
#[derive(Debug)]
pub(super) struct Page {
    _stop: DropGuard,
}

impl Page {
    /// Serves the page on the port that belongs to the nodes', or on one of the system's choice, and says where. Without it,
    /// the devnet goes on.
    pub(super) async fn start(nodes: &[NodeLayout]) -> Option<Self> {
        let wanted = nodes
            .first()
            .and_then(|node| node.ports.page())
            .unwrap_or(0);
        // Other clients do not serve what the page shows.
        let shown = nodes.iter().filter(|node| node.as_guest().is_none());
        let shown = shown.map(|node| PageNode {
            name: node.name.clone(),
            url: format!("http://{}/", node.http()),
        });
        let address = SocketAddr::new(LOOPBACK, wanted);
        let service = match PageService::bind(address, shown.collect()).await {
            Ok(service) => service,
            Err(error) => {
                note(format_args!(
                    "  page       none: {address} cannot be listened on: {error}"
                ));
                return None;
            }
        };
        note(format_args!(
            "  page       http://{}/ shows all nodes",
            service.address()
        ));
        let stop = CancellationToken::new();
        tokio::spawn(service.run(stop.clone()));
        Some(Self {
            _stop: stop.drop_guard(),
        })
    }
}
