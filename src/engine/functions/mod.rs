//! SQL functions that DataFusion does not have, or does not have for millions of groups.
//!
//! One file a function: what it does, its SQL documentation, its implementation. To add one, write the file and
//! name it in [`scalar`] or [`aggregate`]; a test over the lists runs every documented example.
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
mod sum_on_first_day;
mod texts;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub use count_distinct_days::CountDistinctDays;
pub use error::FunctionError;
pub use first_by::FirstBy;
pub use local_date::LocalDate;
pub use sum_on_first_day::SumOnFirstDay;

/// Every scalar function, to be registered in a session.
#[must_use]
pub fn scalar() -> Vec<Arc<ScalarUDF>> {
    vec![Arc::new(ScalarUDF::new_from_impl(LocalDate::new()))]
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

#[cfg(test)]
mod tests;
