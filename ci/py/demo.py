"""What the pipeline published of the synthetic company beside what is true of it.

usage: demo.py TRUTH TARGET EVENTS VALIDATED

TRUTH is the folder truth/ that `cvm generate` wrote, TARGET where the pipeline publishes, EVENTS the JSON lines of the run,
VALIDATED what `cvm validate` said. A figure of the truth has its own tolerance, four standard errors; what is counted must be
found exactly; what has no tolerance in the truth has the rule that its line states. A truth that no mart tells, or tells of
others than the truth does, is listed as such and not counted as checked.
"""

import json
import math
import re
import sys
from pathlib import Path

import duckdb
from published import Published

MEMORY_LIMIT = 4 << 30
# Of the customers whose need the scheme tells, those whose true need it is: of all, and of those of each need.
NEED_AGREEMENT, NEED_RECALL = 0.9, 0.85
SIX_DIGITS = 1e-6
# How many times the share of others each warning must be among customers disappointed in the last year; what an early warning
# must at least find of them, and may at most say of those who are still there.
WARNING_LIFTS = {
    "is_score_falling": 1.5,
    "is_last_answer_poor": 2.5,
    "is_frequency_falling": 2.5,
    "has_ticket_trouble": 4,
    "has_complained": 3,
    "has_spoken_ill": 2,
    "is_early_warning": 4,
}
EARLY_WARNING_RECALL, EARLY_WARNING_FALSE = 0.5, 0.15
# Schemes without rules: a model tells the segments.
LEARNED = {"clusters"}


class Figures:
    """Prints each figure as it is checked and remembers what missed. One that was not found is None, and has missed."""

    def __init__(self):
        self.checked = self.missed = self.not_shown = 0

    def section(self, title: str):
        print(f"\n{title}\n{'what':<66} {'truth':>16} {'tolerance':>11} {'found':>16} verdict")

    def near(self, what: str, truth: float, tolerance: float, found):
        held = found is not None and abs(float(found) - truth) <= tolerance
        self._line(what, show(truth), f"{tolerance:.3g}", found, held)

    def figure(self, what: str, figure: dict, found):
        """A figure of the truth, with its own tolerance."""
        self.near(what, figure["truth"], figure["tolerance"], found)

    def exact(self, what: str, truth, found):
        self._line(what, show(truth), "exact", found, found is not None and found == truth)

    def at_least(self, what: str, least: float, found):
        self._line(what, show(least), "at least", found, found is not None and found >= least)

    def below(self, what: str, most: float, found):
        self._line(what, show(most), "below", found, found is not None and found < most)

    def absent(self, what: str, why: str):
        self.not_shown += 1
        print(f"{what:<66} not shown by a mart: {why}")

    def _line(self, what: str, truth: str, tolerance: str, found, held: bool):
        self.checked += 1
        self.missed += not held
        print(f"{what:<66} {truth:>16} {tolerance:>11} {show(found):>16} {'ok' if held else 'MISSED'}")


def show(value) -> str:
    if value is None:
        return "not found"
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.8g}"


def pooled(figures: list[dict]) -> dict:
    """The figure of all draws of several figures together."""
    count = sum(figure["count"] for figure in figures)
    mean = {name: sum(figure["count"] * figure[name] for figure in figures) / count for name in ("truth", "counted")}
    tolerance = math.sqrt(sum((figure["count"] * figure["tolerance"]) ** 2 for figure in figures)) / count
    return {**mean, "tolerance": tolerance, "count": count}


class Company:
    """The truth and the marts, which SQL names as they are called; true_customers is the truth of each customer."""

    def __init__(self, truth: Path, target: Path):
        self.folder = truth
        self.tables = Published(target).current()
        self.db = duckdb.connect()
        for name in self.tables:
            self.db.execute(f"create view {name} as from '{Published(target).stable(name)}'")
        self.db.execute(f"create view true_customers as from '{truth}/customers-*.parquet'")

    def truth(self, name: str):
        return json.loads((self.folder / f"{name}.json").read_text())

    def rows(self, query: str) -> list[tuple]:
        return self.db.execute(query).fetchall()

    def row(self, query: str) -> tuple:
        return self.rows(query)[0]

    def by_key(self, query: str) -> dict:
        """The second column by the first, or the others together by the first where there are more."""
        return {row[0]: row[1] if len(row) == 2 else row[1:] for row in self.rows(query)}


def run(figures: Figures, company: Company, events: Path, validated: Path):
    figures.section("The run")
    for name in company.tables:
        figures.at_least(f"rows of {name}", 1, company.row(f"select count(*) from {name}")[0])
    lines = [json.loads(line) for line in events.read_text().splitlines() if line.startswith("{")]
    finished = [line for line in lines if line["event"] == "run_finished"][-1]
    print(f"{'seconds':<66} {finished['seconds']:.1f}, without a limit")
    figures.below("peak of memory in bytes", MEMORY_LIMIT, finished["peak_memory_bytes"])
    said = re.findall(r"^scheme (\S+): (.*)$", validated.read_text(), re.MULTILINE)
    shown = {scheme for (scheme,) in company.rows("select distinct scheme from customer_segments")}
    figures.exact("schemes by rules, published, of which validate says nothing", 0, len(shown - dict(said).keys() - LEARNED))
    for scheme, verdict in said:
        holds = re.match(r"of \d+ rules exactly one holds for each of \d+ combinations of values", verdict)
        if scheme in LEARNED:
            figures.exact(f"scheme {scheme}: told by a table", True, verdict.startswith("told by the table "))
        else:
            figures.exact(f"scheme {scheme}: rules that hold of each combination", "one", "one" if holds else verdict)
    everybody = company.row("select count(*) from customers")[0]
    held = company.by_key("select scheme, count(*), count(distinct customer_id) from customer_segments group by scheme")
    for scheme, _ in said:
        rows, customers = held.get(scheme, (None, None))
        figures.exact(f"scheme {scheme}: customers in one segment each", everybody, customers if customers == rows else None)


def parameters(figures: Figures, company: Company):
    truth = company.truth("parameters")
    figures.section("truth/parameters.json: counts")
    exact, row = figures.exact, company.row
    money = lambda value: None if value is None else int(value * 10_000)
    bought = "select count(*), count(*) filter (purchase_days > 1), sum(purchase_days), sum(orders) from customers where orders > 0"
    for name, found in zip(("customers", "repeat_customers", "purchase_days", "orders"), row(bought)):
        exact(name, truth[name], int(found))
    exact("prospects", truth["prospects"], row("select count(*) from customers where orders = 0")[0])
    sums = row("select sum(gross_revenue) - sum(discounts), sum(discounts), sum(returned_revenue), sum(returns), sum(cost) from customers")
    exact("revenue, ten thousandths", truth["revenue_ten_thousandths"], money(sums[0]))
    exact("discounts, ten thousandths", truth["discount_ten_thousandths"], money(sums[1]))
    exact("refunds, ten thousandths", truth["refund_ten_thousandths"], money(sums[2]))
    exact("returns", truth["returns"], int(sums[3]))
    restocked = truth["cost_cents"] * 100 - truth["restocked_cost_ten_thousandths"]
    exact("cost of goods less what was restocked, ten thousandths", restocked, money(sums[4]))
    shipping = truth["shipping_cost_ten_thousandths"] - truth["shipping_ten_thousandths"]
    exact("cost of shipping less what was charged, ten thousandths", shipping, money(row("select sum(net_shipping_cost) from customer_values")[0]))
    records = company.by_key(
        "select record_type || ' ' || treatment || ' ' || has_customer, records, amount from sales_coverage"
    )
    exact("order lines", truth["order_lines"], records["order_line counted true"][0])
    exact("anonymous orders", truth["anonymous_orders"], records["order no_customer false"][0])
    exact("anonymous revenue, ten thousandths", truth["anonymous_revenue_ten_thousandths"], money(records["order no_customer false"][1]))
    aside = company.by_key("select source, count(*) from rows_set_aside group by source")
    for source, faults in truth["rows_set_aside"].items():
        exact(f"rows set aside of {source}", sum(faults.values()), aside.get(source))
    differ = company.row("select count(*) from (select customer_id, first_order_date, last_order_date, purchase_days, revenue from true_customers"
        " except select customer_id, first_order_date, last_order_date, purchase_days, gross_revenue - discounts from customers)")
    exact("customers whose days or revenue differ", 0, differ[0])
    figures.absent("customers alive", "nobody can count them; each has a probability")
    figures.absent("cancelled and repeated orders, free gifts, visitors in vain", "counted in no published table")

    figures.section("truth/parameters.json: models, within four standard errors of the fit")
    fits = company.by_key("select model || ' ' || parameter, estimate, standard_error from model_fits"
        " where score = 'customer_lifetimes' and period = 'all'")
    for model in ("bg_nbd", "gamma_gamma"):
        for parameter, value in truth[model].items():
            # Purchases are counted in days by the truth, in weeks by the score.
            value = value / 7 if (model, parameter) == ("bg_nbd", "alpha") else value
            estimate, error = fits.get(f"{model} {parameter}", (None, math.nan))
            figures.near(f"{model} {parameter}", value, 4 * error, estimate)


def channels(figures: Figures, company: Company):
    figures.section("truth/channels.json")
    found = company.by_key("select acquisition_channel, customers, spend, customer_acquisition_cost from acquisition_channels")
    orders = company.by_key("select acquisition_channel, sum(orders), sum(gross_revenue) - sum(discounts) from customers group by 1")
    everybody = sum(customers for customers, *_ in found.values())
    for truth in company.truth("channels"):
        channel = truth["channel"]
        customers, spend, cost = found[channel]
        figures.figure(f"{channel}: share of customers", truth["share"], customers / everybody)
        figures.figure(f"{channel}: cost a customer", truth["cost_per_customer"], cost)
        figures.exact(f"{channel}: spend, ten thousandths", truth["spend_ten_thousandths"], int(spend * 10_000))
        # No click leads to a store, so that only the CRM tells of it.
        known = truth["customers_in_crm"] if channel == "store" else truth["customers"]
        figures.exact(f"{channel}: customers of whom it is known", known, customers)
        if channel != "store":
            figures.exact(f"{channel}: orders", truth["orders"], int(orders[channel][0]))
            figures.exact(f"{channel}: revenue, ten thousandths", truth["revenue_ten_thousandths"], int(orders[channel][1] * 10_000))
    figures.absent("mean spend and dropout probability by channel", "hidden traits; marts show what customers did")
    figures.absent("conversion by channel", "visitors who did not buy are in no mart")


def experience(figures: Figures, company: Company):
    truth = company.truth("experience")
    figures.section("truth/experience.json: all needs and states together, as marts tell neither")
    surveys = company.by_key(
        "select question_kind, sum(asked), sum(answered), sum(mean_score * usable_answers) / sum(usable_answers), sum(promoters),"
        " sum(passives), sum(detractors) from survey_months group by 1"
    )
    together = {name: pooled([need[name] for need in truth["recommend"]]) for name in truth["recommend"][0] if name != "need_segment"}
    asked, answered, score, *groups = (float(value) for value in surveys["nps"])
    figures.exact("recommend: asked", together["response_rate"]["count"], int(asked))
    figures.figure("recommend: response rate", together["response_rate"], answered / asked)
    for name, group in zip(("promoters", "passives", "detractors"), groups):
        figures.figure(f"recommend: share of {name}", together[name], group / answered)
    figures.figure("recommend: NPS", together["nps"], 100 * (groups[0] - groups[2]) / answered)
    figures.figure("recommend: mean score", together["score"], score)
    months = company.row("select 100 * (sum(promoters) - sum(detractors)) / sum(nps_answers) from experience_months")
    figures.figure("recommend: NPS by experience_months", together["nps"], months[0])
    by_truth = [need["need_segment"] for need in sorted(truth["recommend"], key=lambda need: need["nps"]["truth"])]
    segments = company.by_key("select segment, nps from experience_segments where scheme = 'need'")
    by_mart = sorted(by_truth, key=lambda need: segments[need])
    figures.exact("needs by NPS, lowest first", " ".join(need[:3] for need in by_truth), " ".join(need[:3] for need in by_mart))
    figures.absent("NPS by true need", "experience_segments has the scheme's needs, and the last 365 days")

    months = company.row(
        "select sum(mean_sentiment * mentions) / sum(mentions), sum(tickets_opened), sum(tickets_resolved), sum(complaints),"
        " sum(reopened_tickets) / sum(tickets_opened), sum(mean_hours_to_resolve * tickets_resolved) / sum(tickets_resolved),"
        " sum(mean_hours_to_first_reply * tickets_opened) / sum(tickets_opened) from experience_months"
    )
    states = {name: pooled([state[name] for state in truth["states"]]) for name in ("csat", "ces", "sentiment")}
    figures.figure("satisfaction, mean score", states["csat"], surveys["csat"][2])
    figures.figure("effort, mean score", states["ces"], surveys["ces"][2])
    figures.figure("reviews, mean score", pooled([truth["review_of_kept"], truth["review_of_returned"]]), surveys["review"][2])
    figures.figure("mentions, mean sentiment", states["sentiment"], months[0])
    figures.exact("tickets", truth["tickets"], int(months[1]))
    figures.exact("tickets resolved", truth["tickets_resolved"], int(months[2]))
    figures.exact("complaints", truth["complaints"], int(months[3]))
    figures.figure("share of tickets reopened", truth["reopened_share"], months[4])
    hours = truth["seconds_to_resolve"] / truth["tickets_resolved"] / 3600
    figures.near("mean hours to resolve", hours, SIX_DIGITS * hours, months[5])
    # Months weigh by tickets opened; the few without a reply move the mean by less than this.
    hours = truth["seconds_to_first_reply"] / truth["tickets_replied"] / 3600
    figures.near("mean hours to the first reply", hours, hours * (1 - truth["tickets_replied"] / truth["tickets"]), months[6])
    cost = company.row("select sum(ticket_cost) from customer_values")[0]
    figures.exact("cost of tickets, cents", truth["ticket_cost_cents"], int(cost * 100))
    figures.absent("satisfaction, effort and sentiment by state, ticket rate", "marts know no state")
    figures.absent("reviews of kept and of returned lines", "no mart tells them apart")
    figures.absent("share of leavers who were disappointed", "who has left for good is hidden")
    warnings(figures, company)


def warnings(figures: Figures, company: Company):
    """Who is disappointed has left by now, many years ago; of those of the last year it could be told early."""
    figures.section("Early warnings: of customers disappointed in the last year, against all who never were; and of whoever is still there")
    year = "is_warned and warned_from >= date '2024-01-01'"
    groups = {
        "disappointed, last year": year,
        "disappointed, ever": "is_warned",
        "left in the last year otherwise": "not is_warned and not is_alive and t.last_order_date >= date '2024-01-01'",
        "left, ever": "not is_alive",
        "still there": "is_alive",
        "never disappointed": "not is_warned",
    }
    flags = (*WARNING_LIFTS, "is_returning_often", "warnings >= 1", "warning_level = 'alarm'")
    print("    " + f"{'share warned of':<28}" + "".join(f"{name:>34}" for name in groups))
    found = {}
    for flag in flags:
        shares = ", ".join(f"count(*) filter ({flag} and {who}) / count(*) filter ({who})" for who in groups.values())
        shares = company.row(f"select {shares} from true_customers t join customer_experience using (customer_id)")
        found[flag] = dict(zip(groups, shares))
        print("    " + f"{flag:<28}" + "".join(f"{share:>34.4f}" for share in shares))
    for flag, lift in WARNING_LIFTS.items():
        of_others = found[flag]["never disappointed"]
        figures.at_least(f"{flag}: share of the disappointed by that of others", lift, found[flag]["disappointed, last year"] / of_others)
    figures.at_least("is_early_warning: share of the disappointed", EARLY_WARNING_RECALL, found["is_early_warning"]["disappointed, last year"])
    figures.below("is_early_warning: share of whoever is still there", EARLY_WARNING_FALSE, found["is_early_warning"]["still there"])
    left = company.by_key(
        "select warning_level, count(*) filter (not is_alive) / count(*) from true_customers join customer_experience using (customer_id)"
        " where warning_level is not null group by 1"
    )
    by_share = sorted(left, key=lambda level: left[level])
    figures.exact("levels by the share who left, lowest first", "none watch warning alarm", " ".join(by_share))
    figures.absent("who returns much and is disappointed", "the company's returns have nothing to do with disappointment")


def needs(figures: Figures, company: Company):
    figures.section("truth/needs.json: the scheme need by the true need")
    cells = company.rows(
        "select t.need_segment, s.segment, count(*) from true_customers t join customer_segments s using (customer_id)"
        " where s.scheme = 'need' group by all"
    )
    told = [cell for cell in cells if cell[1] != "undetermined"]
    share = lambda some: sum(n for need, segment, n in some if need == segment) / sum(n for *_, n in some)
    everybody, determined = sum(n for *_, n in cells), sum(n for *_, n in told)
    print(f"    told of {determined:,} of {everybody:,} customers; the others have too few order lines")
    figures.exact("customers in the scheme", company.truth("parameters")["customers"], everybody)
    figures.at_least("agreement, of those whom it tells", NEED_AGREEMENT, share(told))
    for truth in company.truth("needs"):
        need = truth["need_segment"]
        figures.at_least(f"… of those who are {need}", NEED_RECALL, share([cell for cell in told if cell[0] == need]))
    figures.absent("share of customers with each need", "the scheme leaves out who has few order lines")
    figures.absent("lines on discount, premium, of the favourite brand", "baskets are in no mart")


def ideal(figures: Figures, company: Company):
    truth = company.truth("ideal_customer")
    figures.section("truth/ideal_customer.json")
    profile = company.by_key("select trait || '=' || trait_value, share_of_ideal, share_of_others, lift from ideal_customer_profile")
    for trait in truth["traits"]:
        name = f"{trait['trait']}={trait['value']}"
        found = profile.get(name, (None,) * 3)
        for of, value in zip(("share_of_high_value", "share_of_others", "lift"), found):
            figures.figure(f"{name}: {of}", trait[of], value)
    names = {"weekday": "first_order_weekday", "hour": "first_order_hours"}
    for trait in truth["unrelated"]:
        trait = names.get(trait, trait)
        tested = "select min(p_value) from ideal_customer_profile where trait = ?"
        least = company.db.execute(tested, [trait]).fetchall()[0][0]
        figures.at_least(f"{trait}: least p-value (four standard errors: 6.3e-5)", math.erfc(4 / math.sqrt(2)), least)


def retention(figures: Figures, company: Company):
    figures.section("truth/retention.json: share with an order in each month since the first, over all cohorts, then of each")
    query = ("select {} months_since_first_order, sum(customers), sum(active_customers) from cohort_retention"
        " where dimension = 'all' and not is_projected and months_since_first_order > 0 group by all")
    together = {row[0]: row[1:] for row in company.rows(query.format(""))}
    each = {(str(row[0]), row[1]): row[2:] for row in company.rows(query.format("cohort_month,"))}
    outside = differing = 0
    cells = company.truth("retention")
    for cell in cells:
        month, since, active = cell["cohort_month"], cell["months_since"], cell["active"]
        customers, found = (int(value) for value in (each.get((month, since)) if month else together.get(since)) or (0, 0))
        share = found / customers if customers else None
        if month is None:
            figures.figure(f"month {since} of all cohorts", active, share)
        else:
            outside += share is None or abs(share - active["truth"]) > active["tolerance"]
        differing += customers != cell["customers"] or found != round(active["counted"] * active["count"])
    figures.exact(f"cells of {len(each)} of single cohorts out of tolerance", 0, outside)
    figures.exact(f"cells of all {len(cells)} not as counted", 0, differing)
    figures.absent("share who are still there", "marts project it only for months ahead")


def others(figures: Figures, company: Company):
    figures.section("truth/experiments.json and truth/returns.json")
    cents = sum(arm["cost_cents"] for experiment in company.truth("experiments") for arm in experiment["arms"])
    figures.exact("cost of contacts, cents", cents, int(company.row("select sum(contact_cost) from customer_values")[0] * 100))
    results = {
        row[:2]: row[2:]
        for row in company.rows(
            "select campaign_id, arm, share_of_campaign, purchase_rate, purchase_rate_difference, customers, buying_customers,"
            " cast(contact_cost * 100 as bigint), is_control from campaign_results"
        )
    }
    for experiment in company.truth("experiments"):
        for arm in experiment["arms"]:
            name = f"{experiment['campaign_id']} {arm['arm']}"
            found = results.get((experiment["campaign_id"], arm["arm"]))
            share, rate, difference, customers, buyers, cost, is_control = found or (None,) * 7
            figures.figure(f"{name}: share of the audience", arm["share"], share)
            figures.figure(f"{name}: purchase rate", arm["purchase_rate"], rate)
            if arm["lift"]:
                figures.figure(f"{name}: purchase rate above the control's", arm["lift"], difference)
            figures.exact(f"{name}: customers", arm["contacts"], customers)
            figures.exact(f"{name}: buyers", arm["converted"], buyers)
            figures.exact(f"{name}: cost, cents", arm["cost_cents"], cost)
            figures.exact(f"{name}: control", str(arm["is_control"]), str(is_control))
    returned = sum(category["returned_lines"] for category in company.truth("returns"))
    figures.exact("returned lines of all categories", returned, int(company.row("select sum(returns) from customers")[0]))
    rates = company.by_key(
        "select dimension_value, returned_lines, return_rate from return_rates where dimension = 'category'"
    )
    for category in company.truth("returns"):
        back, rate = rates.get(category["category"]) or (None,) * 2
        figures.exact(f"{category['category']}: returned lines", category["returned_lines"], back)
        figures.figure(f"{category['category']}: return rate", category["return_rate"], rate)

    figures.section("Prospects: who is known and never bought")
    found = company.by_key(
        "select case when t.customer_id is null then 'others' else 'buyers' end, count(*), count(*) filter (segment = 'prospect')"
        " from customer_segments s left join true_customers t using (customer_id) where scheme = 'behaviour' group by 1"
    )
    figures.exact("prospects by the scheme behaviour", company.truth("parameters")["prospects"], found["others"][1])
    figures.exact("others who never bought", 0, found["others"][0] - found["others"][1])
    figures.exact("buyers taken for prospects", 0, found["buyers"][1])


def main() -> int:
    truth, target, events, validated = (Path(argument) for argument in sys.argv[1:])
    figures, company = Figures(), Company(truth, target)
    run(figures, company, events, validated)
    for part in (parameters, channels, experience, needs, ideal, retention, others):
        part(figures, company)
    print(f"\n{figures.not_shown} truths are not shown by a mart")
    print(f"{figures.checked} checked, {figures.missed} missed")
    return 1 if figures.missed else 0


if __name__ == "__main__":
    sys.exit(main())
