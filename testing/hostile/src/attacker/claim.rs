//! The status that the attacker claims, and the blocks that it serves.

use std::collections::HashMap;

use quartet_network::wire::{self, ResultCode};
use quartet_types::{MAX_REQUEST_BLOCKS, Root, SignedBlockWithAttestation, Status};
use ssz::{Decode as _, Encode as _};

/// Bytes of a root.
const ROOT_BYTES: usize = 32;

/// Most blocks that are served.
const MAX_BLOCKS: usize = 1024;

/// A claimed status and served blocks. All identities of the attacker answer alike.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    status: Option<Status>,
    /// Response chunks, ready to be sent.
    chunks: HashMap<Root, Vec<u8>>,
}

impl Claim {
    /// Claims another chain from now on.
    pub(crate) fn set(&mut self, status: Status) {
        self.status = Some(status);
    }

    /// Serves a block to peers that request it.
    pub(crate) fn serve(&mut self, root: Root, envelope: &SignedBlockWithAttestation) {
        if self.chunks.len() < MAX_BLOCKS
            && let Ok(chunk) = wire::encode_chunk(ResultCode::Success, &envelope.as_ssz_bytes())
        {
            self.chunks.insert(root, chunk);
        }
    }

    /// The answer to a request for blocks: those that are there, and nothing for the others.
    pub(super) fn blocks(&self, request: &[u8]) -> Vec<u8> {
        let ssz = wire::decode_payload(request, 0, MAX_REQUEST_BLOCKS * ROOT_BYTES);
        let roots = ssz
            .ok()
            .and_then(|ssz| Vec::<Root>::from_ssz_bytes(&ssz).ok());
        let roots = roots.unwrap_or_default();
        let chunks = roots.iter().filter_map(|root| self.chunks.get(root));
        chunks.flatten().copied().collect()
    }

    /// The answer to a status; `None` when nothing is claimed.
    pub(super) fn status_chunk(&self) -> Option<Vec<u8>> {
        let status = self.status?.as_ssz_bytes();
        wire::encode_chunk(ResultCode::Success, &status).ok()
    }
}

#[cfg(test)]
mod tests {
    use tree_hash::TreeHash as _;

    use super::*;
    use crate::chain::tests::blocks;

    #[test]
    fn only_blocks_that_are_served_are_answered() {
        let blocks = blocks(2);
        let root = |index: usize| blocks[index].block().tree_hash_root();
        let mut claim = Claim::default();
        claim.serve(root(1), &blocks[1]);
        let request = wire::encode_payload(&vec![root(0), root(1)].as_ssz_bytes()).unwrap();
        let chunk = wire::decode_chunk(&claim.blocks(&request)).unwrap();
        let block = SignedBlockWithAttestation::from_ssz_bytes(&chunk.payload).unwrap();
        assert_eq!(block, *blocks[1]);
        assert!(claim.blocks(b"nonsense").is_empty());
        assert_eq!(claim.status_chunk(), None);
    }
}
