//! The network service: QUIC, gossip, requests and static peers.
