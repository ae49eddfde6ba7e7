//! Limits of a share of few customers, which moves in steps of whole ones and is often none of them.

use crate::special::ln_gamma;

/// Where so many are expected on either side, a share is as good as continuous.
const MANY: f64 = 30.0;
/// Of more customers the steps are too small to matter.
const MOST_CUSTOMERS: f64 = 1e6;
/// Less spread than this beyond chance is none.
const NO_SPREAD: f64 = 1e-9;
/// Nobody is more certain.
const MOST_CERTAIN: f64 = 1.0 - 1e-9;
/// Shares that differ more than this from one cohort to the next are all or nothing.
const LEAST_CONCENTRATION: f64 = 1e-3;

/// The least and the most share between which a count lies with all but `tail` of the probability on either side, where
/// its share of `customers` has this mean in (0, 1) and this variance. The count is beta-binomial with both; where the
/// variance is less than that of customers who are all alike, some are as good as certain, and it is a binomial count of
/// the others. `None` where the share may be taken for continuous.
pub(super) fn limits(customers: f64, mean: f64, variance: f64, tail: f64) -> Option<[f64; 2]> {
    let rare = mean.min(1.0 - mean);
    if customers * rare >= MANY || customers > MOST_CUSTOMERS {
        return None;
    }
    let count = Count::new(customers, rare, variance);
    let [low, high] = count.quantiles(tail).map(|count| count / customers);
    Some(if mean <= 0.5 {
        [low, high]
    } else {
        [1.0 - high, 1.0 - low]
    })
}

/// A count with its first two moments.
struct Count {
    /// Who may be counted; real where it stands for a part of them.
    customers: f64,
    /// The probability of each.
    mean: f64,
    /// φ, where the probability is beta-distributed with the shapes φ q and φ (1 − q).
    concentration: Option<f64>,
}

impl Count {
    fn new(customers: f64, mean: f64, variance: f64) -> Self {
        // The variance of the count is N q (1−q) (1 + (N−1)/(φ+1)), and n p (1−p) of n customers alike.
        let excess = variance * customers / (mean * (1.0 - mean)) - 1.0;
        if excess > NO_SPREAD && customers > 1.0 {
            let phi = ((customers - 1.0) / excess - 1.0).max(LEAST_CONCENTRATION);
            return Self {
                customers,
                mean,
                concentration: Some(phi),
            };
        }
        let alike = (1.0 - variance * customers / mean).clamp(mean, MOST_CERTAIN);
        Self {
            customers: customers * mean / alike,
            mean: alike,
            concentration: None,
        }
    }

    /// ln P(0).
    fn log_none(&self) -> f64 {
        let (n, q) = (self.customers, self.mean);
        match self.concentration {
            None => n * (-q).ln_1p(),
            Some(phi) => {
                let b = phi * (1.0 - q);
                ln_gamma(b + n) - ln_gamma(b) - (ln_gamma(phi + n) - ln_gamma(phi))
            }
        }
    }

    /// P(k+1) / P(k).
    fn step(&self, k: f64) -> f64 {
        let (n, q) = (self.customers, self.mean);
        let odds = match self.concentration {
            None => q / (1.0 - q),
            Some(phi) => (phi * q + k) / (phi * (1.0 - q) + n - k - 1.0),
        };
        (n - k) / (k + 1.0) * odds
    }

    /// The least counts up to which more than `tail`, and at least 1 − `tail`, of the probability lies.
    fn quantiles(&self, tail: f64) -> [f64; 2] {
        let (mut k, mut p) = (0.0, self.log_none().exp());
        let mut up_to = p;
        let mut low = None;
        while up_to < 1.0 - tail && k < self.customers {
            if up_to > tail {
                low = low.or(Some(k));
            }
            p *= self.step(k);
            k += 1.0;
            up_to += p;
        }
        [low.unwrap_or(k), k]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.binom and betabinom: ppf(0.95), and the least k with cdf(k) > 0.05.
    #[test]
    fn quantiles_match_scipy() {
        for (customers, mean, variance, low, high) in SCIPY {
            let found = Count::new(customers, mean, variance).quantiles(0.05);
            assert_eq!(found, [low, high], "{customers} {mean} {variance}");
        }
    }

    /// Customers, mean, variance, and the two counts.
    const SCIPY: [(f64, f64, f64, f64, f64); 9] = [
        (1.0, 0.3, 0.21, 0.0, 1.0),
        (5.0, 0.02, 0.00392, 0.0, 1.0),
        (40.0, 0.1, 0.0022500000000000003, 1.0, 7.0),
        (500.0, 0.05, 9.5e-05, 17.0, 33.0),
        (5.0, 0.4, 0.07200000000000001, 0.0, 4.0),
        (40.0, 0.1, 0.006750000000000001, 0.0, 10.0),
        (900.0, 0.03, 0.000194, 10.0, 50.0),
        (12.0, 0.45, 0.24543750000000003, 0.0, 12.0),
        (30000.0, 0.0005, 2.8319166666666668e-08, 7.0, 24.0),
    ];

    /// Of five customers two are certain and three are not there: 2 of 5 without any variance.
    #[test]
    fn certain_customers_leave_no_room() {
        assert_eq!(Count::new(5.0, 0.4, 0.0).quantiles(0.05), [2.0, 2.0]);
        // Two of five who come with 0.9 each: scipy.stats.binom(2, 0.9).
        assert_eq!(
            Count::new(5.0, 0.36, 2.0 * 0.09 / 25.0).quantiles(0.05),
            [1.0, 2.0]
        );
    }

    #[test]
    fn both_sides_are_alike() {
        let [low, high] = limits(10.0, 0.2, 0.03, 0.05).unwrap();
        let [mirrored_low, mirrored_high] = limits(10.0, 0.8, 0.03, 0.05).unwrap();
        assert_eq!([1.0 - high, 1.0 - low], [mirrored_low, mirrored_high]);
    }

    #[test]
    fn one_customer_comes_or_does_not() {
        assert_eq!(limits(1.0, 0.5, 0.25, 0.05), Some([0.0, 1.0]));
        assert_eq!(limits(1.0, 0.01, 0.01, 0.05), Some([0.0, 0.0]));
        assert_eq!(limits(60.0, 0.5, 0.25, 0.05), None);
    }
}
