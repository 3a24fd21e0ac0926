//! Recordings as they are read: sessions of segments, each as far as it is whole.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    Frame, RecordingError, Start,
    chunk::read_chunk,
    codec::Tables,
    error::Damage,
    segment::{MARK, segments},
};

/// What is in a directory, or in one segment of it.
#[derive(Debug)]
pub struct Recording {
    /// The runs of the node, the oldest first.
    pub sessions: Vec<Session>,
    /// Segments whose start cannot be read, and why.
    pub unreadable: Vec<(PathBuf, Damage)>,
}

/// One run of the node.
#[derive(Debug)]
pub struct Session {
    /// What its oldest segment says.
    pub start: Start,
    /// Its segments, ascending.
    pub segments: Vec<SegmentFile>,
}

/// A segment.
#[derive(Clone, Debug)]
pub struct SegmentFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its number in the session.
    pub part: u64,
}

impl Recording {
    /// Looks at a directory, or at one segment.
    ///
    /// # Errors
    /// When it cannot be read, or there is no segment.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::File {
            path: path.to_owned(),
            source,
        };
        let paths = if path.metadata().map_err(failed)?.is_dir() {
            segments(path)
                .map_err(failed)?
                .into_iter()
                .map(|(_, path)| path)
                .collect()
        } else {
            vec![path.to_owned()]
        };
        if paths.is_empty() {
            let path = path.to_owned();
            return Err(RecordingError::Nothing { path });
        }
        let mut recording = Self {
            sessions: Vec::new(),
            unreadable: Vec::new(),
        };
        for path in paths {
            match start_of(&path) {
                Ok(start) => recording.add(path, start),
                Err(damage) => recording.unreadable.push((path, damage)),
            }
        }
        Ok(recording)
    }

    fn add(&mut self, path: PathBuf, start: Start) {
        let part = start.part;
        let segment = SegmentFile { path, part };
        let newest = self.sessions.last_mut();
        match newest.filter(|session| session.start.session == start.session) {
            Some(session) => session.segments.push(segment),
            None => self.sessions.push(Session {
                start,
                segments: vec![segment],
            }),
        }
    }
}

fn start_of(path: &Path) -> Result<Start, Damage> {
    let mut frames = SegmentReader::open(path)?;
    match frames.next() {
        Some(Ok(Frame::Start(start))) => Ok(start),
        Some(Err(damage)) => Err(damage),
        Some(Ok(_)) => Err(Damage::Foreign),
        None => Err(Damage::Torn(MARK.len() as u64)),
    }
}

/// The frames of a segment, in order; damage is the last item.
#[derive(Debug)]
pub struct SegmentReader {
    file: BufReader<File>,
    tables: Tables,
    frames: VecDeque<Frame>,
    at: u64,
    is_at_end: bool,
}

impl SegmentReader {
    /// Opens a segment.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Self, Damage> {
        let unreadable = |error: std::io::Error| Damage::Unreadable(error.to_string());
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let mut mark = Vec::new();
        let read = file.by_ref().take(MARK.len() as u64).read_to_end(&mut mark);
        read.map_err(unreadable)?;
        if mark != MARK {
            return Err(Damage::Foreign);
        }
        Ok(Self {
            file,
            tables: Tables::default(),
            frames: VecDeque::new(),
            at: MARK.len() as u64,
            is_at_end: false,
        })
    }
}

impl Iterator for SegmentReader {
    type Item = Result<Frame, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.frames.is_empty() && !self.is_at_end {
            match read_chunk(&mut self.file, &mut self.tables, &mut self.at) {
                Ok(Some(frames)) => self.frames.extend(frames),
                Ok(None) => self.is_at_end = true,
                Err(damage) => {
                    self.is_at_end = true;
                    return Some(Err(damage));
                }
            }
        }
        self.frames.pop_front().map(Ok)
    }
}
