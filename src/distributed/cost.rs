//! The expected duration of a step that several processes share.

use super::Network;

/// A bucket of gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BucketCost {
    /// bytes on the way to each other process and back: a piece of the vector
    pub piece: u64,
    /// part of the step's computation after which it is complete, up to 1
    pub ready: f64,
}

/// The expected duration of a step, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepCost {
    /// computation of each process
    pub compute: f64,
    /// exchange of all buckets
    pub exchange: f64,
    /// the part of the exchange during which nothing is computed
    pub exposed: f64,
}

impl StepCost {
    /// For `ranks` processes that each compute for `compute` seconds. Buckets are exchanged one after the other, in order,
    /// each when it is complete; what is left of the computation after the last one waits for it. `before` counts the short
    /// messages that a step waits for before it computes, or in the middle.
    pub fn new(network: &Network, ranks: usize, compute: f64, buckets: &[BucketCost], before: u32) -> Self {
        let short = f64::from(before) * network.exchange(ranks, 0);
        let (mut free, mut exchange) = (0.0f64, short);
        for bucket in buckets {
            let takes = 2.0 * network.exchange(ranks, bucket.piece);
            free = free.max(bucket.ready * compute) + takes;
            exchange += takes;
        }
        let last = buckets.last().map_or(0.0, |bucket| bucket.ready * compute);
        Self { compute, exchange, exposed: short + (free - last).max(0.0) }
    }

    /// The duration of the step.
    pub fn step(&self) -> f64 {
        self.compute + self.exposed
    }

    /// The part of each process's time that it computes in: pictures per second over those without an exchange.
    pub fn efficiency(&self) -> f64 {
        self.compute / self.step()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_outlasts_the_computation_is_exposed() {
        let network = Network { latency: 0.01, bandwidth: 1e6 };
        // 3 others: 2 * (0.01 + 3 * 0.01) = 0.08 seconds each
        let bucket = |ready| BucketCost { piece: 10_000, ready };
        let cost = |buckets: &[BucketCost]| StepCost::new(&network, 4, 1.0, buckets, 0);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} and {b}");
        close(cost(&[bucket(0.5)]).exposed, 0.08);
        close(cost(&[bucket(0.5), bucket(1.0)]).exposed, 0.08);
        close(cost(&[bucket(0.9), bucket(0.95), bucket(1.0)]).exposed, 0.14);
        close(cost(&[bucket(0.9), bucket(0.95), bucket(1.0)]).exchange, 0.24);
        close(cost(&[bucket(0.0), bucket(1.0)]).efficiency(), 1.0 / 1.08);
        // two short messages of one latency each
        close(StepCost::new(&network, 4, 1.0, &[], 2).step(), 1.02);
        close(StepCost::new(&network, 1, 1.0, &[bucket(1.0)], 2).exposed, 0.0);
    }
}
