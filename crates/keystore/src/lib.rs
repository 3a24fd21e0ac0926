//! Key files of every accepted format, the signers made from them, and the signing record.
