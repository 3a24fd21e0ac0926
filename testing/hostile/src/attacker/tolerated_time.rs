//! For how long the nodes keep an identity connected after its first offence.

use std::{collections::HashMap, time::Duration};

use quartet_clock::Stopwatch;

/// Connections of identities, from the first offence, or from when a node has let them in after it, to the end.
#[derive(Debug, Default)]
pub(crate) struct ToleratedTimes {
    identities: HashMap<u64, Identity>,
    /// The longest that has ended.
    longest: Option<Duration>,
}

#[derive(Debug, Default)]
struct Identity {
    /// Since the first offence.
    offence: Option<Stopwatch>,
    open: Vec<Connection>,
    has_come: bool,
}

/// A connection with a node.
#[derive(Debug)]
struct Connection {
    name: String,
    /// The node's port.
    port: u16,
    /// Since the node has let it in.
    came: Stopwatch,
    /// For how long the node was stopped since the offence: it cannot disconnect peers meanwhile.
    excused: Duration,
}

impl ToleratedTimes {
    /// The node at this port has let an identity in.
    pub(super) fn came(&mut self, identity: u64, connection: String, port: u16) {
        let identity = self.identities.entry(identity).or_default();
        identity.has_come = true;
        identity.open.push(Connection {
            name: connection,
            port,
            came: Stopwatch::start(),
            excused: Duration::ZERO,
        });
    }

    /// The node at this port was made to stand still for so long, until now.
    pub(crate) fn stood_still(&mut self, port: u16, lasted: Duration) {
        #[expect(clippy::iter_over_hash_type, reason = "each by itself")]
        for identity in self.identities.values_mut() {
            let Some(offence) = &identity.offence else {
                continue;
            };
            let open = identity.open.iter_mut();
            for connection in open.filter(|connection| connection.port == port) {
                connection.excused += lasted.min(connection.since(offence));
            }
        }
    }

    /// An identity begins to do what honest peers do not, if it has not before.
    pub(super) fn offended(&mut self, identity: u64) {
        let identity = self.identities.entry(identity).or_default();
        identity.offence.get_or_insert_with(Stopwatch::start);
    }

    /// A node has closed a connection.
    pub(super) fn gone(&mut self, identity: u64, connection: String) {
        if let Some(identity) = self.identities.get_mut(&identity) {
            let of_it = identity.open.extract_if(.., |open| open.name == connection);
            let ended: Vec<_> = of_it.collect();
            let stayed = ended
                .iter()
                .filter_map(|connection| identity.tolerated_over(connection));
            self.longest = self.longest.max(stayed.max());
        }
    }

    /// An identity has left of its own accord.
    pub(super) fn left(&mut self, identity: u64) {
        let stayed = self
            .identities
            .remove(&identity)
            .and_then(|identity| identity.tolerated());
        self.longest = self.longest.max(stayed);
    }

    /// Whether an identity was let in, now or before.
    pub(super) fn has_come(&self, identity: u64) -> bool {
        self.identities
            .get(&identity)
            .is_some_and(|identity| identity.has_come)
    }

    /// Whether an identity was let in and has no connection any more.
    pub(super) fn is_shown_out(&self, identity: u64) -> bool {
        (self.identities.get(&identity))
            .is_some_and(|identity| identity.has_come && identity.open.is_empty())
    }

    /// The longest that a node has kept an identity connected after an offence, up to now; `None` when none
    /// was let in and offended.
    pub(crate) fn longest(&self) -> Option<Duration> {
        let open = self
            .identities
            .values()
            .filter_map(Identity::tolerated)
            .max();
        self.longest.max(open)
    }
}

impl Connection {
    /// For how long the node has had an offender there.
    fn since(&self, offence: &Stopwatch) -> Duration {
        offence.elapsed().min(self.came.elapsed())
    }
}

impl Identity {
    /// For how long it has stayed since its offence, if it is still there.
    fn tolerated(&self) -> Option<Duration> {
        let open = self.open.iter();
        open.filter_map(|connection| self.tolerated_over(connection))
            .max()
    }

    fn tolerated_over(&self, connection: &Connection) -> Option<Duration> {
        let since = connection.since(self.offence.as_ref()?);
        Some(since.saturating_sub(connection.excused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_lets_an_offender_in_later_has_put_up_with_it_for_less() {
        let mut times = ToleratedTimes::default();
        times.came(1, "a".into(), 7);
        times.offended(1);
        while times.longest() < Some(Duration::from_millis(1)) {}
        times.gone(1, "a".into());
        let first = times.longest();
        times.came(1, "b".into(), 8);
        times.gone(1, "b".into());
        assert_eq!(times.longest(), first);
    }

    #[test]
    fn a_stay_counts_from_the_offence_while_the_connection_is_open() {
        let mut times = ToleratedTimes::default();
        times.came(1, "a".into(), 7);
        assert_eq!(times.longest(), None, "no offence");
        times.offended(1);
        assert!(times.longest().is_some());
        assert!(!times.is_shown_out(1));
        times.gone(1, "a".into());
        assert!(times.is_shown_out(1));
        let ended = times.longest().unwrap();
        assert_eq!(times.longest(), Some(ended), "it grows no more");
    }

    #[test]
    fn a_node_that_was_made_to_stand_still_is_excused_for_as_long_and_no_other() {
        let mut times = ToleratedTimes::default();
        times.came(1, "a".into(), 7);
        times.stood_still(7, Duration::from_secs(60));
        times.offended(1);
        times.gone(1, "a".into());
        let before = times.longest().unwrap();
        assert!(before > Duration::ZERO, "that was before the offence");
        for (port, is_excused) in [(7, true), (8, false)] {
            let mut times = ToleratedTimes::default();
            times.came(1, "a".into(), port);
            times.offended(1);
            while times.longest() < Some(Duration::from_micros(100)) {}
            times.stood_still(7, Duration::from_secs(60));
            times.gone(1, "a".into());
            let stay = times.longest().unwrap();
            assert_eq!(stay < Duration::from_micros(100), is_excused, "{stay:?}");
        }
    }

    #[test]
    fn an_identity_that_was_never_let_in_was_never_tolerated() {
        let mut times = ToleratedTimes::default();
        times.offended(1);
        assert_eq!(times.longest(), None);
        assert!(!times.is_shown_out(1));
        times.left(1);
        assert_eq!(times.longest(), None);
    }
}
