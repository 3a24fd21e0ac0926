//! Two lists of decisions, side by side.

use quartet_recording::{Decision, Event, Taken};
use quartet_types::{Root, Slot};

/// The first thing that the replayed service decided otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Number of the session, from 0.
    pub session: usize,
    /// Number of the event in its session, from 0.
    pub event: u64,
    /// The slot it was in.
    pub slot: Slot,
    /// The block that it is about: that of the decision, or of what the service took.
    pub root: Option<Root>,
    /// What the service took.
    pub taken: String,
    /// What the recorded one decided, `None` when nothing more.
    pub recorded: Option<Decision>,
    /// What the replayed one decides.
    pub replayed: Option<Decision>,
}

/// The first decisions that do not agree, of all or only of those about the chain.
pub(crate) fn first_difference(
    recorded: &[Decision],
    replayed: &[Decision],
    of_the_chain: bool,
) -> Option<(Option<Decision>, Option<Decision>)> {
    let counts = |decision: &&Decision| !of_the_chain || decision.is_of_the_chain();
    let mut recorded = recorded.iter().filter(counts);
    let mut replayed = replayed.iter().filter(counts);
    loop {
        match (recorded.next(), replayed.next()) {
            (None, None) => return None,
            (Some(one), Some(other)) if one.agrees_with(other) => {}
            (one, other) => return Some((one.cloned(), other.cloned())),
        }
    }
}

/// The block that an event is about.
pub(crate) fn root_of(event: &Event) -> Option<Root> {
    match &event.taken {
        Taken::Done { job, .. } => Decision::Checked {
            job: *job,
            error: None,
        }
        .root(),
        _ => None,
    }
}

/// What an event is, in words.
pub(crate) fn describe(taken: &Taken) -> String {
    match taken {
        Taken::Tick { slot, interval, .. } => format!("tick {interval} of slot {slot}"),
        Taken::Attestations(items) => format!("{} votes from gossip", items.len()),
        Taken::BatchDue => "the votes that had come".to_owned(),
        Taken::Block { block, peer } => {
            let block = block.block();
            let (slot, proposer) = (block.slot, block.proposer_index);
            format!("block of slot {slot} by validator {proposer} from {peer}")
        }
        Taken::OwnBlock(block) => format!("own block of slot {}", block.block().slot),
        Taken::OwnAttestations(votes) => format!("{} own votes", votes.len()),
        Taken::PrepareProposal(slot) => format!("preparation of the proposal of slot {slot}"),
        Taken::Status { peer, status } => format!("status of {peer}: head {}", status.head),
        Taken::Disconnected(peer) => format!("{peer} gone"),
        Taken::Requested { request, result } => match result {
            Ok(blocks) => format!("{} blocks for request {request}", blocks.len()),
            Err(error) => format!("nothing for request {request}: {error}"),
        },
        Taken::Done { job, .. } => job.to_string(),
        Taken::Stop => "the end".to_owned(),
    }
}
