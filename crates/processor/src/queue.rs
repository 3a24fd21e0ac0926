//! The queues behind the pool: one per priority, under one lock.

use std::collections::VecDeque;

use metrics::gauge;
use parking_lot::{Condvar, Mutex};

use crate::{Job, Priority};

#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: [VecDeque<Job>; Priority::ALL.len()],
    closed: bool,
}

fn record(priority: Priority, length: usize) {
    gauge!("quartet_processor_queue_length", "priority" => priority.name()).set(length as f64);
}

impl Queue {
    pub(crate) fn push(&self, priority: Priority, job: Job) {
        let mut waiting = self.waiting.lock();
        waiting.jobs[priority as usize].push_back(job);
        let length = waiting.jobs[priority as usize].len();
        drop(waiting);
        self.changed.notify_one();
        record(priority, length);
    }

    /// Waits for the most urgent job; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        loop {
            for priority in Priority::ALL {
                let jobs = &mut waiting.jobs[priority as usize];
                if let Some(job) = jobs.pop_front() {
                    record(priority, jobs.len());
                    return Some(job);
                }
            }
            if waiting.closed {
                return None;
            }
            self.changed.wait(&mut waiting);
        }
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_all();
    }
}
