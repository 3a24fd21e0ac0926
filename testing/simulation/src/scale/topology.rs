//! The connections between the nodes.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::mesh::MAX_PEERS;

/// Draws connections, as `(who dialled, the other)`: each node dials half as many as `peers`, so that it has this many on average.
pub(super) fn draw(seed: u64, nodes: usize, peers: usize) -> Vec<(usize, usize)> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x746f_706f);
    let most = peers.min(MAX_PEERS).min(nodes.saturating_sub(1));
    if most + 1 == nodes {
        return (0..nodes)
            .flat_map(|one| (0..one).map(move |other| (one, other)))
            .collect();
    }
    let mut degrees = vec![0; nodes];
    let mut connected = std::collections::BTreeSet::new();
    let mut drawn = Vec::new();
    for _ in 0..most.div_ceil(2) {
        for dialler in 0..nodes {
            // A node that finds no free peer after some tries has only the connections of those that dial it.
            let other = (0..64)
                .map(|_| random.random_range(0..nodes))
                .find(|other| {
                    let pair = (dialler.min(*other), dialler.max(*other));
                    *other != dialler && degrees[*other] < MAX_PEERS && !connected.contains(&pair)
                });
            let Some(other) = other.filter(|_| degrees[dialler] < MAX_PEERS) else {
                continue;
            };
            connected.insert((dialler.min(other), dialler.max(other)));
            degrees[dialler] += 1;
            degrees[other] += 1;
            drawn.push((dialler, other));
        }
    }
    drawn
}
