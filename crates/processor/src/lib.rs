//! One place for CPU-heavy work: bounded queues by priority and a pool of workers.
