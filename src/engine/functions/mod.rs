//! SQL functions that DataFusion does not have, or does not have for millions of groups.
//!
//! One file a function: what it does, its SQL documentation, its implementation. To add one, write the file and
//! name it in [`scalar`] or [`aggregate`]; a test over the lists runs every documented example. The formulas of the
//! models are alike and many, so that they are tables instead, in `models`.
//!
//! Guarantees of all of them:
//!
//! - The result does not depend on the order of the rows, the partitioning, or the number of threads. Sums of
//!   doubles would, so there are none.
//! - The aggregates hold their groups side by side ([`GroupsAccumulator`]), report what they hold, and pass
//!   partial states that any version of the same release can merge.
//!
//! [`GroupsAccumulator`]: datafusion::logical_expr::GroupsAccumulator

mod count_distinct_days;
mod day_sets;
mod error;
mod first_by;
mod groups;
mod local_date;
mod models;
mod sum_on_first_day;
mod texts;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, Documentation, ScalarUDF};

pub use count_distinct_days::CountDistinctDays;
pub use error::{FunctionError, ValueDefect};
pub use first_by::FirstBy;
pub use local_date::LocalDate;
use models::{
    BG_NBD, GGOMPERTZ_NBD, MBG_NBD, PARETO_NBD, of_proportions, of_purchases, of_retention,
    of_spend,
};
pub use sum_on_first_day::SumOnFirstDay;

/// Every scalar function, to be registered in a session.
#[must_use]
pub fn scalar() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![Arc::new(ScalarUDF::new_from_impl(LocalDate::new()))];
    functions.extend(of_purchases(&BG_NBD));
    functions.extend(of_purchases(&MBG_NBD));
    functions.extend(of_purchases(&PARETO_NBD));
    functions.extend(of_purchases(&GGOMPERTZ_NBD));
    functions.extend(of_spend());
    functions.extend(of_retention());
    functions.extend(of_proportions());
    functions
}

/// Every aggregate function, to be registered in a session.
#[must_use]
pub fn aggregate() -> Vec<Arc<AggregateUDF>> {
    vec![
        Arc::new(AggregateUDF::new_from_impl(CountDistinctDays::new())),
        Arc::new(AggregateUDF::new_from_impl(SumOnFirstDay::new())),
        Arc::new(AggregateUDF::new_from_impl(FirstBy::new())),
    ]
}

/// What each function says of itself, by name, in the order of the lists.
#[must_use]
pub fn documented() -> Vec<(String, Option<Documentation>)> {
    let scalar = scalar().into_iter();
    let scalar = scalar.map(|f| (f.name().to_owned(), f.documentation().cloned()));
    let aggregate = aggregate().into_iter();
    let aggregate = aggregate.map(|f| (f.name().to_owned(), f.documentation().cloned()));
    scalar.chain(aggregate).collect()
}

#[cfg(test)]
mod tests;
