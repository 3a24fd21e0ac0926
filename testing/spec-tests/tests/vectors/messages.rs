//! The network's messages: topics and ids of gossip, requests and response chunks.

use anyhow::{Context as _, Result, bail, ensure};
use quartet_network::{
    BLOCKS_BY_ROOT_PROTOCOL, STATUS_PROTOCOL,
    wire::{
        Domain, MAX_MESSAGE_BYTES, Topic, compress, decode_chunk, decode_payload, decompress,
        encode_chunk, encode_payload, message_id, message_id_in_domain,
    },
};
use quartet_spec_tests::{Report, VectorFile};
use serde_json::Value;

use crate::fixture::{get, hex, list, parse};

const SUFFIX: &str =
    "050fa4a names the protocols without their encoding; on the wire they end in ssz_snappy";

pub(crate) fn replay_gossip(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    for (fork, topics) in get(&json, "topics")?.as_object().context("no topics")? {
        for (word, name) in topics.as_object().context("no topics of a fork")? {
            report.case(format!("topic {word} of {fork}"), || {
                let name = name.as_str().context("no name")?;
                let topic = Topic::ALL.into_iter().find(|topic| topic.word() == word);
                let topic = topic.context("no such topic")?;
                ensure!(topic.name(fork) == name, "is {}", topic.name(fork));
                ensure!(Topic::parse(name, fork) == Some(topic), "does not parse");
                ensure!(
                    Topic::parse(name, "another").is_none(),
                    "parses on another network"
                );
                Ok(())
            });
        }
    }
    for (number, case) in list(&json, "cases")?.iter().enumerate() {
        let note: String = parse(case, "note")?;
        report.case(format!("message {number}: {note}"), || gossip_message(case));
    }
    if let Some(case) = json.get("no_decompressor") {
        report.case("message taken as it is", || {
            let (topic, data) = (parse::<String>(case, "topic")?, hex(get(case, "data")?)?);
            let id = message_id_in_domain(Domain::InvalidSnappy, topic.as_bytes(), &data);
            ensure!(id[..] == hex(get(case, "message_id")?)?, "another id");
            Ok(())
        });
    }
    Ok(())
}

fn gossip_message(case: &Value) -> Result<()> {
    let (topic, data) = (parse::<String>(case, "topic")?, hex(get(case, "data")?)?);
    ensure!(
        message_id(&topic, &data)[..] == hex(get(case, "message_id")?)?,
        "another id"
    );
    match (
        decompress(&data, MAX_MESSAGE_BYTES),
        parse(case, "snappy_valid")?,
    ) {
        (Ok(plain), true) => {
            ensure!(
                plain == hex(get(case, "decompressed")?)?,
                "decompresses to other bytes"
            );
            ensure!(
                decompress(&compress(&plain)?, plain.len())? == plain,
                "our own compression"
            );
            Ok(())
        }
        (Err(_), false) => Ok(()),
        (Ok(_), false) => bail!("decompresses"),
        (Err(error), true) => bail!("does not decompress: {error}"),
    }
}

pub(crate) fn replay_requests(file: &VectorFile, report: &mut Report) -> Result<()> {
    let json = file.json()?;
    for (revision, names) in get(&json, "protocol_ids")?
        .as_object()
        .context("no protocols")?
    {
        let names: Vec<String> = serde_json::from_value(names.clone())?;
        let ours = [STATUS_PROTOCOL, BLOCKS_BY_ROOT_PROTOCOL];
        if names == ours {
            report.case(format!("protocols of {revision}"), || Ok(()));
            continue;
        }
        report.deviation(format!("protocols of {revision}"), SUFFIX, || {
            let without = ours.map(|name| name.strip_suffix("ssz_snappy").unwrap_or(name));
            ensure!(names == without, "are {names:?}");
            Ok(())
        });
    }
    for (number, case) in list(&json, "cases")?.iter().enumerate() {
        let name: String = parse(case, "name")?;
        report.case(format!("{number}: {name}"), || request_or_chunk(case));
    }
    Ok(())
}

fn request_or_chunk(case: &Value) -> Result<()> {
    let (ssz, wire) = (hex(get(case, "ssz")?)?, hex(get(case, "wire")?)?);
    match parse::<String>(case, "kind")?.as_str() {
        "request" => {
            ensure!(
                decode_payload(&wire, 0, MAX_MESSAGE_BYTES)? == ssz,
                "other bytes"
            );
            let ours = encode_payload(&ssz)?;
            ensure!(
                decode_payload(&ours, 0, ssz.len())? == ssz,
                "our own encoding"
            );
        }
        "response_chunk" => {
            let chunk = decode_chunk(&wire)?;
            ensure!(
                chunk.code as u64 == parse::<u64>(case, "code")?,
                "another code"
            );
            ensure!(chunk.payload == ssz, "other bytes");
            let ours = encode_chunk(chunk.code, &ssz)?;
            ensure!(decode_chunk(&ours)? == chunk, "our own encoding");
        }
        other => bail!("no kind {other}"),
    }
    // A message that ends early is none.
    for length in [0, wire.len() - 1] {
        ensure!(
            decode_chunk(&wire[..length]).is_err(),
            "{length} bytes are a chunk"
        );
    }
    Ok(())
}
