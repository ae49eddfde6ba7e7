//! What the scorer reads and makes.

use super::super::{InputColumn, OutputColumn};
use crate::spec::SqlType;

const fn input(name: &'static str, sql_type: SqlType) -> InputColumn {
    InputColumn { name, sql_type }
}

const fn output(name: &'static str, sql_type: SqlType, description: &'static str) -> OutputColumn {
    OutputColumn {
        name,
        sql_type,
        description,
    }
}

/// Of what is scored, one row a customer.
pub(super) const INPUT: &[InputColumn] = &[
    input("customer_id", SqlType::Varchar),
    input("frequency", SqlType::Bigint),
    input("recency_age", SqlType::Bigint),
    input("customer_age", SqlType::Bigint),
    input("monetary_value", SqlType::Double),
];

/// Of the customers before the holdout.
pub(super) const CALIBRATED: &[InputColumn] = &[
    input("frequency", SqlType::Bigint),
    input("recency_age", SqlType::Bigint),
    input("customer_age", SqlType::Bigint),
    input("holdout_purchases", SqlType::Bigint),
];

/// Of the weeks with repeat purchases.
pub(super) const WEEKS: &[InputColumn] = &[
    input("week_start_date", SqlType::Date),
    input("repeat_purchases", SqlType::Bigint),
];

pub(super) const OUTPUT: &[OutputColumn] = &[
    output("customer_id", SqlType::Varchar, "The customer."),
    output(
        "frequency",
        SqlType::Bigint,
        "Days with a purchase after the first.",
    ),
    output(
        "recency_age",
        SqlType::Bigint,
        "Days from the first to the last purchase.",
    ),
    output(
        "customer_age",
        SqlType::Bigint,
        "Days from the first purchase to the last observed day.",
    ),
    output(
        "probability_alive",
        SqlType::Double,
        "Probability that the customer is still one, 0 to 1.",
    ),
    output(
        "probability_alive_low",
        SqlType::Double,
        "Lower limit of its 90 % confidence interval (delta method).",
    ),
    output("probability_alive_high", SqlType::Double, "Upper limit."),
    output(
        "expected_purchases",
        SqlType::Double,
        "Expected purchase days within the horizon.",
    ),
    output(
        "expected_purchases_low",
        SqlType::Double,
        "Lower limit of the 90 % confidence interval of that expectation (delta method).",
    ),
    output("expected_purchases_high", SqlType::Double, "Upper limit."),
    output(
        "purchases_low",
        SqlType::Bigint,
        "Lower limit of the 90 % predictive interval of the number of purchase days itself.",
    ),
    output("purchases_high", SqlType::Bigint, "Upper limit."),
    output(
        "expected_spend",
        SqlType::Double,
        "Expected value of a purchase day.",
    ),
    output(
        "expected_spend_low",
        SqlType::Double,
        "Lower limit of its 90 % confidence interval (delta method).",
    ),
    output("expected_spend_high", SqlType::Double, "Upper limit."),
    output(
        "customer_lifetime_value",
        SqlType::Double,
        "Expected value within the horizon, discounted.",
    ),
    output(
        "customer_lifetime_value_low",
        SqlType::Double,
        "Lower limit of its 90 % confidence interval (delta method).",
    ),
    output(
        "customer_lifetime_value_high",
        SqlType::Double,
        "Upper limit.",
    ),
    output(
        "model",
        SqlType::Varchar,
        "The model of purchases that was chosen; null where there is none.",
    ),
    output(
        "spend_model",
        SqlType::Varchar,
        "What the expected spend comes from: gamma_gamma, or observed_mean where that cannot be trusted.",
    ),
    output(
        "reason",
        SqlType::Varchar,
        "Why a figure is missing, or comes from a fallback; null where neither.",
    ),
];
