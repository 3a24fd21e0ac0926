//! The page for a process that is no node and shows several.

use std::{io, net::SocketAddr};

use tokio_util::sync::CancellationToken;

use crate::{
    page::{PageNode, page_site},
    server::{self, AllowedHosts, AllowedOrigins, Limits, Server},
};

/// Serves the page with a list of nodes. Browsers ask the nodes themselves for all that it shows.
#[derive(Debug)]
pub struct PageService {
    server: Server,
    address: SocketAddr,
}

impl PageService {
    /// Takes the address; port 0 takes a free one.
    ///
    /// # Errors
    /// When it is in use or not ours to listen on.
    pub async fn bind(address: SocketAddr, nodes: Vec<PageNode>) -> io::Result<Self> {
        let listener = server::listen(address)?;
        let address = listener.local_addr()?;
        let (hosts, origins) = (AllowedHosts::default(), AllowedOrigins::default());
        let server = Server::new(
            listener,
            page_site(nodes),
            hosts,
            origins,
            Limits::default(),
        );
        Ok(Self { server, address })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        self.server.run(stop).await;
    }
}
