//! The model as `stateright` sees it.

use stateright::{Model, Property};

use crate::{action::Action, menu, properties, scope::Scope, world::World};

/// The network of honest nodes and Byzantine validators in a scope.
#[derive(Debug, Clone, Copy)]
pub struct Consensus {
    /// Its limits and rules.
    pub scope: Scope,
}

impl Model for Consensus {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.scope)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        menu::decisions(&self.scope, world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        world.after(&self.scope, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::properties(self)
    }
}
