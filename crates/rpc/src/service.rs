//! The service: its listeners, and its end.

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use tokio::{task::JoinSet, time};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{
    event_publisher,
    node::NodeView,
    router::{metrics_router, router},
    server::{self, AllowedHosts, AllowedOrigins, Limits},
};

/// How long requests may take to finish once the node stops.
const GRACE: Duration = Duration::from_millis(500);
/// How often the recorder sums its samples up, so that they do not pile up without scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where the service listens, and for which clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcConfig {
    /// Address of JSON-RPC, the HTTP API and `/metrics`. Port 0 takes a free one.
    pub http: Option<SocketAddr>,
    /// Address of `/metrics` alone; may be that of `http`, which serves it anyway.
    pub metrics: Option<SocketAddr>,
    /// Names by which clients may call this node.
    pub allowed_hosts: AllowedHosts,
    /// Origins whose pages may read what is answered, beside those of this machine and of those names.
    pub allowed_origins: AllowedOrigins,
    /// What clients can hold of the node, on each of the addresses.
    pub limits: Limits,
}

/// The service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {purpose}: {error}; choose another with {flag}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What it is for.
        purpose: &'static str,
        /// The flag that sets its port.
        flag: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// A server ended although it was not told to stop.
    #[error("the server for {0} has ended")]
    Ended(&'static str),
}

/// Answers users over HTTP.
#[derive(Debug)]
pub struct RpcService {
    node: NodeView,
    servers: Vec<Bound>,
}

#[derive(Debug)]
struct Bound {
    purpose: &'static str,
    address: SocketAddr,
    server: server::Server,
}

impl Bound {
    fn new(
        address: SocketAddr,
        purpose: &'static str,
        flag: &'static str,
        router: Router,
        config: &RpcConfig,
    ) -> Result<Self, RpcError> {
        let failed = |error| RpcError::Listen {
            address,
            purpose,
            flag,
            error,
        };
        let listener = server::listen(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let server = server::Server::new(
            listener,
            router,
            config.allowed_hosts.clone(),
            config.allowed_origins.clone(),
            config.limits,
        );
        Ok(Self {
            purpose,
            address,
            server,
        })
    }
}

impl RpcService {
    const HTTP: &'static str = "the HTTP API";
    const METRICS: &'static str = "metrics";

    /// Takes the addresses; requests are answered once the service runs.
    ///
    /// # Errors
    /// When an address is in use or not ours to listen on.
    pub async fn bind(config: RpcConfig, node: NodeView) -> Result<Self, RpcError> {
        let mut servers = Vec::new();
        if let Some(address) = config.http {
            let router = router(node.clone());
            servers.push(Bound::new(
                address,
                Self::HTTP,
                "--http-port",
                router,
                &config,
            )?);
        }
        let shared = config.http == config.metrics && config.http.is_some_and(|a| a.port() != 0);
        if let Some(address) = config.metrics.filter(|_| !shared) {
            let router = metrics_router(node.clone());
            servers.push(Bound::new(
                address,
                Self::METRICS,
                "--metrics-port",
                router,
                &config,
            )?);
        }
        Ok(Self { node, servers })
    }

    /// Where the HTTP API listens, with the port that it got.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.address(Self::HTTP)
    }

    /// Where `/metrics` is served, with the port that it got.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.address(Self::METRICS).or_else(|| self.http_address())
    }

    fn address(&self, purpose: &str) -> Option<SocketAddr> {
        let server = self.servers.iter().find(|server| server.purpose == purpose);
        server.map(|server| server.address)
    }

    /// Answers until told to stop, then for half a second more what was already asked.
    ///
    /// # Errors
    /// When a server ends by itself.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RpcError> {
        let mut running = JoinSet::new();
        for server in self.servers {
            info!(address = %server.address, "listening for {}", server.purpose);
            let stop = stop.clone();
            running.spawn(async move {
                server.server.run(stop).await;
                server.purpose
            });
        }

        let mut publisher = JoinSet::new();
        publisher.spawn(event_publisher::run(self.node.clone()));
        let mut upkeep = time::interval(UPKEEP);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = upkeep.tick() => {
                    if let Some(metrics) = self.node.metrics() {
                        metrics.upkeep();
                    }
                }
                Some(ended) = running.join_next() => {
                    if !stop.is_cancelled() {
                        return Err(RpcError::Ended(ended.unwrap_or("requests")));
                    }
                }
            }
        }

        let finished = async { while running.join_next().await.is_some() {} };
        if time::timeout(GRACE, finished).await.is_err() {
            debug!("requests were still being answered");
        }
        Ok(())
    }
}
