//! The signature scheme of the network: generalized XMSS over KoalaBear and Poseidon2.
