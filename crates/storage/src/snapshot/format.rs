//! Bytes of a snapshot: hashed as they pass.

use std::io::{self, ErrorKind, Read, Write};

use ethereum_hashing::{Context, HASH_LEN, Sha256Context as _};

pub(super) const MAGIC: [u8; 8] = *b"QUARTET\n";
pub(super) const VERSION: u32 = 1;
/// No state of a chain that the protocol's limits allow to be used for weeks comes near: 2^18 slots of history and
/// 4,096 validators take 9 MB, and the votes of a hundred days without finality as much again.
pub(super) const MAX_STATE_BYTES: usize = 64 << 20;
/// 4,096 signatures and attestations take 13.3 MB.
pub(super) const MAX_BLOCK_BYTES: usize = 16 << 20;

pub(super) struct HashWriter<W> {
    inner: W,
    hash: Context,
    pub(super) bytes: u64,
}

impl<W: Write> HashWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Context::new(),
            bytes: 0,
        }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.inner.write_all(bytes)
    }

    pub(super) fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::FileTooLarge)?;
        self.put(&length.to_le_bytes())?;
        self.put(bytes)
    }

    /// Writes the hash of everything before, and hands back what is below.
    pub(super) fn finish(mut self) -> io::Result<(W, u64)> {
        let hash = self.hash.finalize();
        self.inner.write_all(&hash)?;
        Ok((self.inner, self.bytes + HASH_LEN as u64))
    }
}

pub(super) struct HashReader<R> {
    inner: R,
    hash: Context,
    pub(super) bytes: u64,
}

impl<R: Read> HashReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Context::new(),
            bytes: 0,
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.hash.update(&bytes);
        self.bytes += N as u64;
        Ok(bytes)
    }

    /// The next frame. Memory grows with the bytes that are read, not with the length that is claimed.
    pub(super) fn frame(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        if length > limit {
            let what = format!("a frame of {length} bytes, of at most {limit}");
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.inner)
            .take(length as u64)
            .read_to_end(&mut bytes)?;
        if read < length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.hash.update(&bytes);
        self.bytes += length as u64;
        Ok(bytes)
    }

    /// Whether the hash at the end is that of everything before, and nothing comes after.
    pub(super) fn finish(mut self) -> io::Result<(bool, u64)> {
        let expected = self.hash.finalize();
        let mut found = [0; HASH_LEN];
        self.inner.read_exact(&mut found)?;
        let is_end = self.inner.read(&mut [0])? == 0;
        Ok((found == expected && is_end, self.bytes + HASH_LEN as u64))
    }
}
