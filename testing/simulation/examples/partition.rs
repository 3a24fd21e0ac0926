//! Four nodes, parted into halves and healed: a line for each slot, with the head of each node and with what is justified and
//! finalized.
//!
//! ```text
//! cargo run --release -p quartet-simulation --example partition
//! ```
//!
//! Each half follows a branch of its own, and neither has the votes of two thirds, so finality stands still. Healed, all
//! follow one of the two branches, and finality goes on.

#![allow(clippy::print_stdout, reason = "a table is what it is for")]

use std::fmt;

use quartet_simulation::{Simulation, SimulationError};
use quartet_types::{Checkpoint, Slot};

/// The nodes of one half; the others are 2 and 3.
const HALF: [usize; 2] = [0, 1];
/// The last slot before the halves are parted.
const PARTED: Slot = 10;
/// The last slot before they are healed.
const HEALED: Slot = 20;
const LAST: Slot = 36;

/// The end of a slot.
struct Line {
    slot: Slot,
    /// By node.
    heads: Vec<Checkpoint>,
    /// The highest slots that any node has justified and finalized.
    justified: Slot,
    finalized: Slot,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}  ", self.slot)?;
        for head in &self.heads {
            let root = head.root.to_string();
            write!(f, "{:>2}@{}  ", head.slot, &root[2..6])?;
        }
        write!(f, "{:>9}  {:>9}", self.justified, self.finalized)?;
        match self.slot {
            PARTED => f.write_str("  parted"),
            HEALED => f.write_str("  healed"),
            _ => Ok(()),
        }
    }
}

fn main() -> Result<(), SimulationError> {
    println!("slot  node 0   node 1   node 2   node 3   justified  finalized");
    play(|line| println!("{line}"))
}

fn play(mut tell: impl FnMut(Line)) -> Result<(), SimulationError> {
    let report = Simulation::new(7).nodes(4).run(async |world| {
        for slot in 1..=LAST {
            world.end_of(slot).await?;
            let views = world.views();
            tell(Line {
                slot,
                heads: views.iter().map(|view| view.head).collect(),
                justified: views.iter().map(|v| v.justified.slot).max().unwrap_or(0),
                finalized: views.iter().map(|v| v.finalized.slot).max().unwrap_or(0),
            });
            match slot {
                PARTED => world.part(&HALF),
                HEALED => world.heal(&HALF),
                _ => {}
            }
        }
        Ok(())
    });
    report.map(drop)
}

#[test]
fn finality_stands_still_while_the_halves_are_apart() {
    let mut lines = Vec::new();
    play(|line| lines.push(line)).unwrap();
    let at = |slot: Slot| &lines[slot as usize - 1];
    let agree = |slot: Slot| at(slot).heads.iter().all(|head| *head == at(slot).heads[0]);

    assert!(at(PARTED).finalized > 0 && agree(PARTED));
    assert!(!agree(HEALED));
    // What was under way when they were parted may still have come to its end.
    assert_eq!(at(HEALED).finalized, at(PARTED + 1).finalized);
    assert!(at(LAST).finalized > HEALED && agree(LAST));
}
