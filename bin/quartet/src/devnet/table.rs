//! The table: one line per slot, aligned, no wider than 80 characters, in colour where a terminal shows it.

use quartet_types::{Checkpoint, Root, Slot};

use super::{
    observer::Observation,
    view::{Agreement, NodeView},
};

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[1;31m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Draws the table's lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// Whether colours are understood.
    pub(super) colour: bool,
}

impl Table {
    /// The line above all others.
    pub(super) fn header(self) -> String {
        let header = format!(
            "{:>6}  {:<17}  {:<17}  {:<17}  {:>5}  {}",
            "slot", "  head", "  justified", "  finalized", "peers", "agree"
        );
        self.painted(BOLD, header)
    }

    /// The line of a slot: the view of most nodes.
    pub(super) fn line(self, seen: &Observation) -> String {
        self.of(seen.slot, &seen.views, &seen.agreement())
    }

    fn of(self, slot: Slot, views: &[Option<NodeView>], agreement: &Agreement) -> String {
        let column = |checkpoint: Option<Checkpoint>| match checkpoint {
            Some(Checkpoint { slot, root }) => format!("{slot:>5} {}", short(root)),
            None => format!("{:>5} {:<11}", "-", "-"),
        };
        let chain = agreement.chain;
        format!(
            "{slot:>6}  {}  {}  {}  {:>5}  {}",
            column(chain.map(|chain| chain.head)),
            column(chain.map(|chain| chain.justified)),
            column(chain.map(|chain| chain.finalized)),
            peers(views),
            self.verdict(agreement),
        )
    }

    fn verdict(self, agreement: &Agreement) -> String {
        if agreement.is_full() {
            return self.painted(GREEN, "yes".to_owned());
        }
        let Agreement { sharing, nodes, .. } = agreement;
        self.painted(RED, format!("NO {sharing}/{nodes}"))
    }

    fn painted(self, colour: &str, text: String) -> String {
        if self.colour {
            format!("{colour}{text}{PLAIN}")
        } else {
            text
        }
    }
}

/// The least and the most peers that a node has.
fn peers(views: &[Option<NodeView>]) -> String {
    let counts = || views.iter().flatten().map(|view| view.peers);
    match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least}-{most}"),
        _ => "-".to_owned(),
    }
}

/// The beginning and the end of a root, in 11 characters.
fn short(root: Root) -> String {
    let [a, b, .., y, z] = root.0;
    format!("0x{a:02x}{b:02x}…{y:02x}{z:02x}")
}

#[cfg(test)]
mod tests {
    use super::{super::view::tests::view, *};

    const PLAIN_TABLE: Table = Table { colour: false };

    fn line(table: Table, slot: Slot, views: &[Option<NodeView>]) -> String {
        table.of(slot, views, &Agreement::among(views))
    }

    /// Where each column ends or begins, in characters.
    fn position(line: &str, part: &str) -> usize {
        let byte = line.find(part).unwrap();
        line[..byte].chars().count()
    }

    #[test]
    fn columns_are_aligned_under_their_header() {
        let header = PLAIN_TABLE.header();
        for (slot, views) in [
            (7, vec![view(7, 0xab); 4]),
            (12_345, vec![view(12_345, 0xab), view(12_345, 0xcd)]),
            (9, vec![None, None]),
        ] {
            let line = line(PLAIN_TABLE, slot, &views);
            let end = position(&header, "slot") + "slot".len();
            assert_eq!(
                line.chars().take(end).collect::<String>().trim(),
                slot.to_string()
            );
            let verdict: String = line.chars().skip(position(&header, "agree")).collect();
            assert!(verdict == "yes" || verdict.starts_with("NO "), "{line}");
        }
    }

    #[test]
    fn a_line_tells_what_most_nodes_see() {
        let line = line(
            PLAIN_TABLE,
            8,
            &[view(7, 0xcd), view(8, 0xab), view(8, 0xab)],
        );
        assert_eq!(
            line,
            "     8      8 0xabab…abab      6 0x0202…0202      5 0x0303…0303      3  NO 2/3"
        );
    }

    #[test]
    fn differing_peers_are_a_range_and_no_answers_a_dash() {
        let mut lonely = view(1, 1);
        lonely.as_mut().unwrap().peers = 0;
        assert_eq!(peers(&[view(1, 1), lonely]), "0-3");
        assert_eq!(peers(&[None]), "-");
        assert!(line(PLAIN_TABLE, 3, &[None]).ends_with("-  NO 0/1"));
    }

    #[test]
    fn colours_are_for_terminals_only() {
        let views = [view(1, 1)];
        let coloured = line(Table { colour: true }, 1, &views);
        assert!(coloured.ends_with("\x1b[32myes\x1b[0m"));
        assert!(!line(PLAIN_TABLE, 1, &views).contains('\x1b'));
    }
}
