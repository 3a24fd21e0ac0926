//! How many bytes a second are served.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// Lets a burst through and then a steady rate: what has been served is charged afterwards, and the next
/// piece waits until the debt is paid.
#[derive(Debug)]
pub(crate) struct Throttle {
    burst: f64,
    per_second: f64,
    account: Mutex<(f64, Instant)>,
}

impl Throttle {
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        let burst = f64::from(burst);
        Self {
            burst,
            per_second: f64::from(per_second),
            account: Mutex::new((burst, Instant::now())),
        }
    }

    /// Charges for bytes that were served.
    pub(crate) fn charge(&self, bytes: usize) {
        self.account.lock().0 -= bytes as f64;
    }

    /// Waits until what was charged is paid for.
    pub(crate) async fn wait_until_paid(&self) {
        loop {
            let debt = self.debt();
            if debt.is_zero() {
                return;
            }
            sleep(debt).await;
        }
    }

    fn debt(&self) -> Duration {
        let mut account = self.account.lock();
        let (balance, since) = *account;
        let now = Instant::now();
        let earned = now.duration_since(since).as_secs_f64() * self.per_second;
        let balance = (balance + earned).min(self.burst);
        *account = (balance, now);
        // Not so short that the timer cannot see it.
        if balance < 0.0 {
            Duration::from_secs_f64(-balance / self.per_second).max(TICK)
        } else {
            Duration::ZERO
        }
    }
}

/// The resolution of tokio's timer.
const TICK: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_then_the_rate_holds() {
        let throttle = Throttle::new(100, 1_000);
        let start = Instant::now();
        throttle.wait_until_paid().await;
        throttle.charge(100);
        throttle.wait_until_paid().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            throttle.charge(500);
            throttle.wait_until_paid().await;
        }
        let passed = start.elapsed();
        let expected = Duration::from_secs(5);
        assert!(
            (expected..expected + 20 * TICK).contains(&passed),
            "{passed:?}"
        );
    }
}
