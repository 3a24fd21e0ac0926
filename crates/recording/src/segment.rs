//! One file of a recording: a mark, then chunks.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{Frame, chunk::chunk, codec::Encoder};

/// What every segment begins with; the last byte is the version of the format.
pub(crate) const MARK: [u8; 8] = *b"quartet\x01";
const EXTENSION: &str = "qrec";

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    encoder: Encoder,
    /// Bytes that are in the file.
    pub(crate) bytes: u64,
}

impl Segment {
    /// Begins a file that is not there yet.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut file = File::create_new(path)?;
        file.write_all(&MARK)?;
        Ok(Self {
            file,
            encoder: Encoder::default(),
            bytes: MARK.len() as u64,
        })
    }

    /// Adds a frame to the next chunk.
    pub(crate) fn push(&mut self, frame: &Frame) {
        frame.encode(&mut self.encoder);
    }

    /// Bytes that wait for the next chunk, before compression.
    pub(crate) fn waiting(&self) -> usize {
        let signatures = self.encoder.signatures.len() * quartet_types::SIGNATURE_BYTES;
        self.encoder.out.len() + signatures
    }

    /// Makes a chunk of what waits.
    pub(crate) fn finish_chunk(&mut self) -> io::Result<Vec<u8>> {
        chunk(&mut self.encoder)
    }

    /// Writes a chunk.
    pub(crate) fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.bytes += chunk.len() as u64;
        Ok(())
    }
}

/// Where the segment with this number lies.
pub(crate) fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.{EXTENSION}"))
}

/// The segments of a directory with their numbers, ascending.
pub(crate) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|found| found == EXTENSION);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| is_segment) {
            segments.push((number, path));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}
