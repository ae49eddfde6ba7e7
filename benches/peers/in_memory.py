"""Fit and scoring in memory, cvm's models beside lifetimes: the table, and the limits that it is held to."""

from statistics import median

# What cvm must be for the run to pass. Times are held to a limit only where they are long enough to be told.
LIKELIHOOD_WORSE_AT_MOST = 1e-6
MEANS_DIFFER_AT_MOST = 0.01
CUSTOMERS_AT_LEAST = 1_000_000
FIT_TIMES_AS_FAST = 40
SHARE_OF_TIME = 0.1
MODELS = {"bg_nbd": "BG/NBD", "gamma_gamma": "Gamma-Gamma"}


def parameters(row: dict) -> dict[str, dict[str, float]]:
    """The parameters of both models of one answer of fit_and_score."""
    return {model: row[model]["parameters"] for model in MODELS}


def same_answers(ours: dict, theirs: dict) -> bool:
    """Prints and compares what both made of the same customers: likelihoods, and the means of what is foretold."""
    fine = True
    for model, name in MODELS.items():
        own, other = (theirs[key][model] for key in ("log_likelihood_of_in_memory", "log_likelihood"))
        better = (own - other) / abs(other)
        fine &= ours[model]["converged"] and better >= -LIKELIHOOD_WORSE_AT_MOST
        print(f"{name:<12} log-likelihood by lifetimes' own function, days: cvm {own:,.3f}, lifetimes {other:,.3f}, relative difference {better:+.2e}")
    for figure in ("probability_alive", "expected_purchases", "expected_spend", "customer_lifetime_value"):
        own, other = ours["means"][figure], theirs["means"][figure]
        difference = own / other - 1
        # lifetimes' year is twelve times thirty days, each discounted as a whole: cvm's value is a little higher.
        fine &= figure == "customer_lifetime_value" or abs(difference) <= MEANS_DIFFER_AT_MOST
        print(f"mean {figure:<24} cvm {own:,.4f}, lifetimes {other:,.4f}, difference {difference:+.3%}")
    if ours["customers_lacking_a_limit"] > 0:
        print(f"{ours['customers_lacking_a_limit']:,} customers lack a figure or a limit")
        fine = False
    return fine


def fits(rows: list[dict], which: tuple[str, ...]) -> list[float]:
    return [sum(row[model]["fit_seconds"] for model in which) for row in rows]


def compare(customers: int, threads: int, ours: list[dict], alone: list[dict], theirs: list[dict]) -> bool:
    """A list has one answer a round: of fit_and_score with all threads and with one, and of lifetimes_scores.py."""
    print("\nin memory, days:")
    if not same_answers(ours[-1], theirs[-1]):
        print("the fits or the predictions differ: no times")
        return False
    both = tuple(MODELS)
    steps = {
        "BG/NBD fit": lambda rows: fits(rows, ("bg_nbd",)),
        "Gamma-Gamma fit": lambda rows: fits(rows, ("gamma_gamma",)),
        "scoring and CLV, cvm with intervals": lambda rows: [row["score_seconds"] for row in rows],
        "total": lambda rows: [fit + row["score_seconds"] for fit, row in zip(fits(rows, both), rows)],
    }
    ratios = {}
    print(f"\n{'fit and scoring in memory, seconds':<40} {'cvm':>9} {'1 thread':>9} {'lifetimes':>9} {'lifetimes ÷ cvm':>16}   all rounds of cvm; lifetimes")
    for name, seconds in steps.items():
        own, one, other = (median(seconds(rows)) for rows in (ours, alone, theirs))
        ratios[name] = other / own
        rounds = "; ".join("  ".join(f"{s:.3f}" for s in seconds(rows)) for rows in (ours, theirs))
        print(f"{name:<40} {own:>9.3f} {one:>9.3f} {other:>9.3f} {ratios[name]:>16.1f}   {rounds}")
    own, one, other = (median(row["peak_mib"] for row in rows) for rows in (ours, alone, theirs))
    print(f"{'peak memory of the process, MiB':<40} {own:>9.0f} {one:>9.0f} {other:>9.0f} {other / own:>16.1f}")
    print(f"cvm with {threads} threads; lifetimes has no threads of its own")
    return within_limits(customers, ratios)


def within_limits(customers: int, ratios: dict[str, float]) -> bool:
    if customers < CUSTOMERS_AT_LEAST:
        print(f"times are held to no limit below {CUSTOMERS_AT_LEAST:,} customers")
        return True
    fine = True
    if ratios["BG/NBD fit"] < FIT_TIMES_AS_FAST:
        print(f"FAILED: the BG/NBD fit is less than {FIT_TIMES_AS_FAST} times as fast")
        fine = False
    if ratios["total"] < 1 / SHARE_OF_TIME:
        print(f"FAILED: fit and scoring take more than {SHARE_OF_TIME:.0%} of lifetimes' time")
        fine = False
    return fine
