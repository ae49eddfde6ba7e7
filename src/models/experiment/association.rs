//! Whether two groups differ in a share at all, and by what ratio, for groups of any size.

use super::Proportion;
use super::distributions::normal_tail;
use super::proportions::pooled_z;
use crate::uncertainty::Level;

/// Where a cell expects fewer, the normal approximation is not trusted (Cochran 1954, "Some methods for strengthening the
/// common χ² tests").
const EXPECTED_LEAST: f64 = 5.0;
/// Tables whose probability is above that of the one seen by no more than this share are as likely: rounding, as in R.
const ROUNDING: f64 = 1e-7;

/// Which test a [`Difference`] is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceTest {
    /// Pearson's χ² without a correction, which is the two-sided z of the pooled share.
    ChiSquared,
    /// Fisher's exact test, where a cell of the fourfold table expects fewer than 5.
    FisherExact,
}

/// What [`difference_test`] tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The test.
    pub test: DifferenceTest,
    /// The two-sided probability of shares at least as different if the groups do not differ: for Fisher's test the sum
    /// over all tables with the same margins that are no likelier than the one seen.
    pub p_value: f64,
}

/// Whether the shares of two groups differ. 1 where all or none of both succeeded.
#[must_use]
pub fn difference_test(a: &Proportion, b: &Proportion) -> Difference {
    let (successes, failures) = (a.successes() + b.successes(), a.failures() + b.failures());
    let all = a.customers() + b.customers();
    let least = successes.min(failures) * a.customers().min(b.customers()) / all;
    if least < EXPECTED_LEAST {
        return Difference {
            test: DifferenceTest::FisherExact,
            p_value: fisher(a, b),
        };
    }
    let z = pooled_z(a, b).unwrap_or(0.0);
    Difference {
        test: DifferenceTest::ChiSquared,
        p_value: (2.0 * normal_tail(z.abs())).min(1.0),
    }
}

/// Fisher's exact test from the ratios of neighbouring hypergeometric probabilities, without a logarithm of a factorial
/// and the digits that it loses. The smaller margins bound the number of tables: with a cell that expects fewer than 5 of
/// N there are at most √(5 N).
fn fisher(a: &Proportion, b: &Proportion) -> f64 {
    let successes = a.successes() + b.successes();
    let failures = a.failures() + b.failures();
    // Whatever margin is the smaller, the tables are told by the cell where the two smaller margins cross.
    let rare_is_success = successes <= failures;
    let row_is_a = a.customers() <= b.customers();
    let row = if row_is_a { a } else { b };
    let seen = if rare_is_success {
        row.successes()
    } else {
        row.failures()
    };
    let (column, rest) = (successes.min(failures), successes.max(failures));
    let drawn = row.customers();
    let most = column.min(drawn);
    // rest ≥ half of all ≥ drawn: no cell has to be filled.
    let mut relative = Vec::new();
    let (mut cell, mut weight) = (0.0_f64, 1.0_f64);
    let mode = ((drawn + 1.0) * (column + 1.0) / (column + rest + 2.0))
        .floor()
        .min(most);
    let up =
        |cell: f64| (column - cell) * (drawn - cell) / ((cell + 1.0) * (rest - drawn + cell + 1.0));
    // Relative to the likeliest table, so that nothing overflows and what underflows adds nothing.
    cell += mode;
    while cell <= most {
        relative.push((cell, weight));
        weight *= up(cell);
        cell += 1.0;
    }
    (cell, weight) = (mode, 1.0);
    while cell > 0.0 {
        cell -= 1.0;
        weight /= up(cell);
        relative.push((cell, weight));
    }
    let own = relative.iter().find(|(cell, _)| *cell == seen);
    let bound = own.map_or(0.0, |(_, weight)| weight * (1.0 + ROUNDING));
    // The smallest first, for the digits of a small tail.
    relative.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let mut all = 0.0;
    let mut extreme = 0.0;
    for (_, weight) in relative {
        all += weight;
        if weight <= bound {
            extreme = all;
        }
    }
    (extreme / all).min(1.0)
}

/// The ratio of two shares with its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskRatio {
    /// The share of the first over that of the second.
    pub ratio: f64,
    /// Its lower limit.
    pub low: f64,
    /// Its upper limit.
    pub high: f64,
}

/// The share of `a` over that of `b` with limits that are symmetric in its logarithm: Katz, Baptista, Azen & Pike 1978,
/// "Obtaining confidence intervals for the risk ratio in cohort studies". `None` where nobody of one group succeeded: the
/// logarithm has no variance then.
#[must_use]
pub fn risk_ratio(a: &Proportion, b: &Proportion, level: &Level) -> Option<RiskRatio> {
    if a.successes() == 0.0 || b.successes() == 0.0 {
        return None;
    }
    let ratio = a.share() / b.share();
    // 1/x − 1/n, without the difference of two numbers that are nearly equal.
    let part = |group: &Proportion| group.failures() / (group.successes() * group.customers());
    let reach = level.z() * (part(a) + part(b)).sqrt();
    Some(RiskRatio {
        ratio,
        low: ratio * (-reach).exp(),
        high: ratio * reach.exp(),
    })
}

/// The p-values by which the false discovery rate is controlled at a level when those at or below it are taken: Benjamini
/// & Hochberg 1995, "Controlling the false discovery rate", for tests that are independent or positively dependent. Each
/// is at least the p-value that it is of; a p-value that is NaN stays so and does not count.
#[must_use]
pub fn false_discovery_adjusted(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len())
        .filter(|i| !p_values[*i].is_nan())
        .collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let mut least = 1.0_f64;
    let tests = order.len() as f64;
    for (below, position) in order.into_iter().enumerate().rev() {
        least = least.min(p_values[position] * tests / (below + 1) as f64);
        adjusted[position] = least;
    }
    adjusted
}
