//! Gossip topics.

use quartet_types::SIGNATURE_BYTES;

use super::MAX_MESSAGE_BYTES;

/// Bytes of a `SignedAttestation`: validator, slot, three checkpoints and the signature.
const SIGNED_ATTESTATION_BYTES: usize = 8 + 8 + 3 * 40 + SIGNATURE_BYTES;

/// What is gossiped. Source: leanSpec `networking/gossipsub/topic.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `SignedBlockWithAttestation`.
    Block,
    /// `SignedAttestation`.
    Attestation,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 2] = [Self::Block, Self::Attestation];

    /// The topic's word, also its name in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Attestation => "attestation",
        }
    }

    /// The topic on the network of that fork, `/leanconsensus/<fork>/<word>/ssz_snappy`.
    pub fn name(self, fork: &str) -> String {
        format!("/leanconsensus/{fork}/{}/ssz_snappy", self.word())
    }

    /// The topic with this name on the network of that fork; `None` for another network's.
    pub fn parse(name: &str, fork: &str) -> Option<Self> {
        let word = name
            .strip_prefix("/leanconsensus/")?
            .strip_prefix(fork)?
            .strip_prefix('/')?
            .strip_suffix("/ssz_snappy")?;
        Self::ALL.into_iter().find(|topic| topic.word() == word)
    }

    /// Most bytes of SSZ that a message of this topic may have.
    pub fn max_bytes(self) -> usize {
        match self {
            Self::Block => MAX_MESSAGE_BYTES,
            Self::Attestation => SIGNED_ATTESTATION_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_known_by_its_name_and_only_on_its_network() {
        for topic in Topic::ALL {
            let name = topic.name("devnet0");
            assert_eq!(Topic::parse(&name, "devnet0"), Some(topic));
            for other in ["devnet1", "devnet", "devnet00", ""] {
                assert_eq!(Topic::parse(&name, other), None, "{other}");
            }
        }
        for wrong in [
            "",
            "/leanconsensus/devnet0/block",
            "/leanconsensus/devnet0/vote/ssz_snappy",
        ] {
            assert_eq!(Topic::parse(wrong, "devnet0"), None, "{wrong}");
        }
    }

    #[test]
    fn the_bound_of_attestations_is_their_length() {
        use ssz::Decode as _;
        assert_eq!(
            quartet_types::SignedAttestation::ssz_fixed_len(),
            Topic::Attestation.max_bytes()
        );
    }
}
