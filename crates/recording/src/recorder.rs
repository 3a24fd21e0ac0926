//! The recorder's handle: takes notes and never waits.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use quartet_clock::Stopwatch;

use crate::{
    Decision, Event, Frame, Keyframe, RecordingError, Start, Taken, ring::Ring, writer::Writer,
};

/// Fewest bytes that a recording may be limited to: some keyframes and what comes between.
pub const MIN_LIMIT: u64 = 16 << 20;
/// Notes that may wait for the writer.
const MAX_NOTES: usize = 16_384;
/// Most memory that they may take: what a node that catches up imports in a fraction of a second.
const MAX_NOTED_BYTES: usize = 64 << 20;
/// A ring has so many segments at least, so that what goes when one makes way is little.
const SEGMENTS: u64 = 16;
/// Longest segment: what is read at once to begin in the middle.
const MAX_SEGMENT: u64 = 16 << 20;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all files together; no less than [`MIN_LIMIT`] counts.
    pub total: u64,
    /// From so many bytes on a segment ends with the next keyframe.
    pub(crate) segment: u64,
    /// With so many bytes it ends.
    pub(crate) longest_segment: u64,
}

impl Limits {
    /// So many bytes in all, [`MIN_LIMIT`] at the least.
    pub fn of(total: u64) -> Self {
        Self::with_segments(total.max(MIN_LIMIT), MAX_SEGMENT)
    }

    /// So many bytes in all, in shorter segments than usual: for tests.
    pub fn with_segments(total: u64, longest: u64) -> Self {
        let segment = longest.min(total / SEGMENTS);
        Self {
            total,
            segment,
            longest_segment: total / 4,
        }
    }
}

/// How a keyframe is made, by the writer: `None` when it cannot be.
type MakeKeyframe = Box<dyn FnOnce() -> Option<Keyframe> + Send>;

/// Something to write down.
pub enum Note {
    /// What the service took.
    Event(Event),
    /// What it came to.
    Decided(Vec<Decision>),
    /// From what it could begin at this moment.
    Keyframe(MakeKeyframe),
    /// What came was lost.
    Gap,
    /// It has ended.
    End,
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::Decided(decisions) => decisions.fmt(f),
            Self::Keyframe(_) => f.write_str("Keyframe"),
            Self::Gap => f.write_str("Gap"),
            Self::End => f.write_str("End"),
        }
    }
}

/// What handle and writer tell each other.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// A segment is long enough, or something was lost.
    pub(crate) wants_keyframe: AtomicBool,
    /// The writer has given up.
    pub(crate) has_stopped: AtomicBool,
    /// Memory of the notes that wait.
    pub(crate) noted_bytes: AtomicUsize,
}

/// Writes down what happens, on a thread of its own. When that cannot keep up, what comes is lost up to the next keyframe, and the
/// recording says so; when the disk refuses, the recording ends with a warning. Dropped, it waits for what was noted to be
/// written.
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
    /// Begins a recording in a directory, behind what is there. The first note has to be a keyframe.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn start(directory: &Path, limits: Limits, start: Start) -> Result<Self, RecordingError> {
        Self::begin(directory, limits, start, false)
    }

    /// As [`Self::start`], and waits for the writer rather than lose anything: for simulations, whose slots take no time.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn patient(directory: &Path, limits: Limits, start: Start) -> Result<Self, RecordingError> {
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

    /// Notes something. Never waits, unless it was begun as [`Self::patient`].
    pub fn note(&mut self, note: Note) {
        match &self.notes {
            Some(notes) if self.waits => _ = notes.send((0, note)),
            _ => self.note_if_there_is_room(note),
        }
    }

    fn note_if_there_is_room(&mut self, note: Note) {
        let is_keyframe = matches!(note, Note::Keyframe(_));
        let weight = weight(&note);
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
        self.shared.noted_bytes.fetch_add(weight, Ordering::Relaxed);
        let has_room = noted + weight <= MAX_NOTED_BYTES;
        self.is_lost = !has_room || notes.try_send((weight, note)).is_err();
        if self.is_lost {
            self.shared.noted_bytes.fetch_sub(weight, Ordering::Relaxed);
            self.shared.wants_keyframe.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.notes = None;
        if let Some(thread) = self.thread.take() {
            // It ends by itself; a panic of it has been told.
            let _ = thread.join();
        }
    }
}

/// Memory that a note takes, near enough.
fn weight(note: &Note) -> usize {
    const VOTE: usize = 3 << 10;
    let votes = |count: usize| count * VOTE;
    let block = |block: &quartet_types::SignedBlockWithAttestation| votes(block.signature.len());
    let held = match note {
        Note::Event(event) => match &event.taken {
            Taken::Attestations(items) => votes(items.len()),
            Taken::OwnAttestations(items) => votes(items.len()),
            Taken::Block { block: it, .. } | Taken::OwnBlock(it) => block(it),
            Taken::Requested {
                result: Ok(blocks), ..
            } => blocks.iter().map(|it| block(it)).sum(),
            _ => 0,
        },
        Note::Decided(decisions) => decisions.len() * size_of::<Decision>(),
        Note::Keyframe(_) | Note::Gap | Note::End => 0,
    };
    held + size_of::<Frame>()
}
