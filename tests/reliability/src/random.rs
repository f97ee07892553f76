//! Numbers that look random, the same in each run, and ranks by Zipf's law.

/// A generator (xorshift64*).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed leads to the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One of so many.
    pub fn below(&mut self, count: usize) -> usize {
        (self.number() >> 16) as usize % count.max(1)
    }

    /// From 0 up to 1.
    pub fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether it happens, with this probability.
    pub fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }
}

/// Ranks, of which the n-th is as frequent as 1/n.
#[derive(Clone, Debug)]
pub struct Zipf(Vec<f64>);

impl Zipf {
    /// So many ranks.
    pub fn new(ranks: usize) -> Self {
        let mut sum = 0.0;
        let mut sums = Vec::with_capacity(ranks);
        for rank in 0..ranks {
            sum += 1.0 / (rank + 1) as f64;
            sums.push(sum);
        }
        Self(sums)
    }

    /// One of them, counted from 0.
    pub fn rank(&self, random: &mut Random) -> usize {
        let at = random.share() * self.0.last().copied().unwrap_or_default();
        self.0.partition_point(|sum| *sum < at).min(self.0.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_thousand_ranks_is_about_an_eighth() {
        let (zipf, mut random) = (Zipf::new(1000), Random::new(1));
        let first = (0..100_000).filter(|_| zipf.rank(&mut random) == 0).count();
        assert!((12_000..15_000).contains(&first), "{first}");
    }
}
