//! Connections to servers: TCP, and TLS where the URL says so.

use std::{fmt, io, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::{Limits, Refusal, ServerUrl, Stage};

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;

/// Both kinds of connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects to servers, and sends requests: one for each connection, without redirects or compression.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
    pub(crate) limits: Limits,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Trusts the certificate authorities that browsers trust, as of this build: the same on every machine, also in a
    /// container without the system's files.
    ///
    /// # Errors
    /// When TLS offers no version that is safe, which is a fault of the build.
    pub fn new(limits: Limits) -> Result<Self, Refusal> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self::with_roots(roots, limits)
    }

    pub(crate) fn with_roots(roots: RootCertStore, limits: Limits) -> Result<Self, Refusal> {
        // Named here, since the process has no default: libp2p brings another provider.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Refusal::Failed(error.to_string()))?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            limits,
        })
    }

    /// Connects, until `end` at the latest.
    pub(crate) async fn connect(
        &self,
        url: &ServerUrl,
        end: Instant,
    ) -> Result<Box<dyn Stream>, Refusal> {
        let limit = self.limits.connect;
        let connected = timeout_at(end.min(Instant::now() + limit), self.try_connect(url)).await;
        let timed_out = Refusal::TimedOut {
            stage: Stage::Connect,
            limit,
        };
        connected.map_err(|_| timed_out)?.map_err(Refusal::Connect)
    }

    async fn try_connect(&self, url: &ServerUrl) -> io::Result<Box<dyn Stream>> {
        let addresses = lookup_host((url.host.as_str(), url.port)).await?;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.take(MOST_ADDRESSES) {
            match TcpStream::connect(address).await {
                Ok(stream) if url.is_tls => return self.encrypt(url, stream).await,
                Ok(stream) => return Ok(Box::new(stream)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn encrypt(&self, url: &ServerUrl, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(url.host.clone())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Box::new(self.tls.connect(name, stream).await?))
    }
}
