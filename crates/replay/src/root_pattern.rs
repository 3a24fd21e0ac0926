//! Roots as people copy them from a log: whole, by their first digits, or with the middle left out.

use std::str::FromStr;

use quartet_types::Root;

/// Least digits of a root: fewer fit too many.
const MIN_DIGITS: usize = 4;

/// The digits of a root that are known: `0x8c21…`, `0x8c21…04fe`, or all 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootPattern {
    digits: Root,
    /// Ones where a digit is known.
    mask: Root,
}

/// The text is no root, and no part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a root of 64 digits after 0x, its first digits (four at least), or these, `…` and its last ones"
)]
pub struct InvalidPattern;

impl RootPattern {
    /// Whether the root has these digits.
    pub fn matches(&self, root: &Root) -> bool {
        *root & self.mask == self.digits
    }

    /// The root, if all of its digits are known.
    pub fn exact(&self) -> Option<Root> {
        (self.mask == Root::repeat_byte(0xff)).then_some(self.digits)
    }
}

impl From<Root> for RootPattern {
    fn from(root: Root) -> Self {
        Self {
            digits: root,
            mask: Root::repeat_byte(0xff),
        }
    }
}

impl FromStr for RootPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let digits = text.strip_prefix("0x").ok_or(InvalidPattern)?;
        let ellipsis = ["…", "..."].into_iter();
        let (first, last) = ellipsis
            .filter_map(|dots| digits.split_once(dots))
            .next()
            .unwrap_or((digits, ""));
        let unknown = (2 * Root::len_bytes()).checked_sub(first.len() + last.len());
        let unknown =
            unknown.filter(|_| first.len() >= MIN_DIGITS && first.is_ascii() && last.is_ascii());
        let unknown = unknown.ok_or(InvalidPattern)?;
        let filled = |known: fn(&str) -> String, gap: &str| {
            let text = known(first) + &gap.repeat(unknown) + &known(last);
            text.parse::<Root>().map_err(|_| InvalidPattern)
        };
        Ok(Self {
            digits: filled(str::to_owned, "0")?,
            mask: filled(|known| "f".repeat(known.len()), "0")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_known_by_its_first_and_last_digits() {
        let mut root = Root::repeat_byte(0x11);
        root[..2].copy_from_slice(&[0x8c, 0x21]);
        root[31] = 0xfe;
        let pattern = |text: &str| text.parse::<RootPattern>();
        for text in ["0x8c21", "0x8c211", "0x8c21…", "0x8c21…fe", "0x8c21...11fe"] {
            let pattern = pattern(text).unwrap();
            assert!(
                pattern.matches(&root) && pattern.exact().is_none(),
                "{text}"
            );
        }
        assert_eq!(pattern(&root.to_string()).unwrap().exact(), Some(root));
        for text in ["0x8c22", "0x8c21…11"] {
            assert!(!pattern(text).unwrap().matches(&root), "{text}");
        }
        let too_long = format!("0x{}", "1".repeat(65));
        for text in ["", "0x", "0x8c2", "8c21", "0xhead", "0x8c21…é", &too_long] {
            assert_eq!(pattern(text), Err(InvalidPattern), "{text}");
        }
    }
}
