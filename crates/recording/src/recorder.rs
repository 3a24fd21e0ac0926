//! The recorder's handle: takes notes and never waits.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use quartet_clock::Stopwatch;

use crate::{Limits, Note, RecordingError, Start, note::Shared, ring::Ring, writer::Writer};

/// Notes that may wait for the writer.
const MAX_NOTES: usize = 16_384;
/// Most memory that they may take: what a node that catches up imports in a fraction of a second.
const MAX_NOTED_BYTES: usize = 64 << 20;

/// Writes down what happens, on a thread of its own. When that thread cannot keep up, notes are lost up to the next
/// keyframe, and the recording says so; when the disk fails, the recording ends with a warning. Dropping it waits until
/// what was noted is written.
pub struct Recorder {
    notes: Option<SyncSender<(usize, Note)>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    begun: Stopwatch,
    is_lost: bool,
    waits: bool,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// Begins a recording in a directory, after what is there. The first note has to be a keyframe.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn start(directory: &Path, limits: Limits, start: Start) -> Result<Self, RecordingError> {
        Self::begin(directory, limits, start, false)
    }

    /// As [`Self::start`], and waits for the writer rather than lose anything: for simulations, whose slots take no
    /// time.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_blocking(
        directory: &Path,
        limits: Limits,
        start: Start,
    ) -> Result<Self, RecordingError> {
        Self::begin(directory, limits, start, true)
    }

    fn begin(
        directory: &Path,
        limits: Limits,
        start: Start,
        waits: bool,
    ) -> Result<Self, RecordingError> {
        let failed = |source: io::Error| RecordingError::File {
            path: PathBuf::from(directory),
            source,
        };
        let ring = Ring::open(directory, limits.total).map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let (notes, taken) = sync_channel(if waits { 0 } else { MAX_NOTES });
        let writer = Writer::new(ring, limits, start, shared.clone(), !waits);
        let thread = thread::Builder::new().name("recorder".to_owned());
        let thread = thread.spawn(move || writer.run(&taken)).map_err(failed)?;
        Ok(Self {
            notes: Some(notes),
            shared,
            thread: Some(thread),
            begun: Stopwatch::start(),
            is_lost: false,
            waits,
        })
    }

    /// Whether anything is still written.
    pub fn is_live(&self) -> bool {
        !self.shared.has_stopped.load(Ordering::Relaxed)
    }

    /// Whether a keyframe is wanted at the next good moment.
    pub fn wants_keyframe(&self) -> bool {
        self.shared.wants_keyframe.load(Ordering::Relaxed)
    }

    /// Whether nothing is kept until there is a keyframe, so that any moment is good.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Time since the recording began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Notes something. Never waits, unless it was begun as [`Self::start_blocking`].
    pub fn note(&mut self, note: Note) {
        match &self.notes {
            Some(notes) if self.waits => _ = notes.send((0, note)),
            _ => self.try_note(note),
        }
    }

    fn try_note(&mut self, note: Note) {
        let is_keyframe = matches!(note, Note::Keyframe(_));
        let bytes = note.memory();
        let noted = self.shared.noted_bytes.load(Ordering::Relaxed);
        if self.is_lost && !(is_keyframe && noted < MAX_NOTED_BYTES / 2) {
            return;
        }
        let Some(notes) = &self.notes else {
            return;
        };
        if self.is_lost && notes.try_send((0, Note::Gap)).is_err() {
            return;
        }
        self.shared.noted_bytes.fetch_add(bytes, Ordering::Relaxed);
        let has_room = noted + bytes <= MAX_NOTED_BYTES;
        self.is_lost = !has_room || notes.try_send((bytes, note)).is_err();
        if self.is_lost {
            self.shared.noted_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.wants_keyframe.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.notes = None;
        if let Some(thread) = self.thread.take() {
            // It ends by itself; a panic in it has been logged.
            let _ = thread.join();
        }
    }
}
