"""Published clusters and the ideal customer's profile against scikit-learn, scipy and statsmodels.

usage: clusters.py WORK

WORK holds the targets that ci/clusters made.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from published import Published, differences
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.multitest import multipletests

# As sql/scores/customer_clusters.yml declares them.
FEATURES = ["days_since_last_order", "orders", "average_order_value", "discount_share", "return_share", "variety"]
LOGS = ["days_since_last_order", "orders", "average_order_value"]
# Defaults of the scorer and of the profile.
SILHOUETTE_CUSTOMERS, MAX_DEVIATIONS = 5000, 4
VALUES_MAX, MINIMUM, RATE, IDEAL_SHARE = 20, 30, 0.05, 0.2


class Figures:
    """Prints each figure as it is checked and remembers what missed."""

    def __init__(self):
        self.missed = 0

    def section(self, title: str):
        print(f"\n{title}\n{'figure':<52} {'reference':>18} {'ours':>18} {'difference':>12}")

    def check(self, name: str, reference, ours, tolerance=0.0):
        """To within `tolerance`, relative where the reference is above 1."""
        difference = float(ours) - float(reference)
        held = abs(difference) <= tolerance * max(1.0, abs(float(reference)))
        self.missed += not held
        print(f"{name:<52} {reference:>18.12g} {ours:>18.12g} {difference:>12.3g} {'pass' if held else 'MISS'}")


def clusters(figures: Figures, title: str, target: Path):
    figures.section(f"{title}: k-means beside scikit-learn")
    described = pd.read_parquet(target / "int_customers_described.parquet").set_index("customer_id")
    found = pd.read_parquet(target / "cluster_members.parquet").set_index("customer_id")
    fits = pd.read_parquet(target / "model_fits.parquet")
    fits = fits[fits.score == "customer_clusters"]
    left_out = fits[fits.estimate.isna()].parameter
    for reason in fits.reason.dropna():
        print(f"    {reason}")
    estimates = fits.dropna(subset=["estimate"]).set_index("parameter").estimate
    features = [name for name in FEATURES if f"mean.{name}" in estimates.index]
    assert not set(features) & set(left_out)
    values = described[features].astype(float).copy()
    for name in set(features) & set(LOGS):
        values[name] = np.sign(values[name]) * np.log1p(values[name].abs())
    known = values.dropna()
    figures.check("customers with a cluster", len(known), found.cluster_name.notna().sum())
    figures.check("customers without, each with a reason", len(values) - len(known), found[found.cluster_name.isna()].reason.notna().sum())
    scaler = StandardScaler().fit(known)
    for name, mean, deviation in zip(features, scaler.mean_, scaler.scale_):
        figures.check(f"mean of {name}", mean, estimates[f"mean.{name}"], 1e-9)
        figures.check("… standard deviation", deviation, estimates[f"deviation.{name}"], 1e-9)
    scaled = scaler.transform(known).clip(-MAX_DEVIATIONS, MAX_DEVIATIONS)
    points = pd.DataFrame(scaled, index=known.index, columns=features)
    names = sorted(found.cluster_name.dropna().unique())
    figures.check("clusters", int(estimates["clusters"]), len(names))
    centres = np.array([[estimates[f"{name}.{feature}"] for feature in features] for name in names])

    best = KMeans(len(names), n_init=50, tol=0, max_iter=1000, random_state=1).fit(points.to_numpy())
    figures.check("inertia, the best of 50 starts of scikit-learn", best.inertia_, estimates["inertia"], 1e-6)
    own = KMeans(len(names), init=centres, n_init=1, tol=0, max_iter=1000).fit(points.to_numpy())
    figures.check("inertia, scikit-learn from our centres", own.inertia_, estimates["inertia"], 1e-6)
    same = (found.cluster_name[points.index] == np.array(names)[own.labels_]).sum()
    figures.check("customers in the same cluster", len(points), same)
    order = matched(best.cluster_centers_, centres)
    same = (found.cluster_name[points.index] == np.array(names)[order[best.labels_]]).sum()
    print(f"    of the best of 50 starts {same:,} of {len(points):,} are in the same cluster")
    distance = np.linalg.norm(points.to_numpy() - own.cluster_centers_[own.labels_], axis=1)
    worst = np.abs(distance - found.distance[points.index].to_numpy()).max()
    figures.check("distance to the centre, the worst difference", 0, worst, 1e-6)
    for name in names:
        figures.check(f"… {name}", (found.cluster_name == name).sum(), int(estimates[f"{name}.customers"]))

    # The same sample of the rows in the same order.
    ordered = known.sort_values(features).index
    n, few = len(ordered), min(len(ordered), SILHOUETTE_CUSTOMERS)
    sample = ordered[[i * n // few for i in range(few)]]
    reference = silhouette_score(points.loc[sample], found.cluster_name[sample])
    figures.check(f"silhouette of {few} customers", reference, estimates["silhouette"], 1e-9)


def matched(theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """For each of their centres the nearest of ours."""
    return np.linalg.norm(theirs[:, None] - ours[None], axis=2).argmin(axis=1)


def profile(figures: Figures, title: str, target: Path):
    figures.section(f"{title}: the ideal customer's profile beside scipy and statsmodels")
    customers = pd.read_parquet(target / "int_customers_profiled.parquet")
    valued = pd.read_parquet(target / "int_customers_valued.parquet").set_index("customer_id")
    ours = pd.read_parquet(target / "ideal_customer_profile.parquet").set_index(["trait", "trait_value"])
    buyers = valued[(valued.orders > 0) & valued.value_to_date.notna()].value_to_date
    above = (-buyers).rank(method="min") - 1
    ideal = (above < IDEAL_SHARE * len(buyers)) & (buyers > 0)
    flags = customers.dropna(subset=["is_ideal"]).set_index("customer_id").is_ideal.astype(bool)
    figures.check("ideal customers", ideal.sum(), flags.sum())
    figures.check("… the same ones", len(buyers), (ideal == flags[ideal.index]).sum())
    theirs = reference_profile(customers[customers.is_ideal.notna()])
    figures.check("traits and values", len(theirs), len(ours))
    figures.check("… the same ones", len(theirs), len(theirs.index.intersection(ours.index)))
    ours = ours.loc[theirs.index]
    for column, tolerance in [
        ("customers", 0), ("ideal_customers", 0), ("share_of_ideal", 1e-12), ("share_of_others", 1e-12), ("lift", 1e-9),
        ("lift_low", 1e-9), ("lift_high", 1e-9), ("p_value", 1e-9), ("adjusted_p_value", 1e-9),
    ]:
        reference, found = theirs[column].astype(float), ours[column].astype(float)
        figures.check(f"{column}: known", reference.notna().sum(), found.notna().sum())
        worst = ((reference - found).abs() / reference.abs().clip(lower=1)).max()
        figures.check("… the worst difference", 0, worst, tolerance)
    figures.check("significant values", (theirs.adjusted_p_value <= RATE).sum(), ours.is_significant.sum())
    for (trait, value), row in ours[ours.is_significant].sort_values("p_value").head(5).iterrows():
        print(f"    {trait}={value}: {row.share_of_ideal:.1%} of the ideal, {row.share_of_others:.1%} of the others, lift {row.lift:.2f}")


def reference_profile(customers: pd.DataFrame) -> pd.DataFrame:
    """The profile once more, from the traits of each customer."""
    rows = []
    ideal = customers.is_ideal.astype(bool)
    for trait in customers.columns.difference(["customer_id", "is_buyer", "is_ideal"]):
        known = customers[trait].dropna()
        if known.empty:
            continue
        counts = known.value_counts()
        frequent = sorted(counts.index, key=lambda value: (-counts[value], value.encode()))[:VALUES_MAX]
        values, of_ideal = known.where(known.isin(frequent), "other"), ideal[known.index]
        for value in values.unique():
            has = values == value
            a, n = (has & of_ideal).sum(), of_ideal.sum()
            b, m = (has & ~of_ideal).sum(), (~of_ideal).sum()
            rows.append({
                "trait": trait, "trait_value": value, "customers": has.sum(), "ideal_customers": a,
                "share_of_ideal": a / n, "share_of_others": b / m, "lift": a / n / (b / m) if b else np.nan,
                **limits(a, n, b, m), "p_value": p_value(a, n, b, m),
            })
    table = pd.DataFrame(rows).set_index(["trait", "trait_value"])
    tested = table.p_value.notna()
    table["adjusted_p_value"] = np.nan
    table.loc[tested, "adjusted_p_value"] = multipletests(table.p_value[tested], method="fdr_bh")[1]
    return table


def limits(a: int, n: int, b: int, m: int) -> dict[str, float]:
    if not a or not b:
        return {"lift_low": np.nan, "lift_high": np.nan}
    interval = stats.contingency.relative_risk(int(a), int(n), int(b), int(m)).confidence_interval(0.95)
    return {"lift_low": interval.low, "lift_high": interval.high}


def p_value(a: int, n: int, b: int, m: int) -> float:
    if a + b < MINIMUM or a + b == n + m:
        return np.nan
    table = np.array([[a, n - a], [b, m - b]])
    if stats.contingency.expected_freq(table).min() < 5:
        return stats.fisher_exact(table)[1]
    return stats.chi2_contingency(table, correction=False)[1]


def lookalikes(figures: Figures, title: str, target: Path):
    figures.section(f"{title}: lookalikes")
    found = pd.read_parquet(target / "lookalikes.parquet")
    customers = pd.read_parquet(target / "int_customers_profiled.parquet").set_index("customer_id")
    profile = pd.read_parquet(target / "ideal_customer_profile.parquet").set_index(["trait", "trait_value"])
    p = profile.customers / profile.customers_known
    others = profile.customers - profile.ideal_customers
    others_known = profile.customers_known - profile.ideal_customers_known
    lift = (profile.ideal_customers + 20 * p) / (profile.ideal_customers_known + 20) * (others_known + 20) / (others + 20 * p)
    weights = np.log(lift.clip(1 / 4, 4)).where(profile.is_significant, 0.0)
    scores = pd.Series(0.0, index=customers.index)
    for trait in profile.index.get_level_values(0).unique():
        of_trait = weights[trait]
        values = customers[trait].dropna()
        scores[values.index] += values.map(of_trait).fillna(of_trait.get("other", 0.0))
    scores = scores[~customers.is_ideal.fillna(False).astype(bool)]
    figures.check("lookalikes", min(10_000, (scores > 1e-6).sum()), len(found))
    worst = (scores[found.customer_id].to_numpy() - found.likeness.to_numpy()) if len(found) else np.zeros(1)
    figures.check("likeness, the worst difference", 0, np.abs(worst).max(), 1e-4)
    figures.check("ranks", len(found), found.likeness_rank.nunique())


def main() -> int:
    work = Path(sys.argv[1])
    figures = Figures()
    for title, folder in (("Online Retail", "online_retail"), ("Generated orders", "generated")):
        target = work / folder / "clusters"
        clusters(figures, title, target)
        profile(figures, title, target)
        lookalikes(figures, title, target)
    figures.section("The same bytes")
    found = differences(Published(work / "online_retail" / "clusters"), Published(work / "one_thread" / "clusters"))
    figures.check("two threads and one, tables that differ", 0, len(found))
    for difference in found:
        print(f"    {difference}")
    print(f"\nclusters: {figures.missed} missed")
    return 1 if figures.missed else 0


if __name__ == "__main__":
    sys.exit(main())
