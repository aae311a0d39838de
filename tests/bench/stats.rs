//! Percentiles and medians.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Steps within one power of two: a value is off by at most 1/64.
const FINE: usize = 64;

/// Counts durations from many tasks at once; knows any percentile to within 1.6 %.
pub struct Histogram(Vec<AtomicU64>);

impl Default for Histogram {
    fn default() -> Self {
        Self((0..FINE * 40).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Histogram {
    fn bucket(micros: u64) -> usize {
        if micros < FINE as u64 {
            return micros as usize;
        }
        let power = micros.ilog2() - FINE.ilog2();
        let fine = (micros >> power) as usize - FINE;
        ((power as usize + 1) * FINE + fine).min(FINE * 40 - 1)
    }

    fn micros(bucket: usize) -> f64 {
        if bucket < FINE {
            return bucket as f64;
        }
        let power = bucket / FINE - 1;
        ((FINE + bucket % FINE) as f64 + 0.5) * 2f64.powi(power as i32)
    }

    /// One more.
    pub fn record(&self, micros: u64) {
        self.0[Self::bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|b| b.load(Ordering::Relaxed)).sum()
    }

    /// A percentile in milliseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        let wanted = (self.count() as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (n, bucket) in self.0.iter().enumerate() {
            seen += bucket.load(Ordering::Relaxed);
            if seen >= wanted.max(1) {
                return Self::micros(n) / 1000.0;
            }
        }
        f64::NAN
    }

    /// Starts over.
    pub fn clear(&self) {
        self.0.iter().for_each(|b| b.store(0, Ordering::Relaxed));
    }
}

/// The one in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Microseconds since this process began to measure.
pub fn now_micros() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_micros() as u64
}

/// Calls `n` times at a steady rate from a thread of its own, with the number and the time at which it should have been called: a
/// stall of what is measured, or of ours, is not hidden. tokio's timers are a millisecond coarse; a thread's sleep is not.
pub fn pace(rate: f64, n: u64) -> tokio::sync::mpsc::UnboundedReceiver<(u64, u64)> {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let start = now_micros() + 1_000;
        for k in 0..n {
            let intended = start + (k as f64 * 1e6 / rate) as u64;
            let now = now_micros();
            if intended > now {
                std::thread::sleep(Duration::from_micros(intended - now));
            }
            if send.send((k, intended)).is_err() {
                return;
            }
        }
    });
    receive
}
