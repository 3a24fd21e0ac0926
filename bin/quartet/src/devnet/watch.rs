//! A running devnet until its end: it prints the table and carries out requests.

use quartet_clock::Stopwatch;
use tokio::sync::{mpsc, oneshot};

use super::{
    control::{Asked, Control, Reply, Request},
    layout::NodeLayout,
    network::{Earlier, Network},
    observer::{self, Observation, Observer},
    orders,
    terminal::{self, note},
};
use crate::signals::Signals;

/// Why a network ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The slots that were asked for are over.
    Slots,
    /// A signal or a command came, or standard output was closed.
    Interrupted,
    /// No node is left.
    AllDied,
}

/// Observations of a network until its end.
pub(super) struct Watched {
    pub(super) last: Observation,
    pub(super) end: End,
    /// The nodes' readings at the first finalization.
    pub(super) earlier: Option<Earlier>,
    /// Slots in which all nodes agreed, and those in which they were asked.
    pub(super) agreed: (u64, u64),
    /// When the late node first had the head of the others.
    pub(super) caught_up: Option<u64>,
    /// The request for the end, which waits for its reply.
    pub(super) asker: Option<oneshot::Sender<Reply>>,
}

/// What is observed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The last slot, if there is one.
    pub(super) until: Option<u64>,
    /// Whether a report is to be written.
    pub(super) reports: bool,
    pub(super) since_start: Stopwatch,
}

/// Prints the table and carries out requests, until the network's end.
pub(super) async fn watch(
    network: &mut Network,
    plan: Plan,
    signals: &mut Signals,
    control: &mut Control,
) -> Watched {
    let table = terminal::table();
    let mut watched = Watched {
        last: Observation {
            slot: 0,
            views: vec![None; network.members().len()],
            guests: vec![None; network.questions().len()],
            late: None,
            first_finalization: None,
        },
        end: End::Interrupted,
        earlier: None,
        agreed: (0, 0),
        caught_up: None,
        asker: None,
    };
    if terminal::line(&table.header()).is_err() {
        return watched;
    }
    let asked = observer::Asked {
        members: network.members().iter().map(NodeLayout::http).collect(),
        guests: network.questions(),
        late: network.late().map(|(node, _)| node.http()),
    };
    let observer = Observer::new(network.clock.clone(), asked, plan.since_start);
    let (sender, mut observations) = mpsc::channel(1);
    let observer = tokio::spawn(observer.run(sender));
    watched.end = loop {
        if network.is_dead() {
            break End::AllDied;
        }
        tokio::select! {
            biased;
            () = signals.next() => break End::Interrupted,
            () = network.death() => {}
            asked = control.next() => {
                if let Some(asker) = answer(network, asked).await {
                    watched.asker = Some(asker);
                    break End::Interrupted;
                }
            }
            Some(observation) = observations.recv() => {
                watched.last = observation;
                let last = &watched.last;
                if watched.earlier.is_none() && plan.reports && last.first_finalization.is_some() {
                    watched.earlier = Some(network.readings(last.slot).await);
                }
                let printed = terminal::line(&table.line(last));
                watched.count();
                let slot = watched.last.slot;
                start_late(network, slot);
                if plan.until.is_some_and(|until| slot >= until) {
                    break End::Slots;
                }
                if printed.is_err() {
                    break End::Interrupted;
                }
            }
        }
    };
    observer.abort();
    watched
}

impl Watched {
    fn count(&mut self) {
        let agreement = self.last.agreement();
        let (agreed, asked) = &mut self.agreed;
        *asked += 1;
        *agreed += u64::from(agreement.is_full());
        let heads = self.last.late.zip(agreement.chain);
        if self.caught_up.is_none()
            && heads.is_some_and(|(late, chain)| late.chain.head == chain.head)
        {
            self.caught_up = Some(self.last.slot);
        }
    }
}

/// Starts the node that starts late, when it is time.
fn start_late(network: &mut Network, slot: u64) {
    let Some((node, at)) = network.late() else {
        return;
    };
    if slot != at {
        return;
    }
    let name = node.name.clone();
    match network.start_late() {
        Ok(()) => note(format_args!("{name} is started late")),
        Err(error) => note(format_args!("{error:#}")),
    }
}

/// Carries out a request; returns it if it asks for the end.
async fn answer(network: &mut Network, asked: Asked) -> Option<oneshot::Sender<Reply>> {
    let (request, reply) = asked;
    if request == Request::Stop {
        return Some(reply);
    }
    // The client may have gone.
    let _ = reply.send(orders::carry_out(network, request).await);
    None
}
