//! The nodes to dial first: a `nodes.yaml`, or a list on the command line.

use std::path::Path;

use crate::{FileError, NodeRecord, NodeRecordError, Problem, files};

/// A node to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bootnode {
    /// By its record.
    Enr(NodeRecord),
    /// By a multiaddr, unparsed: the network crate parses it.
    Multiaddr(String),
}

/// The bootnodes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootnodesError {
    /// The file that was named is at fault.
    #[error(transparent)]
    File(#[from] FileError),
    /// An entry of the list is at fault.
    #[error("bootnode {entry}: {error}")]
    Entry {
        /// Counted from 1.
        entry: usize,
        /// Why.
        error: NodeRecordError,
    },
}

impl Bootnode {
    /// Reads the command line's argument: ENRs and multiaddrs separated by commas, or else the path of a `nodes.yaml`.
    /// Empty parts between commas are ignored.
    ///
    /// # Errors
    /// When the file cannot be read, or an entry is neither a valid ENR nor a multiaddr.
    pub fn parse_argument(argument: &str) -> Result<Vec<Self>, BootnodesError> {
        let entries = || argument.split(',').map(str::trim).filter(|e| !e.is_empty());
        let Some(first) = entries().next() else {
            return Ok(Vec::new());
        };
        if !first.starts_with("enr:") && !looks_like_multiaddr(first) {
            return Ok(Self::read(Path::new(argument))?);
        }
        let parsed = entries().zip(1..).map(|(text, entry)| {
            Self::parse(text).map_err(|error| BootnodesError::Entry { entry, error })
        });
        parsed.collect()
    }

    /// Reads `nodes.yaml`: a list of ENRs; multiaddrs are taken too.
    ///
    /// # Errors
    /// When the file cannot be read or is malformed, or an entry is neither.
    pub fn read(path: &Path) -> Result<Vec<Self>, FileError> {
        parse_list(&files::read(path)?).map_err(|problem| problem.in_file(path))
    }

    fn parse(text: &str) -> Result<Self, NodeRecordError> {
        if looks_like_multiaddr(text) {
            return Ok(Self::Multiaddr(text.to_owned()));
        }
        text.parse().map(Self::Enr)
    }
}

fn parse_list(text: &str) -> Result<Vec<Bootnode>, Problem> {
    let entries: Option<Vec<String>> = files::parse_yaml(text)?;
    let entries = entries.unwrap_or_default();
    let parsed = entries.iter().zip(1..).map(|(text, entry)| {
        Bootnode::parse(text.trim()).map_err(|error| Problem::NodeRecord { entry, error })
    });
    parsed.collect()
}

/// An absolute path begins with a slash too, so only the protocols that can come first count.
fn looks_like_multiaddr(text: &str) -> bool {
    ["/ip4/", "/ip6/", "/dns/", "/dns4/", "/dns6/", "/dnsaddr/"]
        .iter()
        .any(|protocol| text.starts_with(protocol))
}

/// The text of a `nodes.yaml`.
pub(crate) fn nodes_yaml(records: &[NodeRecord]) -> String {
    if records.is_empty() {
        return "[]\n".to_owned();
    }
    (records.iter()).fold(String::new(), |text, record| format!("{text}- {record}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeKey;

    fn record(port: u16) -> NodeRecord {
        let key = NodeKey::from_bytes(&[7; 32]).unwrap();
        NodeRecord::new(&key, ([127, 0, 0, 1], port).into(), 1).unwrap()
    }

    #[test]
    fn an_argument_is_a_list_or_a_path() {
        let (first, second) = (record(1), record(2));
        let address = "/ip4/127.0.0.1/udp/9000/quic-v1";
        let list = Bootnode::parse_argument(&format!("{first}, {address},,{second}")).unwrap();
        let expected = [
            Bootnode::Enr(first.clone()),
            Bootnode::Multiaddr(address.to_owned()),
            Bootnode::Enr(second),
        ];
        assert_eq!(list, expected);

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nodes.yaml");
        std::fs::write(&path, nodes_yaml(std::slice::from_ref(&first))).unwrap();
        let read = Bootnode::parse_argument(path.to_str().unwrap()).unwrap();
        assert_eq!(read, [Bootnode::Enr(first)]);

        assert_eq!(Bootnode::parse_argument(" , ").unwrap(), []);
    }

    #[test]
    fn an_empty_list_is_a_list() {
        for text in ["", "[]", "# nobody yet\n", &nodes_yaml(&[])] {
            assert_eq!(parse_list(text).unwrap(), [], "{text:?}");
        }
    }

    #[test]
    fn errors_count_the_entries_and_name_the_file() {
        let good = record(1);
        let error = parse_list(&format!("- {good}\n- enode://x\n")).unwrap_err();
        assert!(error.to_string().starts_with("entry 2: not an ENR"));
        let error = Bootnode::parse_argument(&format!("{good},oops")).unwrap_err();
        assert!(error.to_string().starts_with("bootnode 2: not an ENR"));
        let error = Bootnode::parse_argument("missing/nodes.yaml").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("missing/nodes.yaml: cannot be read")
        );
    }
}
