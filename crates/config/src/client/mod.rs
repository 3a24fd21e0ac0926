//! `config/clients/*.yaml`: how a client is run in a devnet beside Quartet's own nodes, and how it is asked what it
//! sees.

mod metric_pattern;
mod placeholder;
mod source;
mod template;

pub use metric_pattern::MetricPattern;
pub use placeholder::{Filled, Placeholder};
pub use source::{ClientViewSources, Source};
pub use template::{ClientTemplate, GenesisFile, KeyForm, Served, StopSignal};
