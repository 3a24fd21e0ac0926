//! QUIC, identities, the names of protocols.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use rand::RngExt as _;
use tokio::{net::UdpSocket, time::timeout};

use super::{case, liveness, source};
use crate::{
    case::{Case, Group},
    context::CaseContext,
    identity::{self, IDENTIFY},
    peer::{BLOCKS_BY_ROOT, MESHSUB, OpenError, Peer, STATUS},
    verdict::{CaseResult, broken, differs, fail, pass, pass_if, unsupported},
};

const GROUP: Group = Group::Transport;

pub(super) const CASES: &[Case] = &[
    case(
        GROUP,
        "T01",
        "the node takes QUIC connections, and its certificate names the identity in its address",
        source::QUIC,
        |s| Box::pin(quic(s)),
    ),
    case(
        GROUP,
        "T02",
        "who dials another identity at the node's address is not connected with it",
        source::TLS,
        |s| Box::pin(another_identity(s)),
    ),
    case(
        GROUP,
        "T03",
        "identify is answered, with the public key of the certificate",
        source::IDENTIFY,
        |s| Box::pin(identify(s)),
    ),
    case(
        GROUP,
        "T04",
        "the identity is a secp256k1 key",
        source::LEAN_NETWORKING,
        |s| Box::pin(secp256k1(s)),
    ),
    case(
        GROUP,
        "T05",
        "identify names the protocols that the node speaks",
        source::IDENTIFY,
        |s| Box::pin(names(s)),
    ),
    case(
        GROUP,
        "T06",
        "a stream of the status' protocol opens",
        source::LEAN_STATUS,
        |s| Box::pin(speaks(s, STATUS)),
    ),
    case(
        GROUP,
        "T07",
        "a stream of the protocol for blocks by root opens",
        source::LEAN_BLOCKS,
        |s| Box::pin(speaks(s, BLOCKS_BY_ROOT)),
    ),
    case(
        GROUP,
        "T08",
        "gossipsub is spoken, 1.0.0 at least",
        source::LEAN_GOSSIP,
        |s| Box::pin(meshsub(s)),
    ),
    case(
        GROUP,
        "T09",
        "an unknown protocol is refused, and the connection stays",
        source::MULTISTREAM,
        |s| Box::pin(unknown_protocol(s)),
    ),
    case(
        GROUP,
        "T10",
        "a protocol's name with something behind it is another protocol",
        source::MULTISTREAM,
        |s| Box::pin(longer_name(s)),
    ),
    case(
        GROUP,
        "T11",
        "ping sends back what came",
        source::PING,
        |s| Box::pin(ping(s)),
    ),
    case(
        GROUP,
        "T12",
        "two identities from one address are both served",
        source::PEER_IDS,
        |s| Box::pin(two_identities(s)),
    ),
    case(
        GROUP,
        "T13",
        "datagrams that are no QUIC disturb nobody",
        source::ROBUST,
        |s| Box::pin(noise(s)),
    ),
    case(
        GROUP,
        "T14",
        "a connection without traffic stays open",
        source::QUIC,
        |s| Box::pin(idle(s)),
    ),
    case(GROUP, "T90", liveness::RULE, source::ROBUST, |s| {
        Box::pin(liveness::is_alive(s))
    }),
];

async fn quic(context: &CaseContext) -> CaseResult {
    let peer = context.connect_silently(context.config()).await?;
    let found = peer.node;
    peer.disconnect().await;
    let named = context.address.iter().find_map(|part| match part {
        Protocol::P2p(id) => Some(id),
        _ => None,
    });
    let sent = format!("a handshake with {}", context.address);
    pass_if(
        found == context.node && named.is_none_or(|named| named == found),
        sent,
        format!("connected with {found}"),
    )
}

async fn another_identity(context: &CaseContext) -> CaseResult {
    let other = PeerId::random();
    let address = without_identity(&context.address).with(Protocol::P2p(other));
    let sent = format!("a handshake with {other}, who is nobody");
    match Peer::connect(address, context.config(), context.answer_timeout).await {
        Ok(_) => fail(sent, "connected"),
        Err(error) => pass(sent, error.to_string()),
    }
}

fn without_identity(address: &Multiaddr) -> Multiaddr {
    address
        .iter()
        .filter(|part| !matches!(part, Protocol::P2p(_)))
        .collect()
}

async fn identify(context: &CaseContext) -> CaseResult {
    let peer = context.connect_silently(context.config()).await?;
    let about = identity::ask(&peer, context.answer_timeout).await;
    let about = about.ok_or_else(|| unsupported("the node does not speak identify"))?;
    let sent = format!("a stream of {IDENTIFY}");
    let seen = format!("{} speaks {:?}", about.agent, about.protocol_version);
    match about.key() {
        Some((id, _)) => pass_if(id == peer.node, sent, format!("{seen}, and is {id}")),
        None => fail(sent, format!("{seen}, and gives no public key")),
    }
}

async fn secp256k1(context: &CaseContext) -> CaseResult {
    let sent = format!("a stream of {IDENTIFY}");
    match context.about.as_ref().and_then(|about| about.key()) {
        Some((_, kind)) if kind.to_lowercase().contains("secp256k1") => pass(sent, kind),
        Some((_, kind)) => differs(sent, format!("a key of {kind}")),
        None => Err(unsupported("the node does not say what its key is")),
    }
}

async fn names(context: &CaseContext) -> CaseResult {
    let about = context.about.as_ref();
    let about = about.ok_or_else(|| unsupported("the node does not speak identify"))?;
    let is_named = |name: &str| about.protocols.iter().any(|protocol| protocol == name);
    let gossips = MESHSUB.into_iter().any(is_named);
    let missing: Vec<_> = [STATUS, BLOCKS_BY_ROOT]
        .into_iter()
        .filter(|name| !is_named(name))
        .collect();
    pass_if(
        gossips && missing.is_empty(),
        format!("a stream of {IDENTIFY}"),
        match missing.as_slice() {
            [] if gossips => about.protocols.join(" "),
            _ => format!(
                "{} without {}",
                about.protocols.join(" "),
                missing.join(" ")
            ),
        },
    )
}

async fn speaks(context: &CaseContext, protocol: &str) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let sent = format!("a stream of {protocol}");
    match new_peer.open(protocol).await {
        Ok(_) => pass(sent, "agreed"),
        Err(error) => fail(sent, error.to_string()),
    }
}

async fn meshsub(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let mut spoken = Vec::new();
    for version in MESHSUB {
        match new_peer.open(version).await {
            Ok(_) => spoken.push(version),
            Err(OpenError::Unsupported) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let sent = format!("streams of {}", MESHSUB.join(" "));
    let seen = format!("spoken: {}", spoken.join(" "));
    match spoken.as_slice() {
        [] => fail(sent, "none is spoken"),
        spoken if spoken.contains(&"/meshsub/1.0.0") => pass(sent, seen),
        _ => differs(sent, seen),
    }
}

async fn unknown_protocol(context: &CaseContext) -> CaseResult {
    refused(context, "/leanconsensus/req/nothing/1/ssz_snappy").await
}

async fn longer_name(context: &CaseContext) -> CaseResult {
    refused(context, &format!("{STATUS}x")).await
}

async fn refused(context: &CaseContext, protocol: &str) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let sent = format!("a stream of {protocol}");
    match new_peer.open(protocol).await {
        Ok(_) => fail(sent, "agreed"),
        Err(OpenError::Unsupported) => {
            let status = context.serves(&new_peer).await;
            let seen = status.as_ref().err().map_or(
                "refused, and the next status is answered".into(),
                ToString::to_string,
            );
            pass_if(status.is_ok(), sent, seen)
        }
        Err(error) => fail(sent, error.to_string()),
    }
}

async fn ping(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let mut stream = match new_peer.open("/ipfs/ping/1.0.0").await {
        Err(OpenError::Unsupported) => return Err(unsupported("the node does not speak ping")),
        opened => opened?,
    };
    let bytes: [u8; 32] = rand::rng().random();
    let mut back = [0; 32];
    let exchange = async {
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        stream.read_exact(&mut back).await
    };
    let answered = timeout(context.answer_timeout, exchange).await;
    pass_if(
        matches!(answered, Ok(Ok(()))) && back == bytes,
        "32 random bytes",
        if back == bytes {
            "the same"
        } else {
            "others, or nothing"
        },
    )
}

async fn two_identities(context: &CaseContext) -> CaseResult {
    let (one, other) = (context.new_peer().await?, context.new_peer().await?);
    let answers = (context.serves(&one).await, context.serves(&other).await);
    pass_if(
        answers.0.is_ok() && answers.1.is_ok(),
        "statuses by two identities at a time",
        format!("answered: {}, {}", answers.0.is_ok(), answers.1.is_ok()),
    )
}

async fn noise(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let target =
        udp(&context.address).ok_or_else(|| unsupported("the address has no IP address"))?;
    let here: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(here)
        .await
        .map_err(|error| broken(error.to_string()))?;
    for length in (0..1_200).step_by(12) {
        let mut bytes = vec![0; length];
        rand::rng().fill(&mut bytes[..]);
        // The network may drop them.
        let _ = socket.send_to(&bytes, target).await;
    }
    let (old, new) = (context.serves(&new_peer).await, context.new_peer().await);
    pass_if(
        old.is_ok() && new.is_ok(),
        "100 datagrams of random bytes",
        format!(
            "who was connected is answered: {}; somebody new gets in: {}",
            old.is_ok(),
            new.is_ok()
        ),
    )
}

fn udp(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Udp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

async fn idle(context: &CaseContext) -> CaseResult {
    let new_peer = context.new_peer().await?;
    let answer_timeout = context.answer_timeout;
    let gone = new_peer.is_disconnected_within(answer_timeout).await;
    let sent = format!("nothing for {answer_timeout:?}");
    if gone {
        return differs(sent, "the connection is closed");
    }
    let answered = context.serves(&new_peer).await;
    pass_if(
        answered.is_ok(),
        sent,
        "the connection is open, and a status is answered",
    )
}
