"""Fit and scoring in lifetimes: BG/NBD and Gamma-Gamma, then every prediction that cvm makes.

usage: lifetimes_scores.py SUMMARIES OUT HORIZON_DAYS ANNUAL_DISCOUNT_RATE OTHER

SUMMARIES is a Parquet file with customer_id, frequency, recency_age, customer_age (days) and monetary_value. OTHER is JSON with
another fit, {"bg_nbd": {"r": …}, "gamma_gamma": {"p": …}} in days, whose log-likelihood is computed by lifetimes too. Prints one line
of JSON: seconds of fitting and of scoring without reading and writing, and parameters and log-likelihoods in days.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter

DAYS_A_MONTH = 365 / 12
BG_NBD, GAMMA_GAMMA = ("r", "alpha", "a", "b"), ("p", "q", "v")


def main():
    summaries, out, horizon, rate, other = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), json.loads(sys.argv[5])
    table = pd.read_parquet(summaries)
    frequency, recency, age = (table[name].astype("float64") for name in ("frequency", "recency_age", "customer_age"))
    value = table["monetary_value"].fillna(0.0)
    spends = (frequency > 0) & (value > 0)

    began = time.monotonic()
    purchases = BetaGeoFitter().fit(frequency, recency, age)
    spend = GammaGammaFitter().fit(frequency[spends], value[spends])
    fit = time.monotonic() - began

    began = time.monotonic()
    table["probability_alive"] = purchases.conditional_probability_alive(frequency, recency, age)
    table["expected_purchases"] = purchases.conditional_expected_number_of_purchases_up_to_time(horizon, frequency, recency, age)
    table["expected_spend"] = spend.conditional_expected_average_profit(frequency, value)
    # Discounted by months, as lifetimes does it; cvm discounts each day.
    table["customer_lifetime_value"] = spend.customer_lifetime_value(
        purchases, frequency, recency, age, value, time=round(horizon / DAYS_A_MONTH), discount_rate=(1 + rate) ** (1 / 12) - 1, freq="D",
    )
    score = time.monotonic() - began
    table.to_parquet(out)

    def log_likelihoods(bg_nbd, gamma_gamma) -> dict[str, float]:
        ones = np.ones(len(table))
        of_purchases = purchases._negative_log_likelihood(np.log([bg_nbd[name] for name in BG_NBD]), frequency, recency, age, ones, 0.0)
        of_spend = spend._negative_log_likelihood(
            np.log([gamma_gamma[name] for name in GAMMA_GAMMA]), frequency[spends], value[spends], ones[spends], 0.0,
        )
        return {"bg_nbd": float(-of_purchases * len(table)), "gamma_gamma": float(-of_spend * spends.sum())}

    own = {"bg_nbd": dict(purchases.params_), "gamma_gamma": dict(spend.params_)}
    print(json.dumps({
        "fit_seconds": fit,
        "score_seconds": score,
        "parameters": {model: {name: float(value) for name, value in fitted.items()} for model, fitted in own.items()},
        "log_likelihood": log_likelihoods(own["bg_nbd"], own["gamma_gamma"]),
        "log_likelihood_of_other": log_likelihoods(other["bg_nbd"], other["gamma_gamma"]),
    }))


if __name__ == "__main__":
    main()
