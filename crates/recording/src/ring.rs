//! The segments of a directory, of which the oldest are deleted.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    Frame, Start,
    segment::{Segment, path_of, segments},
};

/// The files of a recording.
#[derive(Debug)]
pub(crate) struct Ring {
    directory: PathBuf,
    /// Most bytes of all segments together.
    limit: u64,
    next: u64,
    /// Segments that are no longer written, the oldest first.
    old: VecDeque<(PathBuf, u64)>,
    old_bytes: u64,
    current: Option<(PathBuf, Segment)>,
}

impl Ring {
    /// Opens a directory, or creates it. Segments that are there count against the limit.
    pub(crate) fn open(directory: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut ring = Self {
            directory: directory.to_owned(),
            limit,
            next: 0,
            old: VecDeque::new(),
            old_bytes: 0,
            current: None,
        };
        for (number, path) in segments(directory)? {
            let bytes = fs::metadata(&path)?.len();
            ring.next = number + 1;
            ring.old_bytes += bytes;
            ring.old.push_back((path, bytes));
        }
        ring.make_room(0)?;
        Ok(ring)
    }

    /// Begins the next segment.
    pub(crate) fn begin(&mut self, start: Start) -> io::Result<()> {
        self.flush()?;
        if let Some((path, segment)) = self.current.take() {
            self.old_bytes += segment.bytes;
            self.old.push_back((path, segment.bytes));
        }
        let path = path_of(&self.directory, self.next);
        self.next += 1;
        let segment = Segment::create(&path)?;
        self.current = Some((path, segment));
        self.push(&Frame::Start(start));
        // In a chunk of its own, so that it can be read without the rest.
        self.flush()
    }

    /// Adds a frame to the current segment, if there is one.
    pub(crate) fn push(&mut self, frame: &Frame) {
        if let Some((_, segment)) = &mut self.current {
            segment.push(frame);
        }
    }

    /// Bytes of the current segment, with those that wait.
    pub(crate) fn current_bytes(&self) -> u64 {
        let current = self.current.as_ref();
        current.map_or(0, |(_, segment)| segment.bytes + segment.waiting() as u64)
    }

    /// What waits to be written, in bytes.
    pub(crate) fn waiting(&self) -> usize {
        let current = self.current.as_ref();
        current.map_or(0, |(_, segment)| segment.waiting())
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some((_, segment)) = self.current.as_mut().filter(|(_, it)| it.waiting() > 0) else {
            return Ok(());
        };
        let chunk = segment.finish_chunk()?;
        self.make_room(chunk.len() as u64)?;
        match &mut self.current {
            Some((_, segment)) => segment.write(&chunk),
            None => Ok(()),
        }
    }

    /// Deletes the oldest segments until so many bytes more are within the limit.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let current = self.current.as_ref();
        let written = current.map_or(0, |(_, segment)| segment.bytes);
        while self.old_bytes + written + bytes > self.limit
            && let Some((path, bytes)) = self.old.pop_front()
        {
            self.old_bytes -= bytes;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
