//! For how long the nodes put up with each identity.

use std::{collections::HashMap, time::Duration};

use quartet_clock::Stopwatch;

/// Connections of identities, from the first offence to the end.
#[derive(Debug, Default)]
pub(crate) struct Stays {
    guests: HashMap<u64, Guest>,
    /// The longest that has ended.
    longest: Option<Duration>,
}

#[derive(Debug, Default)]
struct Guest {
    /// Since the first offence.
    offence: Option<Stopwatch>,
    open: Vec<String>,
    has_come: bool,
}

impl Stays {
    /// A node has let an identity in.
    pub(super) fn came(&mut self, guest: u64, connection: String) {
        let guest = self.guests.entry(guest).or_default();
        guest.has_come = true;
        guest.open.push(connection);
    }

    /// An identity begins to do what honest peers do not, if it has not before.
    pub(super) fn offended(&mut self, guest: u64) {
        let guest = self.guests.entry(guest).or_default();
        guest.offence.get_or_insert_with(Stopwatch::start);
    }

    /// A node has closed a connection.
    pub(super) fn gone(&mut self, guest: u64, connection: String) {
        if let Some(guest) = self.guests.get_mut(&guest) {
            guest.open.retain(|open| *open != connection);
            let stayed = guest.offence.as_ref().map(Stopwatch::elapsed);
            self.longest = self.longest.max(stayed);
        }
    }

    /// An identity has left of its own accord.
    pub(super) fn left(&mut self, guest: u64) {
        let stayed = self.guests.remove(&guest).and_then(|guest| guest.stays());
        self.longest = self.longest.max(stayed);
    }

    /// Whether an identity was let in, now or before.
    pub(super) fn has_come(&self, guest: u64) -> bool {
        self.guests.get(&guest).is_some_and(|guest| guest.has_come)
    }

    /// Whether an identity was let in and has no connection any more.
    pub(super) fn is_shown_out(&self, guest: u64) -> bool {
        (self.guests.get(&guest)).is_some_and(|guest| guest.has_come && guest.open.is_empty())
    }

    /// The longest that a node has put up with an identity that had offended, up to now; `None` when none
    /// was let in and offended.
    pub(crate) fn longest(&self) -> Option<Duration> {
        let open = self.guests.values().filter_map(Guest::stays).max();
        self.longest.max(open)
    }
}

impl Guest {
    /// For how long it has stayed since its offence, if it is still there.
    fn stays(&self) -> Option<Duration> {
        let offence = self.offence.as_ref().filter(|_| !self.open.is_empty())?;
        Some(offence.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_counts_from_the_offence_while_the_connection_is_open() {
        let mut stays = Stays::default();
        stays.came(1, "a".into());
        assert_eq!(stays.longest(), None, "no offence");
        stays.offended(1);
        assert!(stays.longest().is_some());
        assert!(!stays.is_shown_out(1));
        stays.gone(1, "a".into());
        assert!(stays.is_shown_out(1));
        let ended = stays.longest().unwrap();
        assert_eq!(stays.longest(), Some(ended), "it grows no more");
    }

    #[test]
    fn who_was_never_let_in_does_not_stay() {
        let mut stays = Stays::default();
        stays.offended(1);
        assert_eq!(stays.longest(), None);
        assert!(!stays.is_shown_out(1));
        stays.left(1);
        assert_eq!(stays.longest(), None);
    }
}
