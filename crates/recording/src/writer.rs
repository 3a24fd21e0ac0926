//! The recorder's thread.

use std::{
    io,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, TryRecvError},
    },
    thread,
    time::Duration,
};

use tracing::warn;

use crate::{Frame, Limits, Note, Start, note::Shared, ring::Ring};

/// For so long notes are collected and then written together; a crash of the process loses them. Waking up for each
/// would cost more than writing them.
const PAUSE: Duration = Duration::from_millis(100);
/// With so many bytes a chunk is written before.
const FULL: usize = 1 << 20;

pub(crate) struct Writer {
    ring: Ring,
    limits: Limits,
    start: Start,
    shared: Arc<Shared>,
    /// Whether notes are left to gather for a while.
    pauses: bool,
    /// Whether notes are dropped until there is a keyframe.
    is_lost: bool,
}

impl Writer {
    pub(crate) fn new(
        ring: Ring,
        limits: Limits,
        start: Start,
        shared: Arc<Shared>,
        pauses: bool,
    ) -> Self {
        Self {
            ring,
            limits,
            start,
            shared,
            pauses,
            is_lost: true,
        }
    }

    /// Writes notes until the last handle is gone, or the disk fails.
    pub(crate) fn run(mut self, notes: &Receiver<(usize, Note)>) {
        if let Err(error) = self.write_all(notes) {
            self.shared.has_stopped.store(true, Ordering::Relaxed);
            warn!(%error, "the recording ends here: it cannot be written");
        }
    }

    fn write_all(&mut self, notes: &Receiver<(usize, Note)>) -> io::Result<()> {
        while let Ok(note) = notes.recv() {
            self.take(note)?;
            let is_at_end = self.take_queued(notes)?;
            if is_at_end {
                break;
            }
            if self.pauses {
                self.ring.flush()?;
                // What comes meanwhile is written together.
                thread::sleep(PAUSE);
            }
        }
        self.ring.flush()
    }

    fn take_queued(&mut self, notes: &Receiver<(usize, Note)>) -> io::Result<bool> {
        loop {
            match notes.try_recv() {
                Ok(note) => self.take(note)?,
                Err(TryRecvError::Empty) => return Ok(false),
                Err(TryRecvError::Disconnected) => return Ok(true),
            }
            if self.ring.waiting() >= FULL {
                self.ring.flush()?;
            }
        }
    }

    fn take(&mut self, (bytes, note): (usize, Note)) -> io::Result<()> {
        self.shared.noted_bytes.fetch_sub(bytes, Ordering::Relaxed);
        let frame = match note {
            Note::Keyframe(make) => {
                match make() {
                    Some(keyframe) => self.begin(keyframe)?,
                    None => self.drop_until_keyframe(),
                }
                return Ok(());
            }
            Note::Gap => {
                self.drop_until_keyframe();
                return Ok(());
            }
            Note::Event(event) => Frame::Event(event),
            Note::Decided(decisions) => Frame::Decided(decisions),
            Note::End => Frame::End,
        };
        if self.is_lost {
            return Ok(());
        }
        self.ring.push(&frame);
        let bytes = self.ring.current_bytes();
        if bytes >= self.limits.longest_segment {
            self.drop_until_keyframe();
        } else if bytes >= self.limits.segment {
            self.shared.wants_keyframe.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn begin(&mut self, keyframe: crate::Keyframe) -> io::Result<()> {
        self.ring.begin(self.start.clone())?;
        self.start.part += 1;
        self.ring.push(&Frame::Keyframe(Box::new(keyframe)));
        self.ring.flush()?;
        self.is_lost = false;
        self.shared.wants_keyframe.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn drop_until_keyframe(&mut self) {
        if !self.is_lost {
            self.ring.push(&Frame::Gap);
        }
        self.is_lost = true;
        self.shared.wants_keyframe.store(true, Ordering::Relaxed);
    }
}
