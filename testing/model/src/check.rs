//! Runs the checker and says what it covered.

#![allow(
    clippy::disallowed_methods,
    reason = "it measures, and needs nothing else of the node"
)]

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use stateright::{Checker, HasDiscoveries, Model as _, UniformChooser};

use crate::{action::Action, model::Consensus, properties, scope::Scope, world::World};

/// How a scope is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Every state, nearest first: a counterexample is one of the shortest.
    Exhaustive,
    /// Random runs from the seed, until so many states were visited.
    Random {
        /// What the choices depend on.
        seed: u64,
        /// How many states to visit, repeated ones included.
        states: usize,
    },
}

/// What a search found.
#[derive(Debug)]
pub struct Report {
    /// The scope that was searched.
    pub scope: Scope,
    /// Different states, in a random search with repetitions.
    pub states: usize,
    /// The longest run, in decisions.
    pub depth: usize,
    /// Wall time.
    pub time: Duration,
    /// Whether nothing was left out: every state of the scope was visited.
    pub complete: bool,
    /// Each property with the run that contradicts it, if one was found.
    pub results: Vec<(&'static str, Option<Run>)>,
}

/// A run that contradicts a property.
#[derive(Debug, Clone)]
pub struct Run {
    /// The decisions, each with the slot that it was taken in.
    pub decisions: Vec<(u8, Action)>,
    /// The state that they led to.
    pub end: Arc<World>,
}

impl Report {
    /// The run that contradicts a property.
    #[must_use]
    pub fn counterexample(&self, property: &str) -> Option<&Run> {
        let result = self.results.iter().find(|(name, _)| *name == property)?;
        result.1.as_ref()
    }

    /// The properties that a run contradicts.
    #[must_use]
    pub fn contradicted(&self) -> Vec<&'static str> {
        let found = self.results.iter().filter(|(_, run)| run.is_some());
        found.map(|(name, _)| *name).collect()
    }
}

/// Searches a scope until about `limit` states were generated, repeated ones included. With `first` it ends at the
/// first counterexample of whatever property.
#[must_use]
pub fn check(scope: Scope, search: Search, limit: usize, first: bool) -> Report {
    let model = Consensus { scope };
    let names = properties::names(&model);
    let begin = Instant::now();
    let builder = model.checker().target_state_count(limit);
    let builder = if first {
        builder.finish_when(HasDiscoveries::Any)
    } else {
        builder
    };
    match search {
        Search::Exhaustive => report(
            scope,
            &names,
            begin,
            limit,
            true,
            &builder.spawn_bfs().join(),
        ),
        Search::Random { seed, states } => {
            let builder = builder.target_state_count(states);
            let checker = builder.spawn_simulation(seed, UniformChooser).join();
            report(scope, &names, begin, limit, false, &checker)
        }
    }
}

fn report(
    scope: Scope,
    names: &[&'static str],
    begin: Instant,
    limit: usize,
    exhaustive: bool,
    checker: &impl Checker<Consensus>,
) -> Report {
    let time = begin.elapsed();
    let mut discoveries = checker.discoveries();
    let mut result = |name: &&'static str| {
        let run = discoveries.remove(name).map(|path| {
            let end = Arc::new(path.last_state().clone());
            let steps = path.into_vec().into_iter();
            let decisions =
                steps.filter_map(|(world, action)| action.map(|action| (world.slot, action)));
            Run {
                decisions: decisions.collect(),
                end,
            }
        });
        (*name, run)
    };
    let results: Vec<_> = names.iter().map(&mut result).collect();
    let found_all = results.iter().all(|(_, run)| run.is_some());
    Report {
        scope,
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        time,
        complete: exhaustive && checker.state_count() < limit && !found_all,
        results,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coverage = if self.complete {
            "all of the scope"
        } else {
            "a part of the scope"
        };
        let (states, depth, time) = (self.states, self.depth, self.time.as_secs_f64());
        writeln!(f, "{states} states, depth {depth}, {time:.1} s, {coverage}")?;
        for (name, run) in &self.results {
            match run {
                None => writeln!(f, "  no counterexample: {name}")?,
                Some(run) => {
                    writeln!(f, "  COUNTEREXAMPLE:    {name}")?;
                    write!(f, "{run}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (slot, action) in &self.decisions {
            writeln!(f, "    slot {slot}: {action:?}")?;
        }
        for root in self.end.blocks.roots() {
            if let Some(block) = self.end.blocks.get(root) {
                let (slot, parent, post) = (block.slot, block.parent, &block.post);
                let (justified, finalized) = (post.justified, post.finalized);
                writeln!(
                    f,
                    "      {root:?}: slot {slot} on {parent:?}, justified {justified:?}, finalized {finalized:?}"
                )?;
                for vote in &block.body {
                    let (source, target, head) = (vote.source, vote.target, vote.head);
                    let (validator, slot) = (vote.validator, vote.slot);
                    writeln!(
                        f,
                        "          v{validator} in {slot}: {source:?} -> {target:?}, head {head:?}"
                    )?;
                }
            }
        }
        for (index, node) in self.end.nodes.iter().enumerate() {
            let (head, justified, finalized) = (node.head, node.justified, node.finalized);
            writeln!(
                f,
                "      node {index}: head {head:?}, justified {justified:?}, finalized {finalized:?}"
            )?;
            writeln!(
                f,
                "         has {:?}, holds back {:?}",
                node.imported, node.arrived
            )?;
            for vote in node.known.iter().flatten() {
                let (validator, slot, head) = (vote.validator, vote.slot, vote.head);
                writeln!(f, "         counts v{validator} in {slot}: head {head:?}")?;
            }
        }
        Ok(())
    }
}
