//! One place for CPU-heavy work: bounded queues by priority and a pool of workers.
//!
//! It runs what it is given and decides nothing. Work of a higher [`Priority`] starts first; within a priority, first
//! come, first served. When a queue is full, [`Processor::run`] waits for room. [`Processor::inline`] runs the work at
//! once on the caller's thread, for deterministic tests, and [`Processor::paced`] after some of the runtime's time.
//!
//! # Example
//!
//! What is urgent overtakes what has waited for longer:
//!
//! ```
//! use std::sync::mpsc;
//!
//! use quartet_processor::{Priority, Processor};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! // One worker, and room for four jobs of each priority to wait.
//! let processor = Processor::start(1, 4)?;
//! let (release, gate) = mpsc::sync_channel::<()>(1);
//! let (order, ran) = mpsc::sync_channel(2);
//! let job = |priority| {
//!     let order = order.clone();
//!     processor.run(priority, move || order.send(priority).is_ok())
//! };
//! let (busy, background, duty, _) = tokio::join!(
//!     processor.run(Priority::Block, move || gate.recv().is_ok()),
//!     job(Priority::Background),
//!     job(Priority::Duty),
//!     async { release.send(()) },
//! );
//! assert_eq!((busy, background, duty), (Ok(true), Ok(true), Ok(true)));
//! assert_eq!(ran.try_iter().collect::<Vec<_>>(), [Priority::Duty, Priority::Background]);
//! # Ok::<(), std::io::Error>(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod pace;
mod part;
mod queue;

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use tokio::sync::{Semaphore, oneshot};

pub use pace::Pace;
pub use part::Part;
use queue::Queue;

/// What is worked on first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Signing and block production: a duty with a deadline.
    Duty,
    /// Blocks: everything else depends on them.
    Block,
    /// Attestations from gossip.
    Attestation,
    /// Work that can wait: key preparation, disk.
    Background,
}

impl Priority {
    const ALL: [Self; 4] = [Self::Duty, Self::Block, Self::Attestation, Self::Background];

    /// The priority's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duty => "duty",
            Self::Block => "block",
            Self::Attestation => "attestation",
            Self::Background => "background",
        }
    }
}

/// The work did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProcessorError {
    /// The work panicked; the worker goes on.
    #[error("the work panicked")]
    Panicked,
    /// The pool has been shut down.
    #[error("the processor is shut down")]
    ShutDown,
}

type Job = Box<dyn FnOnce() + Send>;

/// A handle to the pool; clones share it. Workers end when the last handle is dropped.
#[derive(Clone)]
pub struct Processor(Kind);

#[derive(Clone)]
enum Kind {
    Inline,
    Paced(Pace),
    Pool(Arc<Pool>),
}

struct Pool {
    queue: Arc<Queue>,
    room: [Arc<Semaphore>; Priority::ALL.len()],
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Inline => "Processor(inline)",
            Kind::Paced(_) => "Processor(paced)",
            Kind::Pool(_) => "Processor(pool)",
        })
    }
}

impl Processor {
    /// Starts `workers` threads (at least one), with room for `capacity` waiting jobs per priority.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(workers: usize, capacity: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        for worker in 0..workers.max(1) {
            let queue = queue.clone();
            thread::Builder::new()
                .name(format!("worker-{worker}"))
                .spawn(move || {
                    while let Some(job) = queue.pop() {
                        job();
                    }
                })?;
        }
        let room = Priority::ALL.map(|_| Arc::new(Semaphore::new(capacity.max(1))));
        Ok(Self(Kind::Pool(Arc::new(Pool { queue, room }))))
    }

    /// A processor without threads: each job runs on the caller's thread as soon as it is awaited.
    pub fn inline() -> Self {
        Self(Kind::Inline)
    }

    /// A processor without threads that simulates a slow machine: each job runs on the caller's thread when the time
    /// that `pace` sets for it has passed.
    pub fn paced(pace: Pace) -> Self {
        Self(Kind::Paced(pace))
    }

    /// Runs `work` and returns what it returns; waits for room in its queue first.
    ///
    /// # Errors
    /// When the work panics or the pool is gone.
    pub async fn run<T: Send + 'static>(
        &self,
        priority: Priority,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ProcessorError> {
        let work = move || catch_unwind(AssertUnwindSafe(work));
        let pool = match &self.0 {
            Kind::Inline => return work().map_err(|_| ProcessorError::Panicked),
            Kind::Paced(pace) => {
                pace.wait(priority).await?;
                return work().map_err(|_| ProcessorError::Panicked);
            }
            Kind::Pool(pool) => pool,
        };
        let room = pool.room[priority as usize].clone();
        let room = room
            .acquire_owned()
            .await
            .map_err(|_| ProcessorError::ShutDown)?;
        let (done, result) = oneshot::channel();
        // The job itself holds its place, so that a caller that gives up does not free it too early.
        let job = move || {
            let result = work();
            drop(room);
            drop(done.send(result));
        };
        pool.queue.push(priority, Box::new(job));
        match result.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(ProcessorError::Panicked),
            Err(_) => Err(ProcessorError::ShutDown),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_returns_its_value_from_another_thread() {
        let processor = Processor::start(2, 4).unwrap();
        let here = thread::current().id();
        let there = processor
            .run(Priority::Block, || thread::current().id())
            .await
            .unwrap();
        assert_ne!(here, there);
    }

    #[tokio::test]
    async fn inline_work_runs_on_the_callers_thread() {
        let processor = Processor::inline();
        let there = processor.run(Priority::Block, || thread::current().id());
        assert_eq!(there.await, Ok(thread::current().id()));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_worker_goes_on() {
        for processor in [Processor::start(1, 4).unwrap(), Processor::inline()] {
            let broken = processor.run(Priority::Duty, || panic!("broken work"));
            assert_eq!(broken.await, Err(ProcessorError::Panicked));
            assert_eq!(processor.run(Priority::Duty, || 7).await, Ok(7));
        }
    }

    #[tokio::test]
    async fn urgent_work_overtakes_what_waits() {
        let processor = Processor::start(1, 4).unwrap();
        let (release, gate) = mpsc::sync_channel::<()>(1);
        let (order, ran) = mpsc::sync_channel(4);
        let task = |priority: Priority| {
            let order = order.clone();
            processor.run(priority, move || order.send(priority).unwrap())
        };
        // Polled in order: the first blocks the only worker until all others are queued.
        let (blocked, ..) = tokio::join!(
            processor.run(Priority::Background, move || gate.recv()),
            task(Priority::Background),
            task(Priority::Attestation),
            task(Priority::Duty),
            async { release.send(()).unwrap() },
        );
        blocked.unwrap().unwrap();
        let order: Vec<_> = ran.try_iter().collect();
        assert_eq!(
            order,
            [Priority::Duty, Priority::Attestation, Priority::Background]
        );
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_caller_wait() {
        let processor = Processor::start(1, 1).unwrap();
        let (release, gate) = mpsc::sync_channel::<()>(1);
        let mut first = Box::pin(processor.run(Priority::Block, move || gate.recv()));
        let mut second = Box::pin(processor.run(Priority::Block, || ()));
        assert!(poll_once(&mut first).is_none());
        assert!(poll_once(&mut second).is_none());
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(second.await, Ok(()));
    }

    fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
