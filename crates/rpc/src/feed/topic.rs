//! The topics of events.

use serde::Serialize;

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Topic {
    Head,
    Block,
    Attestation,
    Justified,
    Finalized,
    SafeTarget,
    Reorg,
    Equivocation,
    Sync,
    Peer,
    Duty,
    Slot,
}

impl Topic {
    pub(crate) const ALL: [Self; 12] = [
        Self::Head,
        Self::Block,
        Self::Attestation,
        Self::Justified,
        Self::Finalized,
        Self::SafeTarget,
        Self::Reorg,
        Self::Equivocation,
        Self::Sync,
        Self::Peer,
        Self::Duty,
        Self::Slot,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Block => "block",
            Self::Attestation => "attestation",
            Self::Justified => "justified",
            Self::Finalized => "finalized",
            Self::SafeTarget => "safe_target",
            Self::Reorg => "reorg",
            Self::Equivocation => "equivocation",
            Self::Sync => "sync",
            Self::Peer => "peer",
            Self::Duty => "duty",
            Self::Slot => "slot",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Some topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topics(u16);

impl Topics {
    pub(crate) fn insert(&mut self, topic: Topic) {
        self.0 |= topic.bit();
    }

    pub(crate) fn contains(self, topic: Topic) -> bool {
        self.0 & topic.bit() != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// There is no such topic, or none at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TopicsError {
    #[error("expected one or more topics of {}", all())]
    None,
    #[error("unknown topic {0:?}: the topics are {topics}", topics = all())]
    Unknown(String),
}

impl TopicsError {
    pub(crate) fn unknown(name: &str) -> Self {
        /// Enough to recognise one's own input by.
        const SHOWN: usize = 40;
        let mut shown: String = name.chars().take(SHOWN).collect();
        if shown.len() < name.len() {
            shown.push('…');
        }
        Self::Unknown(shown)
    }
}

fn all() -> String {
    Topic::ALL.map(Topic::name).join(", ")
}

impl Topics {
    /// The topics of these names.
    ///
    /// # Errors
    /// When there is none, or one of them is unknown.
    pub(crate) fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, TopicsError> {
        let mut topics = Self::default();
        for name in names {
            let topic = Topic::ALL.into_iter().find(|topic| topic.name() == name);
            topics.insert(topic.ok_or_else(|| TopicsError::unknown(name))?);
        }
        if topics.is_empty() {
            return Err(TopicsError::None);
        }
        Ok(topics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_by_the_name_that_they_are_written_with() {
        for topic in Topic::ALL {
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.name());
            let alone = Topics::parse([topic.name()]).unwrap();
            let others = Topic::ALL
                .into_iter()
                .filter(|other| alone.contains(*other));
            assert_eq!(others.collect::<Vec<_>>(), [topic]);
        }
        let both = Topics::parse(["head", "block", "head"]).unwrap();
        assert!(both.contains(Topic::Head) && both.contains(Topic::Block));
        assert!(!both.contains(Topic::Slot));
        assert_eq!(Topics::parse([]), Err(TopicsError::None));
        let unknown = Err(TopicsError::Unknown("nope".to_owned()));
        assert_eq!(Topics::parse(["head", "nope"]), unknown);
    }
}
