//! How a client names a block: by root, by slot, or as `head`, `justified` or `finalized`.

use std::str::FromStr;

use quartet_types::{Root, Slot};

/// A block, as a client names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockId {
    /// The block with this root.
    Root(Root),
    /// The block of the head's chain at this slot.
    Slot(Slot),
    /// The head.
    Head,
    /// The latest justified block.
    Justified,
    /// The latest finalized block.
    Finalized,
}

/// The text names no block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a root (0x and 64 hex digits), a slot, `head`, `justified` or `finalized`, found {found}"
)]
pub(crate) struct BlockIdError {
    found: String,
}

impl BlockIdError {
    pub(crate) fn new(found: &str) -> Self {
        /// Enough to recognise one's own input by.
        const SHOWN: usize = 80;
        let mut shown: String = found.chars().take(SHOWN).collect();
        if shown.len() < found.len() {
            shown.push('…');
        }
        Self { found: shown }
    }
}

impl FromStr for BlockId {
    type Err = BlockIdError;

    fn from_str(text: &str) -> Result<Self, BlockIdError> {
        let id = match text {
            "head" => Some(Self::Head),
            "justified" => Some(Self::Justified),
            "finalized" => Some(Self::Finalized),
            _ if text.starts_with("0x") => text.parse().ok().map(Self::Root),
            _ => text.parse().ok().map(Self::Slot),
        };
        id.ok_or_else(|| BlockIdError::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_name_a_block_is_understood() {
        let root = Root::repeat_byte(0xab);
        let cases = [
            ("head".to_owned(), BlockId::Head),
            ("justified".to_owned(), BlockId::Justified),
            ("finalized".to_owned(), BlockId::Finalized),
            ("18446744073709551615".to_owned(), BlockId::Slot(u64::MAX)),
            (root.to_string(), BlockId::Root(root)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), Ok(expected));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = "é".repeat(1_000);
        for text in [
            "",
            "Head",
            "-1",
            "1.5",
            "0x",
            "0x12",
            "18446744073709551616",
            &long,
        ] {
            let error = text.parse::<BlockId>().unwrap_err();
            assert!(error.to_string().len() < 400, "{error}");
        }
        assert!(format!("0x{}", "g".repeat(64)).parse::<BlockId>().is_err());
        assert!(format!("0x{}", "0".repeat(65)).parse::<BlockId>().is_err());
    }
}
