//! What is on a disk for good, what is only in its cache, and what is left of that when the power goes.

use rand::{RngExt as _, rngs::StdRng};

/// Bytes that are written as a whole or not at all.
const SECTOR: usize = 512;

/// A disk with a cache that loses its contents.
#[derive(Clone, Debug, Default)]
pub(super) struct Platter {
    /// What a reader sees.
    pub(super) current: Vec<u8>,
    /// What the power cannot take.
    settled: Vec<u8>,
    /// What came since, in its order.
    cached: Vec<Change>,
    /// How many of these a sync has promised to have settled, on a disk that only says so.
    promised: usize,
}

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Write(usize, Vec<u8>),
}

/// What is left of the cache after a power loss.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// All of it is lost.
    Everything,
    /// What came first has arrived, the last of it in part.
    Tail,
    /// Some writes have arrived, whichever.
    Writes,
    /// Some sectors have arrived, whichever.
    Sectors,
    /// Nothing is lost.
    Nothing,
}

impl Platter {
    pub(super) fn set_len(&mut self, length: usize) {
        self.current.resize(length, 0);
        self.cached.push(Change::Length(length));
    }

    /// Writes where there is room; false where there is none.
    pub(super) fn write(&mut self, offset: usize, data: &[u8]) -> bool {
        let Some(bytes) = self.current.get_mut(offset..offset + data.len()) else {
            return false;
        };
        bytes.copy_from_slice(data);
        self.cached.push(Change::Write(offset, data.to_vec()));
        true
    }

    /// Settles all that was written.
    pub(super) fn sync(&mut self) {
        for change in self.cached.drain(..) {
            change.apply(&mut self.settled);
        }
        self.promised = 0;
    }

    /// Says that it has settled all that was written.
    pub(super) fn pretend_to_sync(&mut self) {
        self.promised = self.cached.len();
    }

    /// A sync that fails: what it had to write can be read until the power goes, and is never written. Linux does so.
    pub(super) fn fail_to_sync(&mut self) {
        self.cached.clear();
        self.promised = 0;
    }

    /// What must be there after a power loss, if every sync has done what it said.
    pub(super) fn promise(&self) -> Vec<u8> {
        let mut bytes = self.settled.clone();
        for change in &self.cached[..self.promised] {
            change.clone().apply(&mut bytes);
        }
        bytes
    }

    /// The power goes: of what is in the cache only some has arrived, and writes may have been torn between two sectors.
    pub(super) fn lose_power(&mut self, luck: &mut StdRng) {
        let losses = [
            Loss::Everything,
            Loss::Tail,
            Loss::Writes,
            Loss::Writes,
            Loss::Sectors,
            Loss::Sectors,
            Loss::Nothing,
        ];
        let loss = losses[luck.random_range(0..losses.len())];
        let cached = std::mem::take(&mut self.cached);
        self.promised = 0;
        let settled = &mut self.settled;
        match loss {
            Loss::Everything => {}
            Loss::Nothing => cached.into_iter().for_each(|change| change.apply(settled)),
            Loss::Tail => {
                let arrived = luck.random_range(0..=cached.len());
                for (position, change) in cached.into_iter().take(arrived).enumerate() {
                    match change {
                        Change::Write(offset, mut data) if position + 1 == arrived => {
                            let sectors = luck.random_range(0..=data.len() / SECTOR);
                            data.truncate(sectors * SECTOR);
                            Change::Write(offset, data).apply(settled);
                        }
                        change => change.apply(settled),
                    }
                }
            }
            Loss::Writes | Loss::Sectors => {
                // The length of a file is its directory's: it changes in its order, whatever becomes of the data.
                let lengths = cached
                    .iter()
                    .filter(|change| matches!(change, Change::Length(_)));
                let mut lengths = luck.random_range(0..=lengths.count());
                let share = luck.random_range(0.1..0.9);
                for change in cached {
                    match change {
                        Change::Length(_) if lengths == 0 => {}
                        Change::Length(_) => {
                            lengths -= 1;
                            change.apply(settled);
                        }
                        Change::Write(offset, data) if matches!(loss, Loss::Sectors) => {
                            for (number, sector) in data.chunks(SECTOR).enumerate() {
                                if luck.random_bool(share) {
                                    let at = offset + number * SECTOR;
                                    Change::Write(at, sector.to_vec()).apply(settled);
                                }
                            }
                        }
                        change => {
                            if luck.random_bool(share) {
                                change.apply(settled);
                            }
                        }
                    }
                }
            }
        }
        self.current.clone_from(settled);
    }
}

impl Change {
    /// What lies behind the end is lost with it.
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(length, 0),
            Self::Write(offset, data) => {
                let end = bytes.len().min(offset + data.len());
                if offset < end {
                    bytes[offset..end].copy_from_slice(&data[..end - offset]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;

    use super::*;

    /// Four sectors of ones that are settled, and of twos that are not, in two writes; the last one in a fifth sector.
    fn written() -> Platter {
        let mut platter = Platter::default();
        platter.set_len(4 * SECTOR);
        assert!(platter.write(0, &[1; 4 * SECTOR]));
        platter.sync();
        assert!(platter.write(0, &[2; 2 * SECTOR]));
        platter.set_len(5 * SECTOR);
        assert!(platter.write(2 * SECTOR, &[2; 3 * SECTOR]));
        platter
    }

    fn outcomes(platter: &Platter) -> BTreeSet<Vec<u8>> {
        let lost = (0..2_000).map(|seed| {
            let mut platter = platter.clone();
            platter.lose_power(&mut StdRng::seed_from_u64(seed));
            assert_eq!(platter.current, platter.settled);
            let sectors = platter.current.chunks(SECTOR);
            sectors
                .map(|sector| {
                    assert!(
                        sector.iter().all(|byte| *byte == sector[0]),
                        "half a sector"
                    );
                    sector[0]
                })
                .collect()
        });
        lost.collect()
    }

    #[test]
    fn any_part_of_the_cache_may_be_lost_and_nothing_else() {
        let found = outcomes(&written());
        for outcome in [
            vec![1, 1, 1, 1],
            vec![2, 2, 2, 2, 2],
            vec![2, 2, 1, 1],
            vec![1, 1, 2, 2, 2],
            vec![1, 1, 2, 2],
            vec![1, 1, 1, 1, 0],
            vec![2, 1, 1, 2, 0],
        ] {
            assert!(found.contains(&outcome), "{outcome:?} of {found:?}");
        }
        assert!(found.len() > 30);
        let mut synced = written();
        synced.sync();
        assert_eq!(outcomes(&synced), BTreeSet::from([vec![2; 5]]));
    }

    #[test]
    fn a_disk_that_only_says_that_it_has_synced_loses_what_it_promised() {
        let mut platter = written();
        let before = platter.promise();
        platter.pretend_to_sync();
        assert!(outcomes(&platter).contains(&vec![1, 1, 1, 1]));
        assert_eq!(before, [1; 4 * SECTOR]);
        assert_eq!(platter.promise(), [2; 5 * SECTOR]);
    }

    #[test]
    fn what_a_failed_sync_had_to_write_can_be_read_and_is_lost() {
        let mut platter = written();
        platter.fail_to_sync();
        platter.sync();
        assert_eq!(platter.current, [2; 5 * SECTOR]);
        assert_eq!(outcomes(&platter), BTreeSet::from([vec![1; 4]]));
    }
}
