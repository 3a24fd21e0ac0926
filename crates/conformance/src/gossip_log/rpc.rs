//! What gossipsub's peers send each other, in protocol buffers, written and read here so that every byte can be seen and chosen.

/// A message, with the fields that StrictNoSign forbids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) data: Vec<u8>,
    pub(crate) from: Option<Vec<u8>>,
    pub(crate) seqno: Option<Vec<u8>>,
    pub(crate) signature: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
}

/// An RPC of gossipsub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rpc {
    pub(crate) subscriptions: Vec<(bool, String)>,
    pub(crate) publish: Vec<Message>,
    pub(crate) ihave: Vec<(String, Vec<Vec<u8>>)>,
    pub(crate) iwant: Vec<Vec<u8>>,
    pub(crate) graft: Vec<String>,
    /// Topics, and for how many seconds not to come back.
    pub(crate) prune: Vec<(String, u64)>,
    pub(crate) idontwant: Vec<Vec<u8>>,
}

impl Message {
    /// One without an author.
    pub(crate) fn new(topic: &str, data: Vec<u8>) -> Self {
        Self {
            topic: topic.into(),
            data,
            ..Self::default()
        }
    }

    /// The names of fields that have to be empty.
    pub(crate) fn forbidden(&self) -> Vec<&'static str> {
        let fields = [
            ("from", &self.from),
            ("seqno", &self.seqno),
            ("signature", &self.signature),
            ("key", &self.key),
        ];
        let filled = fields.into_iter().filter(|(_, value)| value.is_some());
        filled.map(|(name, _)| name).collect()
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let fields = [
            (1, self.from.as_deref()),
            (2, Some(self.data.as_slice())),
            (3, self.seqno.as_deref()),
            (4, Some(self.topic.as_bytes())),
            (5, self.signature.as_deref()),
            (6, self.key.as_deref()),
        ];
        for (number, value) in fields {
            if let Some(value) = value {
                put(&mut bytes, number, value);
            }
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut message = Self::default();
        for (number, value) in fields(bytes)? {
            let value = value.bytes()?.to_vec();
            match number {
                1 => message.from = Some(value),
                2 => message.data = value,
                3 => message.seqno = Some(value),
                4 => message.topic = String::from_utf8(value).ok()?,
                5 => message.signature = Some(value),
                6 => message.key = Some(value),
                _ => {}
            }
        }
        Some(message)
    }
}

impl Rpc {
    /// In bytes, without the length that comes before it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (subscribes, topic) in &self.subscriptions {
            let mut inner = vec![0x08, u8::from(*subscribes)];
            put(&mut inner, 2, topic.as_bytes());
            put(&mut bytes, 1, &inner);
        }
        for message in &self.publish {
            put(&mut bytes, 2, &message.encode());
        }
        let control = self.control();
        if !control.is_empty() {
            put(&mut bytes, 3, &control);
        }
        bytes
    }

    fn control(&self) -> Vec<u8> {
        let mut control = Vec::new();
        for (topic, ids) in &self.ihave {
            let mut inner = Vec::new();
            put(&mut inner, 1, topic.as_bytes());
            ids.iter().for_each(|id| put(&mut inner, 2, id));
            put(&mut control, 1, &inner);
        }
        for (number, ids) in [(2, &self.iwant), (5, &self.idontwant)] {
            if !ids.is_empty() {
                let mut inner = Vec::new();
                ids.iter().for_each(|id| put(&mut inner, 1, id));
                put(&mut control, number, &inner);
            }
        }
        for topic in &self.graft {
            let mut inner = Vec::new();
            put(&mut inner, 1, topic.as_bytes());
            put(&mut control, 3, &inner);
        }
        for (topic, backoff) in &self.prune {
            let mut inner = Vec::new();
            put(&mut inner, 1, topic.as_bytes());
            inner.push(3 << 3);
            inner.extend(crate::frames::varint(*backoff));
            put(&mut control, 4, &inner);
        }
        control
    }

    /// From bytes; unknown fields are passed over.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rpc = Self::default();
        for (number, value) in fields(bytes)? {
            match number {
                1 => rpc.subscriptions.push(subscription(value.bytes()?)?),
                2 => rpc.publish.push(Message::decode(value.bytes()?)?),
                3 => rpc.decode_control(value.bytes()?)?,
                _ => {}
            }
        }
        Some(rpc)
    }

    fn decode_control(&mut self, bytes: &[u8]) -> Option<()> {
        for (number, value) in fields(bytes)? {
            let inner = fields(value.bytes()?)?;
            let all = |wanted: u32| {
                let found = inner.iter().filter(move |(number, _)| *number == wanted);
                found.filter_map(|(_, value)| Some(value.bytes()?.to_vec()))
            };
            let topic = || String::from_utf8(all(1).next().unwrap_or_default()).ok();
            match number {
                1 => self.ihave.push((topic()?, all(2).collect())),
                2 => self.iwant.extend(all(1)),
                3 => self.graft.push(topic()?),
                4 => {
                    let backoff = inner.iter().find(|(number, _)| *number == 3);
                    let backoff = backoff.and_then(|(_, value)| value.number());
                    self.prune.push((topic()?, backoff.unwrap_or_default()));
                }
                5 => self.idontwant.extend(all(1)),
                _ => {}
            }
        }
        Some(())
    }
}

fn subscription(bytes: &[u8]) -> Option<(bool, String)> {
    let (mut subscribes, mut topic) = (false, String::new());
    for (number, value) in fields(bytes)? {
        match number {
            1 => subscribes = value.number()? != 0,
            2 => topic = String::from_utf8(value.bytes()?.to_vec()).ok()?,
            _ => {}
        }
    }
    Some((subscribes, topic))
}

/// Appends a field of bytes.
fn put(bytes: &mut Vec<u8>, number: u8, value: &[u8]) {
    bytes.push(number << 3 | 2);
    bytes.extend(crate::frames::varint(value.len() as u64));
    bytes.extend(value);
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }
}

/// The fields of a message in protocol buffers, in their order; `None` where it is none.
pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let number = u32::try_from(key >> 3).ok()?;
        let value = match key & 7 {
            0 => Value::Number(take_varint(&mut bytes)?),
            1 => Value::Bytes(take(&mut bytes, 8)?),
            2 => {
                let length = usize::try_from(take_varint(&mut bytes)?).ok()?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            5 => Value::Bytes(take(&mut bytes, 4)?),
            _ => return None,
        };
        found.push((number, value));
    }
    Some(found)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (verdict_of, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(verdict_of)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let signed = Message {
            from: Some(vec![1]),
            seqno: Some(vec![2; 8]),
            signature: Some(vec![3; 64]),
            key: Some(vec![4]),
            ..Message::new("topic", vec![5; 300])
        };
        let rpc = Rpc {
            subscriptions: vec![(true, "a".into()), (false, "b".into())],
            publish: vec![Message::new("topic", vec![]), signed.clone()],
            ihave: vec![("a".into(), vec![vec![1; 20], vec![2; 20]])],
            iwant: vec![vec![3; 20]],
            graft: vec!["a".into()],
            prune: vec![("b".into(), 60)],
            idontwant: vec![vec![4; 20]],
        };
        assert_eq!(Rpc::decode(&rpc.encode()), Some(rpc));
        assert_eq!(signed.forbidden(), ["from", "seqno", "signature", "key"]);
        assert_eq!(Rpc::decode(&[0x12, 0x05, 0x00]), None);
    }
}
