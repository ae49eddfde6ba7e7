"""Fit and scoring in lifetimes: BG/NBD and Gamma-Gamma, then every prediction that cvm makes.

usage: lifetimes_scores.py SUMMARIES OUT HORIZON_DAYS ANNUAL_DISCOUNT_RATE

SUMMARIES is a Parquet file with customer_id, frequency, recency_age, customer_age (days) and monetary_value. Prints one line of
JSON: seconds of fitting and of scoring without reading and writing, parameters and log-likelihoods in days.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter

DAYS_A_MONTH = 365 / 12


def main():
    summaries, out, horizon, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    table = pd.read_parquet(summaries)
    frequency, recency, age = (table[name].astype("float64") for name in ("frequency", "recency_age", "customer_age"))
    repeat = table["frequency"] > 0

    began = time.monotonic()
    purchases = BetaGeoFitter().fit(frequency, recency, age)
    spend = GammaGammaFitter().fit(frequency[repeat], table["monetary_value"][repeat])
    fit = time.monotonic() - began

    began = time.monotonic()
    table["probability_alive"] = purchases.conditional_probability_alive(frequency, recency, age)
    table["expected_purchases"] = purchases.conditional_expected_number_of_purchases_up_to_time(horizon, frequency, recency, age)
    value = table["monetary_value"].fillna(0.0)
    table["expected_spend"] = spend.conditional_expected_average_profit(frequency, value)
    # By months, as lifetimes does it; cvm's own discounting is described with its scorer.
    table["customer_lifetime_value"] = spend.customer_lifetime_value(
        purchases, frequency, recency, age, value, time=round(horizon / DAYS_A_MONTH), discount_rate=(1 + rate) ** (1 / 12) - 1, freq="D",
    )
    score = time.monotonic() - began

    table.to_parquet(out)
    logarithms = np.log([purchases.params_[name] for name in ("r", "alpha", "a", "b")])
    mean = purchases._negative_log_likelihood(logarithms, frequency, recency, age, np.ones(len(table)), 0.0)
    print(json.dumps({
        "fit_seconds": fit,
        "score_seconds": score,
        "bg_nbd": {name: float(purchases.params_[name]) for name in ("r", "alpha", "a", "b")},
        "bg_nbd_log_likelihood": float(-mean * len(table)),
        "gamma_gamma": {name: float(spend.params_[name]) for name in ("p", "q", "v")},
    }))


if __name__ == "__main__":
    main()
