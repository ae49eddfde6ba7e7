//! `proportion_p_value`, `risk_ratio_…`: whether two groups differ in a share, and by what ratio.

use std::sync::Arc;

use cvm_models::experiment::{Proportion, RiskRatio, difference_test, risk_ratio};
use cvm_models::uncertainty::Level;
use datafusion::logical_expr::ScalarUDF;

use super::{Argument, Definition, Example, MOST_COUNTED, ValueDefect, count, function};

const GROUPS: [Argument; 4] = [
    (
        "successes",
        "Customers of the first group who have it: a whole number.",
    ),
    ("customers", "Customers of the first group: a whole number."),
    (
        "other_successes",
        "Customers of the second group who have it: a whole number.",
    ),
    (
        "other_customers",
        "Customers of the second group: a whole number.",
    ),
];
const LEVEL: Argument = (
    "level",
    "How often the limits are to hold the true ratio, between 0 and 1: 0.95 for 95 %.",
);
const GROUPS_AND_LEVEL: [Argument; 5] = [GROUPS[0], GROUPS[1], GROUPS[2], GROUPS[3], LEVEL];

/// Every question asked of two shares, ready to register.
pub(in crate::engine::functions) fn of_proportions() -> [Arc<ScalarUDF>; 3] {
    let p_value = Definition {
        name: "proportion_p_value".to_owned(),
        description: "The two-sided p-value of the difference between two shares: Fisher's exact test where a cell of the \
                      fourfold table expects fewer than 5, Pearson's chi-squared test without a correction elsewhere. 1 \
                      where all or none of both groups have it; null where a group has fewer than 2 customers."
            .to_owned(),
        parameters: &[],
        arguments: &GROUPS,
        model: |_| Ok(()),
        value: |(), given| {
            let groups = groups(given)?;
            Ok(groups.map(|(a, b)| difference_test(&a, &b).p_value))
        },
        example: Example {
            arguments: "3, 20, 1, 300".to_owned(),
            column: "p_value",
            value: "0.0008",
        },
    };
    let low = limit("low", "lower", "1.6151", |(), given| {
        Ok(ratio(given)?.map(|r| r.low))
    });
    let high = limit("high", "upper", "3.5663", |(), given| {
        Ok(ratio(given)?.map(|r| r.high))
    });
    [function(p_value), function(low), function(high)]
}

fn limit(
    end: &'static str,
    side: &str,
    answer: &'static str,
    value: fn(&(), &[f64]) -> Result<Option<f64>, ValueDefect>,
) -> Definition<()> {
    Definition {
        name: format!("risk_ratio_{end}"),
        description: format!(
            "The {side} limit of the ratio of two shares, symmetric in its logarithm. Null where nobody of a group has \
             it, or a group has fewer than 2 customers. Paper: Katz, Baptista, Azen & Pike 1978, \"Obtaining confidence \
             intervals for the risk ratio in cohort studies\", Biometrics 34."
        ),
        parameters: &[],
        arguments: &GROUPS_AND_LEVEL,
        model: |_| Ok(()),
        value,
        example: Example {
            arguments: "30, 100, 50, 400, 0.95".to_owned(),
            column: "ratio_limit",
            value: answer,
        },
    }
}

fn ratio(given: &[f64]) -> Result<Option<RiskRatio>, ValueDefect> {
    let level = Level::new(given[4]).map_err(|_| ValueDefect::NoShare {
        argument: LEVEL.0,
        value: given[4],
    })?;
    Ok(groups(given)?.and_then(|(a, b)| risk_ratio(&a, &b, &level)))
}

/// The two groups; none where one is too small to have a share.
fn groups(given: &[f64]) -> Result<Option<(Proportion, Proportion)>, ValueDefect> {
    let mut counts = [0; 4];
    for (place, (name, _)) in GROUPS.iter().enumerate() {
        counts[place] = count(name, given[place], MOST_COUNTED)?;
    }
    let [successes, customers, other_successes, other_customers] = counts;
    for (successes, customers) in [(successes, customers), (other_successes, other_customers)] {
        if successes > customers {
            return Err(ValueDefect::TooManySuccesses {
                successes,
                customers,
            });
        }
    }
    let first = Proportion::new(successes, customers).ok();
    Ok(first.zip(Proportion::new(other_successes, other_customers).ok()))
}
