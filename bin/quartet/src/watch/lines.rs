//! One line a slot and node, for a pipe or a log.

use super::{node::Node, view::word};
use crate::lean_api::{Place, Tally};

/// The line of a node.
pub(super) fn line(node: &Node) -> String {
    let Some(facts) = node.facts.as_ref().filter(|_| node.down.is_none()) else {
        let why = node
            .down
            .as_ref()
            .map_or("asking", |down| down.why.as_str());
        return format!("{} {why}", node.name());
    };
    let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |it| it.to_string());
    let slot = |place: &Option<Place>| number(place.as_ref().map(|place| place.slot));
    let root = facts.head.as_ref().map(Place::short).unwrap_or_default();
    let mut line = format!(
        "slot {} {} {} head {} {root} justified {} finalized {} lag {} peers {}",
        number(facts.current_slot),
        node.name(),
        word(node),
        slot(&facts.head),
        slot(&facts.justified),
        slot(&facts.finalized),
        number(facts.behind(facts.finalized.as_ref())),
        number(facts.peers),
    );
    if node.validators.iter().any(|validator| validator.local) {
        let tally = Tally::of(&node.validators);
        line += &format!(" late {} missed {}", tally.votes_late, tally.votes_missed);
    }
    line
}

/// A new line is printed when this changes: the slot, and whether the node answers.
pub(super) fn key(node: &Node) -> (Option<u64>, bool) {
    let facts = node.facts.as_ref();
    let slot = facts.and_then(|it| it.current_slot.or(it.head.as_ref().map(|head| head.slot)));
    (slot, node.down.is_some())
}

#[cfg(test)]
mod tests {
    use super::{
        super::model::{
            Model,
            tests::{refused, report, update},
        },
        *,
    };

    #[test]
    fn a_line_has_the_state_of_the_node() {
        let mut model = Model::new(["http://a:1".to_owned()]);
        model.take(update(0, 1, Ok(report("quartet_0", 10, "0xabcdefabcdef"))));
        assert_eq!(
            line(&model.nodes[0]),
            "slot 10 quartet_0 synced head 10 0xabcdefab justified 8 finalized 7 lag 3 peers 3"
        );
        let seen = key(&model.nodes[0]);
        model.take(update(0, 2, Err(refused())));
        assert_ne!(key(&model.nodes[0]), seen);
        assert_eq!(
            line(&model.nodes[0]),
            "quartet_0 it does not answer: cannot connect: Connection refused"
        );
    }
}
