"""CDNOW by pandas and lifetimes 0.11.3, which share nothing with our code but the raw files."""

import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lifetimes import BetaGeoBetaBinomFitter, BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

CALIBRATION_END = pd.Timestamp("1997-09-30")
HORIZON = 39
# Relative: how much worse our likelihood may be, and how far a prediction may be off.
TOLERANCE = 1e-6
FITTERS = {
    "bg_nbd": (BetaGeoFitter, ("r", "alpha", "a", "b")),
    "mbg_nbd": (ModifiedBetaGeoFitter, ("r", "alpha", "a", "b")),
    "pareto_nbd": (ParetoNBDFitter, ("r", "alpha", "s", "beta")),
    "gamma_gamma": (GammaGammaFitter, ("p", "q", "v")),
    "bg_bb": (BetaGeoBetaBinomFitter, ("alpha", "beta", "gamma", "delta")),
}


def customers(file: Path) -> pd.DataFrame:
    """A row a customer, by id: frequency, recency and age in days, mean spend of the repeat purchases (0 without one)."""
    # The sample has the id of the master file before its own; only the master file has a header.
    rows = pd.read_csv(file, sep=r"\s+", header=None, dtype=str).iloc[:, -4:]
    rows.columns = ["id", "date", "cds", "spend"]
    rows = rows[rows["id"] != "customer_id"]
    rows = rows.assign(date=pd.to_datetime(rows["date"]), spend=rows["spend"].astype(float))
    days = rows[rows["date"] <= CALIBRATION_END].groupby(["id", "date"])["spend"].sum().reset_index("date")
    first = days.groupby("id")["date"].min()
    repeats = days[days["date"] > first.reindex(days.index)].groupby("id")
    table = pd.DataFrame(index=first.index)
    table["frequency"] = repeats.size().reindex(table.index, fill_value=0)
    table["recency_days"] = (repeats["date"].max() - first).dt.days.fillna(0).astype(int)
    table["age_days"] = (CALIBRATION_END - first).dt.days
    table["spend"] = repeats["spend"].mean().reindex(table.index, fill_value=0.0)
    return table


def histories(table: pd.DataFrame) -> pd.DataFrame:
    """Distinct histories in their order, with the numbers of customers."""
    return table.groupby(["frequency", "recency_days", "age_days"]).size().reset_index(name="customers")


def columns(distinct: pd.DataFrame) -> list[np.ndarray]:
    """x, t_x and T in weeks, and the numbers of customers."""
    return [distinct["frequency"].to_numpy(), distinct["recency_days"].to_numpy() / 7, distinct["age_days"].to_numpy() / 7, distinct["customers"].to_numpy()]


def log_likelihood(model: str, parameters: list[float] | None, table: list[np.ndarray]) -> float | None:
    """Of all customers, by lifetimes' formula. What its own fits report are means, and of times in another unit."""
    if parameters is None:
        return None
    fitter, _ = FITTERS[model]
    if model == "pareto_nbd":
        return float((table[-1] * fitter._conditional_log_likelihood(parameters, *table[:-1])).sum())
    return float(-fitter._negative_log_likelihood(np.log(parameters), *table, 0.0) * table[-1].sum())


def largest_difference(theirs: np.ndarray, ours: list | None) -> float | None:
    """Relative to lifetimes; None where one of them has no number somewhere."""
    if ours is None or len(ours) != len(theirs) or None in ours or not np.isfinite(theirs).all():
        return None
    return float(np.max(np.abs(np.array(ours) - theirs) / np.abs(theirs)))


class Peer:
    """lifetimes on the real data. Its figures are the reference of ours."""

    def __init__(self, data: Path):
        self.data = data / "cdnow"
        warnings.filterwarnings("ignore")
        # Its search for Pareto/NBD begins at random.
        np.random.seed(1)

    def log_likelihoods(self, model: str, published: dict[str, str], figures) -> tuple[float | None, float | None]:
        """On what the published parameters were fitted to: at these, and at ours."""
        if model == "bg_bb":
            donors = pd.read_csv(self.data / "donations.csv")
            table = [donors[name].to_numpy() for name in ("frequency", "recency", "periods", "weights")]
        else:
            table = columns(histories(customers(self.data / "CDNOW_sample.txt")))
        theirs = [float(value) for value in published.values()]
        return log_likelihood(model, theirs, table), log_likelihood(model, ours(figures, model, model), table)

    def busy_and_new(self, model: str, parameters: dict[str, str]) -> tuple[float, float, float]:
        """Purchases in 52 weeks and P(alive) of who made 26 repeat purchases in 31 weeks, the last at day 216; a new customer's purchases."""
        fitter = FITTERS[model][0]()
        fitter.params_ = pd.Series({name: float(value) for name, value in parameters.items()})
        history = [np.array([value]) for value in (26, 216 / 7, 31.0)]
        expected = fitter.conditional_expected_number_of_purchases_up_to_time(52, *history)
        alive = fitter.conditional_probability_alive(*history)
        return float(expected[0]), float(alive[0]), float(fitter.expected_number_of_purchases_up_to_time(52))

    def side_by_side(self, figures):
        figures.section("Side by side: all 23,570 customers of CDNOW, lifetimes 0.11.3 as the reference. Predictions are at our parameters")
        master = customers(self.data / "CDNOW_master.txt")
        distinct = histories(master)
        for name in distinct:
            column = figures.of(f"master.{name}")
            same_length = column is not None and len(column) == len(distinct)
            differing = int((distinct[name] != column).sum()) if same_length else None
            figures.at_most(f"{len(distinct):,} distinct histories, {name}: other than pandas'", differing, 0)
        table = columns(distinct)
        for title, model in (("BG/NBD", "bg_nbd"), ("MBG/NBD", "mbg_nbd"), ("Pareto/NBD", "pareto_nbd")):
            fitter = fitted(figures, title, model, table)
            expected = fitter.conditional_expected_number_of_purchases_up_to_time(HORIZON, *table[:-1])
            alive = fitter.conditional_probability_alive(*table[:-1])
            for what, theirs, name in ((f"purchases in {HORIZON} weeks", expected, "expected"), ("P(alive)", alive, "alive")):
                difference = largest_difference(theirs, figures.of(f"master.{model}.{name}"))
                figures.at_most(f"… {what}: largest relative difference", difference, TOLERANCE)
        spenders = master[master["spend"] > 0]
        table = [spenders["frequency"].to_numpy(), spenders["spend"].to_numpy(), np.ones(len(spenders))]
        fitter = fitted(figures, "Gamma-Gamma", "gamma_gamma", table)
        difference = largest_difference(fitter.conditional_expected_average_profit(*table[:-1]), figures.of("master.gamma_gamma.spend"))
        figures.at_most("… spend a purchase: largest relative difference", difference, TOLERANCE)
        print(f"    none is left out: lifetimes loses no digits up to x {distinct['frequency'].max()}, which is all there is here")


def ours(figures, key: str, model: str) -> list[float] | None:
    parameters = [figures.of(f"{key}.{name}") for name in FITTERS[model][1]]
    return None if None in parameters else parameters


def fitted(figures, title: str, model: str, table: list[np.ndarray]):
    """Shows lifetimes' fit beside ours. Gives lifetimes' model with our parameters, where there are any."""
    fitter, names = FITTERS[model]
    began = time.monotonic()
    fit = fitter().fit(*table[:-1], weights=table[-1])
    print(f"{title}: lifetimes took {time.monotonic() - began:.1f} s")
    theirs, parameters = [fit.params_[name] for name in names], ours(figures, f"master.{model}", model)
    for index, name in enumerate(names):
        figures.shown(f"… {name}", theirs[index], parameters and parameters[index])
    reached, our = log_likelihood(model, theirs, table), figures.of(f"master.{model}.log_likelihood")
    figures.no_worse("… log-likelihood", reached, our, TOLERANCE * abs(reached))
    figures.near("… log-likelihood at our parameters, by lifetimes' formula", log_likelihood(model, parameters, table), our, 1e-9)
    if parameters:
        fit.params_ = pd.Series(parameters, index=names)
    return fit
