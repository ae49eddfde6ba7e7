"""Fit and scoring in lifetimes: BG/NBD and Gamma-Gamma, then every prediction that cvm makes.

usage: lifetimes_scores.py SUMMARIES OUT HORIZON_DAYS ANNUAL_DISCOUNT_RATE OTHERS

SUMMARIES is a Parquet file with customer_id, frequency, recency_age, customer_age (days) and monetary_value. OTHERS is JSON with
other fits by name, {"…": {"bg_nbd": {"r": …}, "gamma_gamma": {"p": …}}} in days, whose log-likelihoods are computed by lifetimes too.
Prints one line of JSON: seconds of each fit and of scoring without reading and writing, parameters and log-likelihoods in days,
means of what was foretold, and the peak memory of the process until then.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter

DAYS_A_MONTH = 365 / 12
BG_NBD, GAMMA_GAMMA = ("r", "alpha", "a", "b"), ("p", "q", "v")


def timed(work) -> tuple[object, float]:
    began = time.monotonic()
    made = work()
    return made, time.monotonic() - began


def peak_mib() -> float:
    """Not that of getrusage, in which Linux counts the process that started this one too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def main():
    summaries, out, horizon, rate, others = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), json.loads(sys.argv[5])
    table = pd.read_parquet(summaries)
    frequency, recency, age = (table[name].astype("float64") for name in ("frequency", "recency_age", "customer_age"))
    value = table["monetary_value"].fillna(0.0)
    spends = (frequency > 0) & (value > 0)

    purchases, purchase_seconds = timed(lambda: BetaGeoFitter().fit(frequency, recency, age))
    spend, spend_seconds = timed(lambda: GammaGammaFitter().fit(frequency[spends], value[spends]))

    began = time.monotonic()
    table["probability_alive"] = purchases.conditional_probability_alive(frequency, recency, age)
    table["expected_purchases"] = purchases.conditional_expected_number_of_purchases_up_to_time(horizon, frequency, recency, age)
    table["expected_spend"] = spend.conditional_expected_average_profit(frequency, value)
    # Discounted by months, as lifetimes does it; cvm discounts each day.
    table["customer_lifetime_value"] = spend.customer_lifetime_value(
        purchases, frequency, recency, age, value, time=round(horizon / DAYS_A_MONTH), discount_rate=(1 + rate) ** (1 / 12) - 1, freq="D",
    )
    score = time.monotonic() - began
    peak = peak_mib()
    table.to_parquet(out)

    def log_likelihoods(bg_nbd, gamma_gamma) -> dict[str, float]:
        ones = np.ones(len(table))
        of_purchases = purchases._negative_log_likelihood(np.log([bg_nbd[name] for name in BG_NBD]), frequency, recency, age, ones, 0.0)
        of_spend = spend._negative_log_likelihood(
            np.log([gamma_gamma[name] for name in GAMMA_GAMMA]), frequency[spends], value[spends], ones[spends], 0.0,
        )
        return {"bg_nbd": float(-of_purchases * len(table)), "gamma_gamma": float(-of_spend * spends.sum())}

    own = {"bg_nbd": dict(purchases.params_), "gamma_gamma": dict(spend.params_)}
    seconds = {"bg_nbd": purchase_seconds, "gamma_gamma": spend_seconds}
    foretold = ("probability_alive", "expected_purchases", "expected_spend", "customer_lifetime_value")
    print(json.dumps({
        **{
            model: {"fit_seconds": seconds[model], "parameters": {name: float(value) for name, value in fitted.items()}}
            for model, fitted in own.items()
        },
        "score_seconds": score,
        "means": {name: float(table[name].mean()) for name in foretold},
        "peak_mib": peak,
        "log_likelihood": log_likelihoods(**own),
        **{f"log_likelihood_of_{name}": log_likelihoods(**fits) for name, fits in others.items()},
    }))


if __name__ == "__main__":
    main()
