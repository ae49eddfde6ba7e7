//! What the scorer reads and makes.

use super::super::{InputColumn, OutputColumn};
use crate::spec::SqlType;

/// Of what is scored, one row a customer.
pub(super) const INPUT: &[InputColumn] = &[
    InputColumn::new("customer_id", SqlType::Varchar),
    InputColumn::new("frequency", SqlType::Bigint),
    InputColumn::new("recency_age", SqlType::Bigint),
    InputColumn::new("customer_age", SqlType::Bigint),
    InputColumn::new("monetary_value", SqlType::Double),
];

/// Of the customers before the holdout.
pub(super) const CALIBRATED: &[InputColumn] = &[
    InputColumn::new("frequency", SqlType::Bigint),
    InputColumn::new("recency_age", SqlType::Bigint),
    InputColumn::new("customer_age", SqlType::Bigint),
    InputColumn::new("holdout_purchases", SqlType::Bigint),
];

/// Of the weeks with repeat purchases.
pub(super) const WEEKS: &[InputColumn] = &[
    InputColumn::new("week_start_date", SqlType::Date),
    InputColumn::new("repeat_purchases", SqlType::Bigint),
];

pub(super) const OUTPUT: &[OutputColumn] = &[
    OutputColumn::new("customer_id", SqlType::Varchar, "The customer."),
    OutputColumn::new(
        "frequency",
        SqlType::Bigint,
        "Days with a purchase after the first.",
    ),
    OutputColumn::new(
        "recency_age",
        SqlType::Bigint,
        "Days from the first to the last purchase.",
    ),
    OutputColumn::new(
        "customer_age",
        SqlType::Bigint,
        "Days from the first purchase to the last observed day.",
    ),
    OutputColumn::new(
        "probability_alive",
        SqlType::Double,
        "Probability that the customer is still one, 0 to 1.",
    ),
    OutputColumn::new(
        "probability_alive_low",
        SqlType::Double,
        "Lower limit of its 90 % confidence interval (delta method).",
    ),
    OutputColumn::new("probability_alive_high", SqlType::Double, "Upper limit."),
    OutputColumn::new(
        "expected_purchases",
        SqlType::Double,
        "Expected purchase days within the horizon.",
    ),
    OutputColumn::new(
        "expected_purchases_low",
        SqlType::Double,
        "Lower limit of the 90 % confidence interval of that expectation (delta method).",
    ),
    OutputColumn::new("expected_purchases_high", SqlType::Double, "Upper limit."),
    OutputColumn::new(
        "purchases_low",
        SqlType::Bigint,
        "Lower limit of the 90 % predictive interval of the number of purchase days itself.",
    ),
    OutputColumn::new("purchases_high", SqlType::Bigint, "Upper limit."),
    OutputColumn::new(
        "expected_spend",
        SqlType::Double,
        "Expected value of a purchase day.",
    ),
    OutputColumn::new(
        "expected_spend_low",
        SqlType::Double,
        "Lower limit of its 90 % confidence interval (delta method).",
    ),
    OutputColumn::new("expected_spend_high", SqlType::Double, "Upper limit."),
    OutputColumn::new(
        "customer_lifetime_value",
        SqlType::Double,
        "Expected value within the horizon, discounted.",
    ),
    OutputColumn::new(
        "customer_lifetime_value_low",
        SqlType::Double,
        "Lower limit of its 90 % confidence interval (delta method).",
    ),
    OutputColumn::new(
        "customer_lifetime_value_high",
        SqlType::Double,
        "Upper limit.",
    ),
    OutputColumn::new(
        "model",
        SqlType::Varchar,
        "The model of purchases that was chosen; null where there is none.",
    ),
    OutputColumn::new(
        "spend_model",
        SqlType::Varchar,
        "What the expected spend comes from: gamma_gamma, or observed_mean where that cannot be trusted.",
    ),
    OutputColumn::new(
        "reason",
        SqlType::Varchar,
        "Why a figure is missing, or comes from a fallback; null where neither.",
    ),
];
