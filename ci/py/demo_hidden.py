"""What marts say of what is hidden, beside it: who has left, how often and for how much people buy, how they feel.

A mart tells a probability or an expectation of each customer, which is not to be found again one by one. Added up over many it
must be, within four standard errors. These have two parts: what customers do though it was improbable, which is independent, and
how far the model's parameters are off, which moves all customers together; their intervals of 90 % tell it.
"""

import math

from demo_figures import Company, Figures

# Half an interval of 90 % is so many standard errors.
OF_INTERVAL = 1.6449
# Days from an order to the mean answer about it. Satisfaction is asked for 4 days after it at about half past ten and answered
# within 5 days, after 5/4 in the mean. A ticket is opened 5.5 days after it at about two, replied to after 4 hours, solved after
# 20 more, and the effort asked for an hour later.
ANSWER_DAYS = {"csat": 4 + 10.5 / 24 + 1.25, "ces": 5.5 + (14 + 4 + 20 + 1) / 24 + 1.25}
# cohort_projections knows no February: all months are alike.
MONTH_DAYS = 365.25 / 12
# Purchases that a customer with this rate and dropout probability, still there, makes in a year: leaving has the rate of both.
YEAR_AHEAD = (
    "case when is_alive then (1 - exp(-purchase_rate_per_day * dropout_probability * 365)) / dropout_probability else 0 end"
)


def expected(figures: Figures, what: str, sums: tuple):
    """Sum of the truth, of what was expected, its error by chance and by the parameters."""
    truth, found, chance, parameters = (float(value) for value in sums)
    figures.near(what, truth, 4 * math.hypot(chance, parameters), found)


def alive(figures: Figures, company: Company):
    figures.section("Who is still there, and what they will buy: sums over customers of what each is expected to")
    people = "true_customers t join customer_values v using (customer_id)"
    sums = (
        "count(*) filter (is_alive), sum(probability_alive), sqrt(sum(probability_alive * (1 - probability_alive))),"
        f" sum(probability_alive_high - probability_alive_low) / 2 / {OF_INTERVAL}"
    )
    missing = company.row("select count(*) from customer_values where probability_alive is null or expected_purchases is null")[0]
    figures.exact("customers without a probability or expectation", 0, missing)
    expected(figures, "customers alive", company.row(f"select {sums} from {people}"))
    for fifth, *of_fifth in company.rows(f"select least(floor(probability_alive * 5), 4) as fifth, {sums} from {people} group by 1 order by 1"):
        expected(figures, f"… of a probability from {fifth / 5:.1f} to {fifth / 5 + 0.2:.1f}", tuple(of_fifth))
    outside = [
        month for month, truth, found, chance, parameters
        in company.rows(f"select date_trunc('month', t.first_order_date), {sums} from {people} group by 1")
        if abs(truth - found) > 4 * math.hypot(chance, parameters)
    ]
    figures.exact("months of first orders whose customers alive are out of tolerance", 0, len(outside))
    sums = (
        "sum(truth), sum(expected_purchases), stddev(truth - expected_purchases) * sqrt(count(*)),"
        f" sum(expected_purchases_high - expected_purchases_low) / 2 / {OF_INTERVAL}"
    )
    people = f"(select *, {YEAR_AHEAD} as truth, ntile(5) over (order by expected_purchases, customer_id) as fifth from {people})"
    expected(figures, "purchase days in the next 365 days", company.row(f"select {sums} from {people}"))
    for fifth, *of_fifth in company.rows(f"select fifth, {sums} from {people} group by 1 order by 1"):
        expected(figures, f"… fifth {fifth} of customers by what is expected", tuple(of_fifth))
    spend = company.row(
        "select avg(mean_spend), avg(expected_spend), stddev(mean_spend - expected_spend) / sqrt(count(*)),"
        f" avg(expected_spend_high - expected_spend_low) / 2 / {OF_INTERVAL}"
        " from true_customers join customer_values using (customer_id) where expected_spend is not null"
    )
    expected(figures, "mean spend a purchase day, of who came back", spend)


def channels(figures: Figures, company: Company):
    """What customers spent tells the mean of what they are wont to; who leaves soon is lost soon, though marts tell no probability."""
    spend = company.by_key(
        "select acquisition_channel, avg((gross_revenue - discounts) / purchase_days),"
        " stddev((gross_revenue - discounts) / purchase_days) / sqrt(count(*)) from customers where orders > 0 group by 1"
    )
    curves = company.by_key(
        "select dimension_value, max_by(survival, tenure_days), max_by(standard_error, tenure_days) from customer_survival"
        " where dimension = 'acquisition_channel' and tenure_days <= 730 group by 1"
    )
    dropout = {}
    for truth in company.truth("channels"):
        channel = truth["channel"]
        mean, error = spend[channel]
        figures.near(f"{channel}: mean spend a purchase day", truth["mean_spend"]["truth"], 4 * error, mean)
        dropout[channel] = truth["dropout_probability"]["truth"]
    apart = lambda loyal, other: (curves[loyal][0] - curves[other][0]) / math.hypot(curves[loyal][1], curves[other][1])
    loyal_first = sorted(dropout, key=lambda channel: dropout[channel])
    pairs = [(loyal, other) for at, loyal in enumerate(loyal_first) for other in loyal_first[at + 1 :]]
    reversed_pairs = sum(apart(*pair) < -4 for pair in pairs)
    figures.exact(f"{len(pairs)} pairs of channels: lost sooner though leaving later, by 4 errors", 0, reversed_pairs)
    # With 20,000 customers they are apart by five errors, with 100,000 by eleven.
    extremes = (loyal_first[0], loyal_first[-1])
    figures.at_least(f"{extremes[0]} is lost later than {extremes[1]}, in standard errors", 4, apart(*extremes))


def states(figures: Figures, company: Company):
    """Who was never disappointed is steady in all that they said. Of others marts do not tell what they said before and after."""
    steady, warned = sorted(company.truth("experience")["states"], key=lambda state: state["state"] != "steady")
    people = "true_customers join customer_experience using (customer_id)"
    named = {"csat": ("mean_csat_score", "last_csat_score"), "ces": ("mean_effort_score", "last_effort_score")}
    mean = lambda column, who: company.row(f"select avg({column}), stddev({column}) / sqrt(count({column})) from {people} where {who}")
    for name, (column, _) in (*named.items(), ("sentiment", ("mean_sentiment", None))):
        found, error = mean(column, "not is_warned")
        figures.near(f"{name} of customers never disappointed", steady[name]["truth"], 4 * error, found)
    for name, (_, column) in named.items():
        silent = [f"{other} is null" for other in ("last_nps_score", "last_csat_score", "last_effort_score", "last_review_score") if other != column]
        who = f"is_warned and last_answer_date >= warned_from and {' and '.join(silent)}"
        found, error = mean(column, who)
        late = late_share(company, name, f"{column} is not null and {who}", warned, steady)
        tolerance = 4 * error + late * abs(steady[name]["truth"] - warned[name]["truth"])
        figures.near(f"{name} of the disappointed whose only answers it is", warned[name]["truth"], tolerance, found)
    found, error = mean("mean_sentiment", "is_warned")
    figures.between("sentiment of the disappointed, ever", warned["sentiment"]["truth"], steady["sentiment"]["truth"] - 4 * error, found)
    rates = company.by_key(f"select is_warned, sum(tickets) / sum(orders), sum(orders) from {people} where returned_orders = 0 group by 1")
    of = steady["ticket_rate"]
    tolerance = of["tolerance"] * math.sqrt(of["count"] / float(rates[False][1]))
    figures.near("tickets an order of nothing returned, never disappointed", of["truth"], tolerance, rates[False][0])
    figures.between("tickets an order of the disappointed, ever", of["truth"] + tolerance, warned["ticket_rate"]["truth"], rates[True][0])


def late_share(company: Company, name: str, who: str, warned: dict, steady: dict) -> float:
    """The most of these answers after the disappointment that are expected to be about an order before it.

    Disappointment begins with the last purchase day but one, so that two are answered for as the warned do. Orders before it
    came at the customer's own rate; of those, as many are still to be answered as come in the mean time to an answer (Little).
    Effort is asked for by the ticket, which the warned have more often. The last answer is rather about a later order.
    """
    orders = f"(t.purchase_days - 1) / date_diff('day', t.first_order_date, t.last_order_date) * {ANSWER_DAYS[name]}"
    weight = steady["ticket_rate"]["truth"] / warned["ticket_rate"]["truth"] if name == "ces" else 1
    return company.row(f"select avg({weight} * {orders} / ({weight} * {orders} + 2)) from true_customers t join customer_experience"
        f" using (customer_id) where {who}")[0]


def retention(figures: Figures, company: Company):
    """Who orders in a month or later was there when it began; who does not may be too."""
    found = {
        (str(month), since): (customers, int(retained))
        for month, since, customers, retained in company.rows(
            "select cohort_month, months_since_first_order, customers, retained_customers from cohort_retention"
            " where dimension = 'all' and not is_projected"
        )
    }
    cells = [cell for cell in company.truth("retention") if cell["cohort_month"]]
    above = 0
    for cell in cells:
        customers, retained = found[(cell["cohort_month"], cell["months_since"])]
        there = cell["alive"]
        above += retained / customers > there + 4 * math.sqrt(there * (1 - there) / customers)
    figures.exact(f"cells of {len(cells)} with more who came back than were there", 0, above)
    ahead = company.rows(
        "select sum(customers * projected_survival_low) / sum(customers), sum(customers * projected_survival_high) / sum(customers),"
        " sum(customers * projected_retention_low) / sum(customers), sum(customers * projected_retention_high) / sum(customers)"
        " from cohort_retention where dimension = 'all' and is_projected group by activity_month order by activity_month limit 12"
    )
    there = "avg(is_alive::int * exp(-purchase_rate_per_day * dropout_probability * {}))"
    outside = outside_of_active = 0
    for month, (low, high, active_low, active_high) in enumerate(ahead):
        still = there.format(month * MONTH_DAYS)
        ordering = still[:-1] + f" * (1 - exp(-purchase_rate_per_day * {MONTH_DAYS})))"
        truth, share = company.row(f"select {still}, {ordering} from true_customers")
        outside += not low <= truth <= high
        outside_of_active += not active_low <= share <= active_high
        if month in (0, 5, 11):
            figures.between(f"share still there {month} months ahead, {truth:.4f}, by the mart's limits", low, high, truth)
    figures.exact(f"months of {len(ahead)} ahead whose share still there is out of limits", 0, outside)
    figures.exact(f"months of {len(ahead)} ahead whose share with an order is out of limits", 0, outside_of_active)
    # The company loses customers only after an order.
    models = company.rows("select distinct projection_model from cohort_retention where dimension = 'all' and is_projected")
    figures.exact("the likelier of the models that project everybody", "bg_bb_after_orders", " ".join(str(model) for (model,) in models))
