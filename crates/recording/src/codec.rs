//! Small numbers take few bytes, and values that occur again are written as numbers: there are tables of peers,
//! attestation data and signatures, which start empty in each segment.

use std::{collections::HashMap, hash::Hash, time::Duration};

use quartet_sync::PeerName;
use quartet_types::{AttestationData, Checkpoint, Root, Signature};

use crate::error::Malformed;

/// Things that have been written already, by number.
#[derive(Debug)]
struct Numbers<T>(HashMap<T, u64>);

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    /// The number of a thing, and whether it is new.
    fn of(&mut self, thing: &T) -> (u64, bool) {
        let next = self.0.len() as u64;
        match self.0.get(thing) {
            Some(number) => (*number, false),
            None => {
                self.0.insert(thing.clone(), next);
                (next, true)
            }
        }
    }
}

/// Writes values; the tables last as long as a segment, which bounds them.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    pub(crate) out: Vec<u8>,
    /// Signatures that occur for the first time: they cannot be compressed, and are kept apart from the rest.
    pub(crate) signatures: Vec<Signature>,
    known_peers: Numbers<PeerName>,
    known_data: Numbers<AttestationData>,
    known_signatures: Numbers<Signature>,
}

impl Encoder {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.byte(flag.into());
    }

    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn root(&mut self, root: &Root) {
        self.out.extend_from_slice(&root.0);
    }

    pub(crate) fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.number(checkpoint.slot);
        self.root(&checkpoint.root);
    }

    pub(crate) fn duration(&mut self, duration: Duration) {
        self.number(duration.as_secs());
        self.number(duration.subsec_nanos().into());
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            encode(self, value);
        }
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut encode: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            encode(self, item);
        }
    }

    pub(crate) fn peer(&mut self, peer: &PeerName) {
        let (number, is_new) = self.known_peers.of(peer);
        self.number(number);
        if is_new {
            self.text(peer.as_str());
        }
    }

    pub(crate) fn data(&mut self, data: &AttestationData) {
        let (number, is_new) = self.known_data.of(data);
        self.number(number);
        if is_new {
            self.number(data.slot);
            for checkpoint in [&data.head, &data.target, &data.source] {
                self.checkpoint(checkpoint);
            }
        }
    }

    pub(crate) fn signature(&mut self, signature: &Signature) {
        let (number, is_new) = self.known_signatures.of(signature);
        self.number(number);
        if is_new {
            self.signatures.push(signature.clone());
        }
    }
}

/// What a segment has named so far.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) signatures: Vec<Signature>,
    peers: Vec<PeerName>,
    data: Vec<AttestationData>,
}

/// Reads values. No memory is reserved for bytes that are not there, and items take no more than was said.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    tables: &'a mut Tables,
    /// Bytes of memory that items may still take: one byte can stand for some hundred of them.
    budget: usize,
}

type Decoded<T> = Result<T, Malformed>;

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8], tables: &'a mut Tables, budget: usize) -> Self {
        Self {
            rest: bytes,
            tables,
            budget,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An item of a list, for whose memory there has to be room.
    pub(crate) fn item<T>(&mut self, decode: impl FnOnce(&mut Self) -> Decoded<T>) -> Decoded<T> {
        self.budget = self.budget.checked_sub(size_of::<T>()).ok_or(Malformed)?;
        decode(self)
    }

    fn take(&mut self, count: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Decoded<u8> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn flag(&mut self) -> Decoded<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn number(&mut self) -> Decoded<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if number >> shift != bits {
                return Err(Malformed);
            }
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn length(&mut self) -> Decoded<usize> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        // Everything takes a byte at least.
        if length <= self.rest.len() {
            Ok(length)
        } else {
            Err(Malformed)
        }
    }

    pub(crate) fn bytes(&mut self) -> Decoded<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Decoded<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed)
    }

    pub(crate) fn root(&mut self) -> Decoded<Root> {
        Root::try_from(self.take(32)?).map_err(|_| Malformed)
    }

    pub(crate) fn checkpoint(&mut self) -> Decoded<Checkpoint> {
        let slot = self.number()?;
        let root = self.root()?;
        Ok(Checkpoint { root, slot })
    }

    pub(crate) fn duration(&mut self) -> Decoded<Duration> {
        let seconds = self.number()?;
        let nanos = u32::try_from(self.number()?).map_err(|_| Malformed)?;
        if nanos < 1_000_000_000 {
            Ok(Duration::new(seconds, nanos))
        } else {
            Err(Malformed)
        }
    }

    pub(crate) fn option<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.flag()? {
            decode(self).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn list<T>(
        &mut self,
        mut decode: impl FnMut(&mut Self) -> Decoded<T>,
    ) -> Decoded<Vec<T>> {
        let length = self.length()?;
        (0..length).map(|_| self.item(&mut decode)).collect()
    }

    pub(crate) fn peer(&mut self) -> Decoded<PeerName> {
        let number = self.number()?;
        if number == self.tables.peers.len() as u64 {
            let peer = PeerName::new(self.text()?);
            self.tables.peers.push(peer);
        }
        numbered(&self.tables.peers, number).cloned()
    }

    pub(crate) fn data(&mut self) -> Decoded<AttestationData> {
        let number = self.number()?;
        if number == self.tables.data.len() as u64 {
            let slot = self.number()?;
            let (head, target, source) =
                (self.checkpoint()?, self.checkpoint()?, self.checkpoint()?);
            self.tables.data.push(AttestationData {
                slot,
                head,
                target,
                source,
            });
        }
        numbered(&self.tables.data, number).copied()
    }

    pub(crate) fn signature(&mut self) -> Decoded<Signature> {
        let number = self.number()?;
        numbered(&self.tables.signatures, number).cloned()
    }
}

fn numbered<T>(things: &[T], number: u64) -> Decoded<&T> {
    let index = usize::try_from(number).map_err(|_| Malformed)?;
    things.get(index).ok_or(Malformed)
}
