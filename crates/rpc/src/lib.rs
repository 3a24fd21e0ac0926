//! The RPC service: JSON-RPC, the HTTP API and metrics.
