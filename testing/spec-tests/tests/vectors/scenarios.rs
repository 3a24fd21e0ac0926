//! Whole chains, event by event, with the store's expected content after each.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use quartet_fork_choice::ForkChoice;
use quartet_spec_tests::{Report, VectorFile};
use quartet_types::{
    Attestation, AttestationData, Block, BlockWithAttestation, Checkpoint, Root, State,
};
use serde_json::Value;
use tree_hash::TreeHash as _;

use crate::{
    fixture::{get, list, parse, ssz_field},
    stf_cases::check_summary,
    store::{Rule, Store},
};

const UNSIGNED: &str =
    "refused for its signatures, which the scenario leaves out; block_signatures_* has such blocks";
const OWN_BLOCK: &str = "the specification stores a block that it produces without looking for a new head, and leaves \
    its checkpoints aside; the node imports its own blocks like any other, so it is ahead until the next one comes";
const BEFORE_THE_ANCHOR: &str = "the specification refuses for ever what names a block from before the anchor; \
    the node takes it, and follows the chain";

const NOBODY: &str = "the specification's store takes a vote by an index beyond the registry, since it does not look at the \
    signature; the node refuses it";

pub(crate) fn replay(file: &VectorFile, report: &mut Report) -> Result<()> {
    let scenario = file.json()?;
    let mut replay = Replay::new(&scenario, Rule::Specification)?;
    for (number, event) in list(&scenario, "events")?.iter().enumerate() {
        let name = format!("{} event {number}", file.file_name());
        let mut listed = Vec::new();
        let mut failed = false;
        report.case(&name, || {
            let result = replay.take(event, &mut listed);
            failed = result.is_err();
            result.with_context(|| format!("{}", event["type"]))
        });
        for reason in listed {
            report.set_aside(&name, reason);
        }
        if failed {
            // What follows would only repeat it.
            return Ok(());
        }
    }
    if replay.anchor_slot > 0 {
        let name = format!("{} by the node's rule", file.file_name());
        report.deviation(name, BEFORE_THE_ANCHOR, || follow_the_chain(&scenario));
    }
    Ok(())
}

/// Replays everything by the node's rule: nothing is refused, and the head is the last block.
fn follow_the_chain(scenario: &Value) -> Result<()> {
    let mut replay = Replay::new(scenario, Rule::Node)?;
    let anchor = replay.anchor_slot;
    let mut last = None;
    for event in list(scenario, "events")? {
        match event["type"].as_str() {
            Some("tick") => replay.tick(event)?,
            Some("block") => {
                let block = replay.block(event)?;
                replay
                    .store
                    .on_block(&block.block, &block.proposer_attestation)?;
                last = Some(block.block.checkpoint());
            }
            Some("attestation") => replay
                .store
                .on_attestation(&ssz_field(event, "attestation_ssz")?)?,
            other => bail!("event {other:?} in a chain that only follows"),
        }
    }
    let fork_choice = replay.store.fork_choice();
    ensure!(
        Some(fork_choice.head()) == last,
        "the head is {}",
        fork_choice.head()
    );
    ensure!(
        fork_choice.latest_finalized().slot > anchor,
        "nothing has been finalized"
    );
    Ok(())
}

struct Replay<'a> {
    store: Store,
    anchor_slot: u64,
    /// Unix time of slot 0: ticks and expectations are in seconds, which are intervals.
    genesis_time: u64,
    /// The scenario's blocks by root.
    blocks: &'a Value,
    /// A block of our own, until its proposer's attestation comes.
    produced: Option<Block>,
    /// The block of our own by which the store is ahead of the specification's.
    ahead: Option<Root>,
    /// Whether that has been listed.
    ahead_is_listed: bool,
}

impl<'a> Replay<'a> {
    fn new(scenario: &'a Value, rule: Rule) -> Result<Self> {
        let anchor = get(scenario, "anchor")?;
        let state: State = ssz_field(anchor, "state_ssz")?;
        let block: Block = ssz_field(anchor, "block_ssz")?;
        ensure!(
            state.tree_hash_root() == parse::<Root>(anchor, "state_root")?,
            "anchor state"
        );
        ensure!(
            block.tree_hash_root() == parse::<Root>(anchor, "block_root")?,
            "anchor block"
        );
        let store = Store::new(state, &block, rule)?;
        compare(&store, get(anchor, "expect")?)?;
        Ok(Self {
            store,
            anchor_slot: block.slot,
            genesis_time: parse(scenario, "genesis_time")?,
            blocks: get(scenario, "blocks")?,
            produced: None,
            ahead: None,
            ahead_is_listed: false,
        })
    }

    /// Takes one event and checks what the store holds afterwards; lists the reasons of deviations.
    fn take(&mut self, event: &Value, listed: &mut Vec<&'static str>) -> Result<()> {
        let outcome = match event["type"].as_str().context("an event has a type")? {
            "tick" => self.tick(event),
            "block" => {
                if event["error_kind"] == "signatures" {
                    listed.push(UNSIGNED);
                    return compare(&self.store, get(event, "expect")?);
                }
                let block = self.block(event)?;
                let is_new = !self
                    .store
                    .states()
                    .contains_key(&block.block.tree_hash_root());
                if is_new {
                    self.ahead = None;
                }
                self.store
                    .on_block(&block.block, &block.proposer_attestation)
            }
            "attestation" => {
                let result = self.attestation(event);
                let validator: u64 = parse(event, "validator_id")?;
                if validator >= self.store.fork_choice().validators() {
                    ensure!(result.is_err(), "accepted a vote by nobody");
                    listed.push(NOBODY);
                    return compare(&self.store, get(event, "expect")?);
                }
                result
            }
            "produce_block" => self.produce(event),
            "check_produce_block" => return self.check_produce(event),
            "check_attestation_data" => return self.check_attestation_data(event),
            other => bail!("an unknown type".to_owned() + other),
        };
        match (outcome, event.get("expect_error")) {
            (Err(error), None) => return Err(error),
            (Ok(()), Some(error)) => bail!("accepted, the specification says {error}"),
            _ => {}
        }
        let expected = get(event, "expect")?;
        match (compare(&self.store, expected), self.ahead) {
            (Err(_), Some(own)) => {
                if !std::mem::replace(&mut self.ahead_is_listed, true) {
                    listed.push(OWN_BLOCK);
                }
                ensure!(
                    self.store.fork_choice().head().root == own,
                    "our own block is not the head"
                );
                compare_votes(self.store.fork_choice(), expected)
            }
            (result, _) => result,
        }
    }

    fn tick(&mut self, event: &Value) -> Result<()> {
        let time = parse::<u64>(event, "time")?.checked_sub(self.genesis_time);
        let time = time.context("a tick before genesis")?;
        self.store.advance(time, parse(event, "has_proposal")?);
        Ok(())
    }

    /// The block that an event names.
    fn block(&self, event: &Value) -> Result<BlockWithAttestation> {
        let root: Root = parse(event, "root")?;
        let entry = get(self.blocks, &root.to_string())?;
        let block: BlockWithAttestation = ssz_field(entry, "block_with_attestation_ssz")?;
        ensure!(block.block.tree_hash_root() == root, "root of the block");
        let envelope: Root = parse(entry, "block_with_attestation_root")?;
        ensure!(
            block.tree_hash_root() == envelope,
            "root of the block with attestation"
        );
        Ok(block)
    }

    fn attestation(&mut self, event: &Value) -> Result<()> {
        let attestation: Attestation = ssz_field(event, "attestation_ssz")?;
        let root: Root = parse(event, "attestation_root")?;
        ensure!(
            attestation.tree_hash_root() == root,
            "root of the attestation"
        );
        match self.produced.take() {
            Some(block) => {
                self.ahead = Some(block.tree_hash_root());
                self.ahead_is_listed = false;
                self.store.on_block(&block, &attestation)
            }
            None => self.store.on_attestation(&attestation),
        }
    }

    /// Produces a block and keeps it; it is imported with its proposer's attestation, which comes next.
    fn produce(&mut self, event: &Value) -> Result<()> {
        let block = self.store.produce_block(parse(event, "slot")?)?;
        ensure!(
            block.tree_hash_root() == parse::<Root>(event, "root")?,
            "another block was produced"
        );
        self.produced = Some(block);
        Ok(())
    }

    fn check_produce(&self, event: &Value) -> Result<()> {
        let expected = get(event, "expect_block")?;
        let block = self.store.foretell_block(parse(event, "slot")?)?;
        ensure!(
            parse::<u64>(event, "validator")? == block.proposer_index,
            "the proposer"
        );
        let root: Root = parse(expected, "root")?;
        ensure!(
            block == ssz_field::<Block>(expected, "block_ssz")?,
            "another block is produced"
        );
        ensure!(block.tree_hash_root() == root, "root of the block");
        Ok(())
    }

    fn check_attestation_data(&self, event: &Value) -> Result<()> {
        let expected = get(event, "expect_data")?;
        let data: AttestationData = ssz_field(expected, "ssz")?;
        ensure!(
            data.tree_hash_root() == parse::<Root>(expected, "root")?,
            "root of the data"
        );
        let fork_choice = self.store.fork_choice();
        ensure!(
            fork_choice.attestation_target() == Some(data.target),
            "another target"
        );
        let found = self.store.attestation_data(data.slot);
        ensure!(found == data, "should be {data:?}, is {found:?}");
        Ok(())
    }
}

/// Compares the store with all that is expected of it.
fn compare(store: &Store, expected: &Value) -> Result<()> {
    let fork_choice = store.fork_choice();
    let checkpoints = [
        ("head", fork_choice.head()),
        ("safe_target", fork_choice.safe_target()),
        ("latest_justified", fork_choice.latest_justified()),
        ("latest_finalized", fork_choice.latest_finalized()),
    ];
    for (field, found) in checkpoints {
        let expected: Checkpoint = parse(expected, field)?;
        ensure!(
            found == expected,
            "{field} should be {expected}, is {found}"
        );
    }
    if let Some(summary) = expected.get("post_state") {
        // The post-state of the block that the event was about is found by its root.
        let root: Root = parse(summary, "state_root")?;
        let mut states = store.states().values();
        if let Some(state) = states.find(|state| state.tree_hash_root() == root) {
            check_summary(state, summary)?;
        }
    }
    compare_votes(fork_choice, expected)
}

/// Validator → slots of attestation, head, target and source, and the data's root.
type Votes = BTreeMap<String, (u64, u64, u64, u64, Root)>;

fn compare_votes(fork_choice: &ForkChoice, expected: &Value) -> Result<()> {
    ensure!(
        parse::<u64>(expected, "time")? == fork_choice.time(),
        "time is {}",
        fork_choice.time()
    );
    let votes = |attestations: &mut dyn Iterator<Item = Attestation>| -> Votes {
        let vote = |attestation: Attestation| {
            let data = attestation.data;
            let slots = (
                data.slot,
                data.head.slot,
                data.target.slot,
                data.source.slot,
            );
            let row = (slots.0, slots.1, slots.2, slots.3, data.tree_hash_root());
            (attestation.validator_id.to_string(), row)
        };
        attestations.map(vote).collect()
    };
    // What the specification has by nobody is listed where it comes in.
    let registry = fork_choice.validators();
    let expect = |field| -> Result<Votes> {
        let mut votes: Votes = parse(expected, field)?;
        votes.retain(|validator, _| validator.parse::<u64>().is_ok_and(|index| index < registry));
        Ok(votes)
    };
    let known = votes(&mut fork_choice.known_attestations());
    let new = votes(&mut fork_choice.new_attestations());
    ensure!(expect("known")? == known, "known votes are {known:?}");
    ensure!(expect("new")? == new, "new votes are {new:?}");
    Ok(())
}
