//! Tasks that can be killed between any two of their steps, as SIGKILL would.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

/// The life that all tasks of a node share, counted in polls.
#[derive(Clone, Debug)]
pub(crate) struct Life(Arc<AtomicU64>);

impl Life {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// Lets the tasks be polled `polls` more times, all together.
    pub(crate) fn limit(&self, polls: u64) {
        self.0.store(polls, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Spends one poll; false when there is none left.
    fn spend(&self) -> bool {
        match self.0.load(Ordering::Relaxed) {
            0 => false,
            u64::MAX => true,
            left => {
                self.0.store(left - 1, Ordering::Relaxed);
                true
            }
        }
    }
}

/// A task of a node. When the node's life has ended it does nothing more, and holds what it holds until
/// it is dropped.
pub(crate) struct Mortal<F> {
    life: Life,
    task: Pin<Box<F>>,
}

impl<F: Future> Mortal<F> {
    pub(crate) fn new(life: &Life, task: F) -> Self {
        Self {
            life: life.clone(),
            task: Box::pin(task),
        }
    }
}

impl<F: Future> Future for Mortal<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.life.spend() {
            true => self.task.as_mut().poll(context),
            false => Poll::Pending,
        }
    }
}
