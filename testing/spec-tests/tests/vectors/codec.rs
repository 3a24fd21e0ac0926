//! The encodings of the network, as a later revision has them: what is the same for us, and what is not.

use std::str::FromStr as _;

use alloy_primitives::hex as plain_hex;
use anyhow::{Context as _, Result, bail, ensure};
use libp2p::PeerId;
use quartet_config::NodeRecord;
use quartet_network::{
    StaticPeer,
    wire::{
        Chunk, Domain, MAX_MESSAGE_BYTES, MESSAGE_ID_BYTES, ResultCode, Topic, compress,
        decode_chunk, decode_frames, decode_payload, decode_varint, decompress, encode_chunk,
        encode_frames, encode_payload, encode_varint, message_id_in_domain,
    },
};
use quartet_spec_tests::{Report, VectorFile};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::fixture::{fixtures, get, hex, list, parse};

const OTHER_COMPRESSION: &str = "another compressor makes other bytes of the same; theirs decompress here and ours \
    decompress again";
const SUBNETS: &str = "pq-devnet-1 has one topic for all attestations and none for aggregates; the node takes the name \
    for that of another network";
const LIBP2P: &str = "gossipsub's own messages are encoded inside libp2p, whose codec is not in its interface; the \
    topics and the lengths of ids in them are the node's";
const UNSIGNED: &str = "the specification's codec takes a record without looking at its signature; the node refuses it";
const OTHER_KEYS: &str = "identities on the network are secp256k1; of other kinds only the rule for the peer id is checked";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    codec: Value,
    output: Value,
    rejection_reason: Option<String>,
}

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    for (
        name,
        Fixture {
            codec,
            output,
            rejection_reason,
        },
    ) in fixtures(file.json()?)?
    {
        let kind: String = parse(&codec, "kind")?;
        if (kind == "decode_failure") != rejection_reason.is_some() {
            report.case(name, || bail!("a reason to reject goes with kind {kind}"));
            continue;
        }
        let mut listed = None;
        report.case(&name, || {
            listed = check(&kind, &codec, &output)?;
            Ok(())
        });
        if let Some(reason) = listed {
            report.set_aside(name, reason);
        }
    }
    Ok(())
}

/// Checks a case; a reason if part of it does not hold for the node.
fn check(kind: &str, codec: &Value, output: &Value) -> Result<Option<&'static str>> {
    match kind {
        "decode_failure" => rejected(codec),
        "varint" => {
            let number: u64 = parse(codec, "value")?;
            let encoded = hex(get(output, "encoded")?)?;
            ensure!(
                encode_varint(number) == encoded,
                "is {:?}",
                encode_varint(number)
            );
            ensure!(
                get(output, "byteLength")? == encoded.len(),
                "another length"
            );
            ensure!(
                decode_varint(&encoded)? == (number, &[][..]),
                "decodes to another number"
            );
            Ok(None)
        }
        "gossip_message_id" => {
            let (topic, data) = (hex(get(codec, "topic")?)?, hex(get(codec, "data")?)?);
            let bytes = hex(get(codec, "domain")?)?;
            let domain = [Domain::ValidSnappy, Domain::InvalidSnappy];
            let domain = domain
                .into_iter()
                .find(|domain| domain.bytes()[..] == bytes);
            let id = message_id_in_domain(domain.context("another domain")?, &topic, &data);
            ensure!(id[..] == hex(get(output, "messageId")?)?, "is {id:?}");
            Ok(None)
        }
        "gossip_topic" => gossip_topic(codec, output),
        "gossipsub_rpc" => gossipsub_rpc(codec),
        "snappy_block" => {
            let (data, theirs) = (hex(get(codec, "data")?)?, hex(get(output, "compressed")?)?);
            ensure!(
                get(output, "uncompressedLength")? == data.len(),
                "another length"
            );
            ensure!(
                decompress(&theirs, data.len())? == data,
                "decompresses to other bytes"
            );
            let ours = compress(&data)?;
            ensure!(
                decompress(&ours, data.len())? == data,
                "our own compression"
            );
            Ok((ours != theirs).then_some(OTHER_COMPRESSION))
        }
        "snappy_frame" => {
            let (data, theirs) = (hex(get(codec, "data")?)?, hex(get(output, "framed")?)?);
            ensure!(
                get(output, "framedLength")? == theirs.len(),
                "another length"
            );
            ensure!(
                decode_frames(&theirs, data.len())? == data,
                "holds other bytes"
            );
            let ours = encode_frames(&data)?;
            ensure!(decode_frames(&ours, data.len())? == data, "our own frames");
            Ok((ours != theirs).then_some(OTHER_COMPRESSION))
        }
        "reqresp_request" => {
            let (ssz, theirs) = (hex(get(codec, "sszData")?)?, hex(get(output, "encoded")?)?);
            ensure!(
                decode_payload(&theirs, 0, MAX_MESSAGE_BYTES)? == ssz,
                "holds other bytes"
            );
            let ours = encode_payload(&ssz)?;
            ensure!(
                decode_payload(&ours, 0, ssz.len())? == ssz,
                "our own encoding"
            );
            Ok((ours != theirs).then_some(OTHER_COMPRESSION))
        }
        "reqresp_response" => {
            let chunk = chunk(codec)?;
            let theirs = hex(get(output, "encoded")?)?;
            ensure!(decode_chunk(&theirs)? == chunk, "holds another chunk");
            let ours = encode_chunk(chunk.code, &chunk.payload)?;
            ensure!(decode_chunk(&ours)? == chunk, "our own encoding");
            Ok((ours != theirs).then_some(OTHER_COMPRESSION))
        }
        "reqresp_response_stream" => response_stream(codec, output),
        "enr" => node_record(codec, output),
        "peer_id" => peer_id(codec, output),
        other => bail!("no kind {other}"),
    }
}

/// Bytes that must not decode.
fn rejected(codec: &Value) -> Result<Option<&'static str>> {
    let bytes = hex(get(codec, "rawBytes")?)?;
    let refused = match parse::<String>(codec, "decoder")?.as_str() {
        "varint" => decode_varint(&bytes).is_err(),
        "snappy_frame" => decode_frames(&bytes, MAX_MESSAGE_BYTES).is_err(),
        "reqresp_request" => decode_payload(&bytes, 0, MAX_MESSAGE_BYTES).is_err(),
        "reqresp_response" => decode_chunk(&bytes).is_err(),
        "enr" => NodeRecord::from_str(&format!("enr:{}", base64(&bytes))).is_err(),
        "gossipsub_rpc" => return Ok(Some(LIBP2P)),
        other => bail!("no decoder {other}"),
    };
    ensure!(refused, "decodes");
    Ok(None)
}

/// URL-safe base 64 without padding, as node records are written in.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - three.len()));
        let digits = (0..=three.len()).map(|k| DIGITS[(number >> (18 - 6 * k) & 63) as usize]);
        text.extend(digits.map(char::from));
    }
    text
}

fn gossip_topic(codec: &Value, output: &Value) -> Result<Option<&'static str>> {
    let network: String = parse(codec, "networkName")?;
    let name: String = parse(output, "topicString")?;
    let ours = match parse::<String>(codec, "topicKind")?.as_str() {
        "block" => Some(Topic::Block),
        "attestation" if codec.get("subnetId").is_none() => Some(Topic::Attestation),
        "attestation" | "aggregation" => None,
        other => bail!("no topic {other}"),
    };
    let Some(topic) = ours else {
        ensure!(
            Topic::parse(&name, &network).is_none(),
            "a topic of a later protocol parses"
        );
        return Ok(Some(SUBNETS));
    };
    ensure!(topic.name(&network) == name, "is {}", topic.name(&network));
    ensure!(
        Topic::parse(&name, &network) == Some(topic),
        "does not parse"
    );
    if let Ok(expected) = parse::<String>(codec, "expectedNetworkName") {
        let valid = Topic::parse(&name, &expected).is_some();
        ensure!(
            get(output, "forkValid")? == valid,
            "valid on {expected}: {valid}"
        );
    }
    Ok(None)
}

/// What is the node's in gossipsub's messages: names of topics, and ids of a fixed length.
fn gossipsub_rpc(codec: &Value) -> Result<Option<&'static str>> {
    fn walk(value: &Value, ids: &mut Vec<String>, topics: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields
                    .iter()
                    .for_each(|(name, value)| match (name.as_str(), value) {
                        ("messageIds", Value::Array(items)) => {
                            ids.extend(items.iter().filter_map(Value::as_str).map(str::to_owned));
                        }
                        ("topicId" | "topic", Value::String(topic)) => topics.push(topic.clone()),
                        _ => walk(value, ids, topics),
                    })
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, ids, topics)),
            _ => {}
        }
    }
    let (mut ids, mut topics) = (Vec::new(), Vec::new());
    walk(codec, &mut ids, &mut topics);
    for id in ids {
        ensure!(
            plain_hex::decode(&id)?.len() == MESSAGE_ID_BYTES,
            "an id of another length: {id}"
        );
    }
    for topic in topics
        .iter()
        .filter(|topic| topic.ends_with("/block/ssz_snappy"))
    {
        let network = topic.split('/').nth(2).context("no network")?;
        ensure!(
            Topic::parse(topic, network) == Some(Topic::Block),
            "{topic} does not parse"
        );
    }
    Ok(Some(LIBP2P))
}

fn chunk(codec: &Value) -> Result<Chunk> {
    let code: u64 = parse(codec, "responseCode")?;
    let codes = [
        ResultCode::Success,
        ResultCode::InvalidRequest,
        ResultCode::ServerError,
        ResultCode::ResourceUnavailable,
    ];
    let code = codes.into_iter().find(|known| *known as u64 == code);
    Ok(Chunk {
        code: code.context("another code")?,
        payload: hex(get(codec, "sszData")?)?,
    })
}

/// Chunks that follow one another: each is the shortest beginning of the rest that decodes.
fn response_stream(codec: &Value, output: &Value) -> Result<Option<&'static str>> {
    let chunks = list(codec, "chunks")?;
    ensure!(
        get(output, "chunkCount")? == chunks.len(),
        "another number of chunks"
    );
    let encoded = hex(get(output, "encoded")?)?;
    let mut rest = &encoded[..];
    for (number, expected) in chunks.iter().enumerate() {
        let found = (1..=rest.len()).find_map(|length| {
            let found = decode_chunk(&rest[..length]).ok()?;
            rest = &rest[length..];
            Some(found)
        });
        ensure!(
            found == Some(chunk(expected)?),
            "chunk {number} is {found:?}"
        );
    }
    ensure!(rest.is_empty(), "{} bytes are left", rest.len());
    Ok(None)
}

fn node_record(codec: &Value, output: &Value) -> Result<Option<&'static str>> {
    let text: String = parse(codec, "enrString")?;
    let record = NodeRecord::from_str(&text);
    if !parse::<bool>(output, "signatureValid")? {
        ensure!(record.is_err(), "a record with a wrong signature is taken");
        return Ok(Some(UNSIGNED));
    }
    let record = record?;
    ensure!(
        record.seq() == parse::<u64>(output, "seq")?,
        "sequence number {}",
        record.seq()
    );
    ensure!(
        record.public_key()[..] == hex(get(output, "publicKey")?)?,
        "another public key"
    );
    ensure!(record.to_string() == text, "written as {record}");
    let expected = output.get("multiaddr").and_then(Value::as_str);
    let found = record
        .address()
        .map(|address| format!("/ip4/{}/udp/{}/quic-v1", address.ip(), address.port()));
    ensure!(
        found.as_deref() == expected,
        "address {found:?}, should be {expected:?}"
    );
    Ok(None)
}

/// A peer id is the multihash of the encoded key: the key itself if it is short, else its SHA-256.
fn peer_id(codec: &Value, output: &Value) -> Result<Option<&'static str>> {
    let expected: String = parse(output, "peerId")?;
    let key = hex(get(codec, "publicKey")?)?;
    let encoded = hex(get(output, "protobufEncoded")?)?;
    ensure!(encoded.ends_with(&key), "the encoded key is another");
    let multihash = match u8::try_from(encoded.len()) {
        Ok(length) if length <= 42 => [&[0, length][..], &encoded].concat(),
        _ => [&[0x12, 32][..], &Sha256::digest(&encoded)].concat(),
    };
    let peer = PeerId::from_bytes(&multihash).map_err(|error| anyhow::anyhow!("{error}"))?;
    ensure!(peer.to_base58() == expected, "is {peer}");
    if parse::<String>(codec, "keyType")? != "secp256k1" {
        return Ok(Some(OTHER_KEYS));
    }
    let key: [u8; 33] = key.as_slice().try_into()?;
    let peer = StaticPeer::new(([127, 0, 0, 1], 9000).into(), &key)?;
    let name = peer.name().context("a peer without a name")?;
    ensure!(name.as_str() == expected, "the node calls it {name}");
    Ok(None)
}
