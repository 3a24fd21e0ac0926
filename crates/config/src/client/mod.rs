//! `config/clients/*.yaml`: how a client is run in a devnet beside Quartet's own nodes, and how it is asked what it
//! sees.

mod placeholder;
mod source;
mod template;

pub use placeholder::{Filled, Placeholder};
pub use source::{ClientViewSources, Source};
pub use template::{ClientTemplate, GenesisFile, KeyForm, Served, StopSignal};
