"""What the pipeline published of the synthetic company beside what is true of it.

usage: demo.py TRUTH TARGET EVENTS VALIDATED

TRUTH is the folder truth/ that `cvm generate` wrote, TARGET where the pipeline publishes, EVENTS the JSON lines of the run,
VALIDATED what `cvm validate` said. A figure of the truth has its own tolerance, four standard errors; what is counted must be
found exactly; what has no tolerance in the truth has the rule that its line states. What marts tell of customers is set against the
truth of each customer, so that also what only the truth divides them by is checked: needs, states, who has left.
"""

import math
import re
import sys
from pathlib import Path

import demo_hidden
import json_log
from demo_figures import Company, Figures, pooled

MEMORY_LIMIT = 4 << 30
# Of the customers whose need the scheme tells, those whose true need it is: of all, and of those of each need.
NEED_AGREEMENT, NEED_RECALL = 0.9, 0.85
# The scheme looks at baskets, so that who is told a need has baskets a little more like it than others of that need.
BASKET_SELECTION = 0.02
# Whether they recommend the company is asked six times, half a year apart, first so many days before the end; of customers by
# then so many are asked. Whoever is disappointed then answers with 5 % promoters and 75 % detractors, whatever the need.
WAVES = [f"date '2025-01-01' - {45 + 182 * wave}" for wave in range(6)]
ASKED_SHARE, DISAPPOINTED_NPS = 0.35, -70
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


def run(figures: Figures, company: Company, events: Path, validated: Path):
    figures.section("The run")
    for name in company.tables:
        figures.at_least(f"rows of {name}", 1, company.row(f"select count(*) from {name}")[0])
    lines, faults = json_log.read(events.read_text())
    figures.exact("lines of the log that are no event in JSON", "none", "; ".join(faults) or "none")
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
    # Staging leaves out cancelled orders and all but one of each repeated row; what it keeps is counted as sales.
    kept = truth["rows"]["shop.orders"] - sum(truth["rows_set_aside"]["shop.orders"].values())
    orders = sum(number for (name, (number, _)) in records.items() if name.startswith("order "))
    exact("cancelled orders and repeated rows", truth["cancelled_orders"] + truth["repeated_order_rows"], kept - orders)
    # Gifts are sale lines that return_rates leaves out. Those of anonymous orders, which the truth does not count, are few.
    lines = [records[f"order_line {treatment}"][0] for treatment in ("counted true", "no_customer false")]
    gifts = sum(lines) - row("select lines from return_rates where dimension = 'all'")[0]
    figures.near("free gifts, but for those in anonymous orders", truth["free_gift_lines"], 0.05 * lines[1], gifts)

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
    conversion(figures, company)
    demo_hidden.channels(figures, company)


def conversion(figures: Figures, company: Company):
    """Visitors count where they came first; of the last attribution_window_days nobody can tell yet who will buy."""
    found = company.by_key("select acquisition_channel, visitors, measured_visitors, converted_visitors, conversion_rate from acquisition_channels")
    truths = {truth["channel"]: truth["conversion"] for truth in company.truth("channels")}
    # Whoever ordered in a store and on the same day came to the site by some channel looks as if that had won them.
    from_stores = 0.005 * company.row("select count(*) from true_customers where acquisition_channel = 'store'")[0]
    in_vain = 0
    for channel, truth in truths.items():
        visitors, measured, converted, rate = found[channel]
        if truth is None:
            figures.exact(f"{channel}: visitors, whom it brings to no site", 0, visitors)
            continue
        in_vain += visitors - truth["count"] * truth["counted"]
        figures.near(f"{channel}: visitors", truth["count"], from_stores, visitors)
        figures.near(f"{channel}: conversion", truth["truth"], truth["tolerance"] * math.sqrt(truth["count"] / measured), rate)
        figures.exact(f"{channel}: conversion is that of its counts", rate, converted / measured)
    figures.near("visitors in vain", company.truth("parameters")["visitors_in_vain"], from_stores, in_vain)


def experience(figures: Figures, company: Company):
    truth = company.truth("experience")
    figures.section("truth/experience.json: all needs and states together")
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
    points = "case nps_group when 'promoter' then 100 when 'passive' then 0 when 'detractor' then -100 end"
    answers = company.by_key(
        f"select need_segment, avg({points}), stddev({points}) / sqrt(count(nps_group)), avg(mean_nps_score),"
        " stddev(mean_nps_score) / sqrt(count(mean_nps_score)) from true_customers join customer_experience using (customer_id) group by 1"
    )
    disappointed = disappointed_answers(company, together["response_rate"]["truth"])
    for need in truth["recommend"]:
        name = need["need_segment"]
        nps, nps_error, score, score_error = answers[name]
        figures.near(f"recommend: mean score of {name}, by customer", need["score"]["truth"], 4 * score_error, score)
        of_all, of_last = disappointed[name]
        others = (need["nps"]["truth"] - of_all * DISAPPOINTED_NPS) / (1 - of_all)
        expected = (1 - of_last) * others + of_last * DISAPPOINTED_NPS
        figures.near(f"recommend: NPS of {name}, by last answers", expected, 4 * nps_error, nps)

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
    reviews = company.row(
        "select kept_reviews, 1 + 4 * kept_review_mean_share, returned_reviews, 1 + 4 * returned_review_mean_share"
        " from return_rates where dimension = 'all'"
    )
    for name, (count, mean) in (("review_of_kept", reviews[:2]), ("review_of_returned", reviews[2:])):
        figures.exact(f"{name}: reviews", truth[name]["count"], count)
        figures.figure(f"{name}: mean score", truth[name], mean)
    demo_hidden.states(figures, company)
    leaving(figures, company)
    warnings(figures, company)


def disappointed_answers(company: Company, response_rate: float) -> dict:
    """By need the share of answers to the recommend question that are expected from the disappointed: of all, of each one's last.

    Of those who left, the last is the one after the disappointment. A wave is answered or not whoever is asked, so that an answer
    is the last with the probability that none of the later waves was answered.
    """
    waves = f"select unnest([{', '.join(WAVES)}]) as day, unnest(range({len(WAVES)})) as later"
    answered = ASKED_SHARE * response_rate
    return company.by_key(
        f"select need_segment, count(*) filter (is_warned and day >= warned_from) / count(*),"
        f" sum(power(1 - {answered}, later)) filter (is_warned and day >= warned_from) / sum(power(1 - {answered}, later))"
        f" from true_customers, ({waves}) where first_order_date < day group by 1"
    )


def leaving(figures: Figures, company: Company):
    """Who was disappointed and left, of those who left: nobody says so, and the mart tells it from two experiences in a row.

    Within four of the mart's standard errors, which its counts give, with what the model leaves open of how many have left.
    """
    truth = company.truth("experience")["warned_share"]["truth"]
    found = company.by_key("select sign, disappointed_share, disappointed_share_standard_error, excess_share, expected_gone / customers,"
        " customers, expected_gone from leaving_experience")
    who = "probability_alive < 0.5 and t.purchase_days >= 3"
    gone, lost, chance, parameters = company.row(
        "select count(*) filter (not is_alive), count(*), sqrt(sum(probability_alive * (1 - probability_alive))),"
        f" sum(probability_alive_high - probability_alive_low) / 2 / {demo_hidden.OF_INTERVAL}"
        f" from true_customers t join customer_values using (customer_id) where {who}"
    )
    for sign, (share, error, excess, gone_share, customers, expected) in sorted(found.items()):
        of_model = truth * parameters / expected
        figures.near(f"share of the disappointed among who left, by {sign}", truth, 4 * math.hypot(error, of_model), share)
        figures.between(f"… of which their excess of {sign} shows at least", 0, truth * gone_share, excess)
        figures.exact("… customers who count as lost", lost, customers)
    figures.near("… of whom have left", gone, 4 * math.hypot(chance, parameters), expected)


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
    # The company's returns have nothing to do with disappointment, so that neither have those that marts show.
    shares = company.by_key("select is_warned, sum(returned_orders) / sum(orders), sum(orders) from true_customers"
        " join customer_experience using (customer_id) group by 1")
    error = math.sqrt(sum(share * (1 - share) / orders for share, orders in shares.values()))
    figures.near("share of orders returned, disappointed less others", 0, 4 * error, shares[True][0] - shares[False][0])


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
    baskets(figures, company, told)


def baskets(figures: Figures, company: Company, told: list[tuple]):
    """Who has few order lines is not told a need, whatever it is, and a few are told a wrong one; gifts count as lines in marts."""
    truths = {truth["need_segment"]: truth for truth in company.truth("needs")}
    parameters = company.truth("parameters")
    gifts = parameters["free_gift_lines"] / parameters["order_lines"]
    found = company.by_key("select segment, customers, order_lines, discount_share, premium_share, top_brand_share from basket_segments"
        " where scheme = 'need'")
    lines = sum(segment[1] for segment in found.values())
    of_all = lambda column: sum(segment[1] * segment[column] for segment in found.values()) / lines
    everybody = {name: pooled([truth[name] for truth in truths.values()]) for name in ("on_discount", "premium")}
    discounted = round(everybody["on_discount"]["counted"] * everybody["on_discount"]["count"])
    figures.exact("lines on discount, of all customers", discounted, round(of_all(2) * lines))
    figures.near("premium, of all customers' lines", everybody["premium"]["truth"], everybody["premium"]["tolerance"] + gifts, of_all(3))
    determined = sum(n for *_, n in told)
    for need, truth in truths.items():
        customers, of_need, *shares = found[need]
        share = truth["customers"]
        # At most so many of a need are told another, and in the segments about as many of others stand in their place.
        tolerance = share["tolerance"] * math.sqrt(share["count"] / determined) + (1 - NEED_RECALL) * share["truth"]
        figures.near(f"{need}: share of customers, of those told", share["truth"], tolerance, customers / determined)
        for name, value in zip(("on_discount", "premium", "favourite_brand"), shares):
            if truth[name]:
                tolerance = truth[name]["tolerance"] * math.sqrt(truth[name]["count"] / of_need) + gifts + BASKET_SELECTION
                figures.near(f"{need}: {name}, of lines", truth[name]["truth"], tolerance, value)


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
    demo_hidden.retention(figures, company)


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
    for part in (parameters, demo_hidden.alive, channels, experience, needs, ideal, retention, others):
        part(figures, company)
    print(f"\n{figures.checked} checked, {figures.missed} missed")
    return 1 if figures.missed else 0


if __name__ == "__main__":
    sys.exit(main())
