//! LeanChain, the chain service that writes it, sync, and the event bus.
