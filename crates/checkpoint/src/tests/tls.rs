//! TLS: whom the client trusts.

use std::{sync::Arc, sync::atomic::AtomicU64, time::Duration};

use rcgen::CertifiedKey;
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::{
    chain::{chain, network},
    liar::{answer, honest},
};
use crate::{
    CheckpointError, Fetched, Limits, Refusal, ServerUrl, Stage, client::Client, fetch,
    servers::fetch_with,
};

const NOW: u64 = 12;

/// An honest node behind TLS with a certificate for `name`, which it has signed itself.
async fn server(name: &str) -> (ServerUrl, CertificateDer<'static>) {
    let CertifiedKey { cert, key_pair } =
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(key_pair.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let served = chain(5, &[]).pop().unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                let reply = |path: &str| honest(&served, path);
                answer(stream, &reply, &AtomicU64::new(0)).await;
            }
        }
    });
    let url = format!("https://localhost:{port}");
    (url.parse().unwrap(), cert.der().clone())
}

fn refusal(outcome: Result<Fetched, CheckpointError>) -> Refusal {
    match outcome {
        Err(CheckpointError::NoneUsable(mut refusals)) => refusals.remove(0).1,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is taken"),
    }
}

fn trusting(certificate: CertificateDer<'static>) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    Client::with_roots(roots, Limits::default()).unwrap()
}

#[tokio::test]
async fn a_certificate_of_nobody_known_is_refused() {
    let (url, _) = server("localhost").await;
    let found = refusal(fetch(&[url], network(NOW), Limits::default()).await);
    let text = found.to_string();
    assert!(matches!(found, Refusal::Connect(_)), "{text}");
    assert!(text.contains("certificate"), "{text}");
}

#[tokio::test]
async fn a_trusted_certificate_is_good_for_its_own_name() {
    let (url, certificate) = server("localhost").await;
    let outcome = fetch_with(trusting(certificate), &[url], network(NOW)).await;
    assert!(matches!(outcome, Ok(Fetched::Anchor(_))), "{outcome:?}");

    let (url, certificate) = server("elsewhere.example").await;
    let found = refusal(fetch_with(trusting(certificate), &[url], network(NOW)).await);
    assert!(matches!(found, Refusal::Connect(_)), "{found}");
}

#[tokio::test]
async fn a_server_that_says_nothing_while_connecting_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let short = Duration::from_millis(100);
    let limits = Limits {
        connect: short,
        ..Limits::default()
    };
    let url = format!("https://localhost:{port}").parse().unwrap();
    let found = refusal(fetch(&[url], network(NOW), limits).await);
    assert!(
        matches!(found, Refusal::TimedOut { stage: Stage::Connect, limit } if limit == short),
        "{found}"
    );
    drop(listener);
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_refused() {
    let served = chain(5, &[]).pop().unwrap();
    let plain = super::liar::Liar::honest(&served).await;
    let url = format!("https://{}", plain.address).parse().unwrap();
    let limits = Limits {
        // The server waits for a request's head, as the client waits for TLS.
        connect: Duration::from_millis(200),
        ..Limits::default()
    };
    let found = refusal(fetch(&[url], network(NOW), limits).await);
    assert!(
        matches!(found, Refusal::Connect(_) | Refusal::TimedOut { .. }),
        "{found}"
    );
}
