//! A guest's command line.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use quartet_config::{KeyForm, Placeholder, StopSignal};
use quartet_keystore::{ForeignFormat, keystore_file_name};

use super::{
    super::{
        layout::{GenesisPaths, NodeLayout},
        ports::LOOPBACK,
    },
    Client, Questions,
};

/// How a process is started and ended.
#[derive(Clone, Debug)]
pub(in super::super) struct Launch {
    pub(in super::super) program: PathBuf,
    pub(in super::super) arguments: Vec<OsString>,
    pub(in super::super) environment: Vec<(OsString, OsString)>,
    /// On which signal it ends in order; where there is none, it ends when its standard input closes.
    pub(in super::super) stops_on: Option<StopSignal>,
}

/// The values of a guest's command line.
#[derive(Clone, Debug)]
pub(in super::super) struct Guest {
    pub(in super::super) client: Arc<Client>,
    /// The other nodes' records.
    pub(in super::super) enrs: Vec<String>,
    pub(in super::super) genesis_time: u64,
}

impl Guest {
    /// How it is run, by `quartet`, which holds it on a leash.
    pub(in super::super) fn launch(
        &self,
        node: &NodeLayout,
        genesis: &GenesisPaths,
        quartet: &Path,
    ) -> Launch {
        let template = &self.client.template;
        let value = |place| self.value(place, node, genesis, quartet);
        let own = [
            OsString::from("devnet"),
            "leash".into(),
            std::process::id().to_string().into(),
            self.client.program.clone().into_os_string(),
        ];
        let arguments = template.arguments.iter().map(|text| text.fill(value));
        let environment = template.environment.iter();
        let environment = environment.map(|(name, text)| (name.into(), text.fill(value)));
        Launch {
            program: quartet.to_owned(),
            arguments: own.into_iter().chain(arguments).collect(),
            environment: environment.collect(),
            stops_on: Some(template.stops_on),
        }
    }

    /// The file that it logs to, where that is not its standard output.
    pub(in super::super) fn log(
        &self,
        node: &NodeLayout,
        genesis: &GenesisPaths,
        quartet: &Path,
    ) -> Option<PathBuf> {
        let text = self.client.template.log.as_ref()?;
        Some(
            text.fill(|place| self.value(place, node, genesis, quartet))
                .into(),
        )
    }

    /// Where its chain is queried.
    pub(in super::super) fn questions(&self, node: &NodeLayout) -> Questions {
        Questions {
            http: node.http(),
            metrics: node.metrics(),
            sources: self.client.template.view.clone(),
        }
    }

    fn value(
        &self,
        place: Placeholder,
        node: &NodeLayout,
        genesis: &GenesisPaths,
        quartet: &Path,
    ) -> OsString {
        match place {
            Placeholder::Address => LOOPBACK.to_string().into(),
            Placeholder::Data => node.data().into(),
            Placeholder::Enrs => self.enrs.join(",").into(),
            Placeholder::Genesis => genesis.directory().into(),
            Placeholder::GenesisTime => self.genesis_time.to_string().into(),
            Placeholder::Http => node.ports.http.to_string().into(),
            Placeholder::Key => {
                let first = node.validators.first().copied().unwrap_or(0);
                genesis.keys().join(self.key_file(first)).into()
            }
            Placeholder::Keys => genesis.keys().into(),
            Placeholder::Metrics => node.ports.metrics.to_string().into(),
            Placeholder::NodeId => (&node.name).into(),
            Placeholder::NodeKey => genesis.node_key(&node.name).into(),
            Placeholder::Port => node.ports.quic.to_string().into(),
            Placeholder::Quartet => quartet.into(),
            Placeholder::Validators => {
                let indices: Vec<_> = node.validators.iter().map(u64::to_string).collect();
                indices.join(",").into()
            }
        }
    }

    fn key_file(&self, index: u64) -> PathBuf {
        match self.client.template.keys {
            KeyForm::Keystore => keystore_file_name(index),
            KeyForm::Ssz => ForeignFormat::Ssz.file_name(index),
            KeyForm::Json => ForeignFormat::Json.file_name(index),
        }
    }
}
