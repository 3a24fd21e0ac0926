//! Which nodes are kept apart from which.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

/// Groups of nodes, none of which hears anything of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// The group of each node.
    groups: Vec<usize>,
}

impl Partition {
    /// All of `count` nodes are together.
    pub(super) fn none(count: usize) -> Self {
        Self {
            groups: vec![0; count],
        }
    }

    /// Groups of nodes by their names, separated by commas. The nodes that are in none of them are one more.
    ///
    /// # Errors
    /// When a name is unknown or in two groups, or all nodes would be together.
    pub(super) fn parse(groups: &[String], nodes: &[String]) -> Result<Self> {
        let mut partition = Self::none(nodes.len());
        for (group, names) in (1..).zip(groups) {
            for name in names.split(',') {
                let Some(index) = nodes.iter().position(|node| node == name) else {
                    bail!("no node is called {name:?}; there are {}", nodes.join(", "));
                };
                if partition.groups[index] != 0 {
                    bail!("{name} is named twice");
                }
                partition.groups[index] = group;
            }
        }
        if !partition.is_any() {
            bail!("all nodes would be in one group: name a part of them, or some more groups");
        }
        Ok(partition)
    }

    /// Whether any nodes are kept apart.
    pub(super) fn is_any(&self) -> bool {
        self.groups.iter().any(|group| *group != self.groups[0])
    }

    /// The nodes that one has nothing to do with.
    pub(super) fn apart_from(&self, index: usize) -> BTreeSet<usize> {
        let own = self.groups.get(index);
        let others = self.groups.iter().enumerate();
        others
            .filter(|(_, group)| Some(*group) != own)
            .map(|(other, _)| other)
            .collect()
    }

    /// The groups, for people: `a, b | c`.
    pub(super) fn describe(&self, nodes: &[String]) -> String {
        let groups: BTreeSet<_> = self.groups.iter().collect();
        let group = |group: &usize| {
            let members = self.groups.iter().zip(nodes);
            let members = members.filter(|(of, _)| *of == group);
            let members: Vec<_> = members.map(|(_, name)| name.as_str()).collect();
            members.join(", ")
        };
        let groups: Vec<_> = groups.into_iter().map(group).collect();
        groups.join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(groups: &[&str]) -> Result<Partition> {
        let nodes = ["a", "b", "c", "d"].map(str::to_owned);
        let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
        Partition::parse(&groups, &nodes)
    }

    #[test]
    fn groups_are_apart_from_each_other_and_from_those_that_are_not_named() {
        let apart = |groups: &[&str]| {
            let partition = parse(groups).unwrap();
            [0, 1, 2, 3].map(|node| partition.apart_from(node).into_iter().collect::<Vec<_>>())
        };
        let halves = [vec![2, 3], vec![2, 3], vec![0, 1], vec![0, 1]];
        assert_eq!(apart(&["a,b", "c,d"]), halves);
        assert_eq!(apart(&["d,c"]), halves);
        assert_eq!(apart(&["a", "b"])[2], [0, 1]);
        assert_eq!(apart(&["a", "b"])[0], [1, 2, 3]);
        let nobody = Partition::none(4);
        assert!(!nobody.is_any() && nobody.apart_from(0).is_empty());
    }

    #[test]
    fn groups_that_make_no_partition_are_refused() {
        for (groups, expected) in [
            (
                &["a,e"][..],
                "no node is called \"e\"; there are a, b, c, d",
            ),
            (&["a,b", "b"], "b is named twice"),
            (&["a,b,c,d"], "all nodes would be in one group"),
            (&[""], "no node is called \"\""),
            (&["a, b"], "no node is called \" b\""),
        ] {
            let error = parse(groups).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_partition_is_described_by_its_groups() {
        let nodes = ["a", "b", "c", "d"].map(str::to_owned);
        let said = parse(&["c"]).unwrap().describe(&nodes);
        assert_eq!(said, "a, b, d | c");
    }
}
