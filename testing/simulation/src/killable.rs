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
pub(crate) struct PollBudget(Arc<AtomicU64>);

impl PollBudget {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// Lets the tasks be polled `polls` more times, all together.
    pub(crate) fn limit(&self, polls: u64) {
        self.0.store(polls, Ordering::Relaxed);
    }

    pub(crate) fn is_spent(&self) -> bool {
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
pub(crate) struct KillableTask<F> {
    polls_left: PollBudget,
    task: Pin<Box<F>>,
}

impl<F: Future> KillableTask<F> {
    pub(crate) fn new(polls_left: &PollBudget, task: F) -> Self {
        Self {
            polls_left: polls_left.clone(),
            task: Box::pin(task),
        }
    }
}

impl<F: Future> Future for KillableTask<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.polls_left.spend() {
            self.task.as_mut().poll(context)
        } else {
            Poll::Pending
        }
    }
}
