//! What is told to be true is what counting the raw objects gives, and lies within its tolerance of what was meant.

use super::counts::{euros, rates};
use super::*;

/// The customers of `truth/customers-*.parquet`, by id: their texts, by column.
fn customers(objects: &Objects) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    let columns = [
        "acquisition_channel",
        "need_segment",
        "region",
        "first_category",
        "device",
    ];
    let mut customers = BTreeMap::new();
    for batch in parquet(objects, "truth/customers") {
        let ids = text_column(&batch, "customer_id");
        let texts = columns.map(|column| text_column(&batch, column));
        let highs = batch
            .column_by_name("is_high_value")
            .unwrap()
            .as_boolean()
            .clone();
        for (row, id) in ids.into_iter().enumerate() {
            let mut of: BTreeMap<&str, String> = columns
                .iter()
                .zip(&texts)
                .map(|(column, texts)| (*column, texts[row].clone().unwrap()))
                .collect();
            of.insert("is_high_value", highs.value(row).to_string());
            customers.insert(id.unwrap(), of);
        }
    }
    customers
}

/// The orders that the process made, in the order of time for each customer: customer, day, time, id.
fn sales(objects: &Objects) -> Vec<BTreeMap<String, String>> {
    let mut sales = table(objects, "shop/orders", ',');
    sales.retain(|order| !order["customer_id"].is_empty() && order["status"] == "shipped");
    sales.sort_by_key(|order| (order["customer_id"].clone(), order["ordered_at"].clone()));
    sales
}

/// A line that was sold and not given: its order, number, product, and whether it was on discount.
struct SoldLine {
    order_id: String,
    number: i64,
    sku: String,
    on_discount: bool,
}

fn lines_sold(objects: &Objects) -> Vec<SoldLine> {
    let mut sold = Vec::new();
    for batch in parquet(objects, "shop/order_lines") {
        let (ids, skus) = (text_column(&batch, "order_id"), text_column(&batch, "sku"));
        let numbers = batch.column(1).as_primitive::<Int64Type>();
        let prices = batch.column(4).as_primitive::<Decimal128Type>();
        let discounts = batch.column(5).as_primitive::<Decimal128Type>();
        for (row, (id, sku)) in ids.into_iter().zip(skus).enumerate() {
            if prices.value(row) > 0 {
                sold.push(SoldLine {
                    order_id: id.unwrap(),
                    number: numbers.value(row),
                    sku: sku.unwrap(),
                    on_discount: discounts.value(row) > 0,
                });
            }
        }
    }
    sold
}

/// How often something was the case, by key.
#[derive(Default)]
struct Shares(BTreeMap<String, (u64, u64)>);

impl Shares {
    fn count(&mut self, key: impl Into<String>, is_so: bool) {
        let (all, so) = self.0.entry(key.into()).or_default();
        *all += 1;
        *so += u64::from(is_so);
    }

    /// That the figure counts exactly what was counted here.
    fn is(&self, key: &str, figure: &Figure) {
        let (all, so) = self.0.get(key).copied().unwrap_or_default();
        assert_eq!(figure.count, all, "{key}");
        let share = so as f64 / all as f64;
        assert!(
            (figure.counted - share).abs() < 1e-9,
            "{key}: {share}, {figure:?}"
        );
    }
}

/// Every figure of a truth, by where it stands.
fn figures(value: &serde_json::Value, at: &str, found: &mut Vec<(String, Figure)>) {
    if let Ok(figure) = serde_json::from_value(value.clone()) {
        return found.push((at.to_owned(), figure));
    }
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                figures(value, &format!("{at}.{key}"), found);
            }
        }
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                figures(item, &format!("{at}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// Four standard errors each. Cells of single cohorts are many and small, so a few in a thousand may lie beyond, and
/// nothing beyond six.
#[tokio::test]
async fn every_figure_lies_within_its_tolerance() {
    let (objects, _) = make(&clean(10_000)).await;
    let mut count = 0;
    for (path, bytes) in objects.iter().filter(|(path, _)| path.ends_with(".json")) {
        let (mut found, mut beyond) = (Vec::new(), 0);
        figures(&serde_json::from_slice(bytes).unwrap(), path, &mut found);
        for (at, figure) in &found {
            assert!(figure.count > 0, "{at}: {figure:?}");
            beyond += usize::from(!figure.holds(figure.counted));
            let off = (figure.counted - figure.truth).abs();
            assert!(
                off <= 1.5 * figure.tolerance + 2.0 / figure.count as f64,
                "{at}: {figure:?}"
            );
        }
        let most = if path.ends_with("retention.json") {
            3
        } else {
            0
        };
        assert!(beyond <= most, "{beyond} of {path}");
        count += found.len();
    }
    assert!(count > 700, "{count}");
}

#[tokio::test]
async fn channels_cost_and_bring_what_their_truth_says() {
    let (objects, report) = make(&clean(2_000)).await;
    let truths = report.truths.unwrap().channels;
    let rates = rates(&objects);
    let mut spend = BTreeMap::<String, i64>::new();
    for row in table(&objects, "ads/spend", ',') {
        *spend.entry(row["platform"].clone()).or_default() +=
            euros(&rates, &row["currency"], &row["day"], &row["cost"]);
    }
    let customers = customers(&objects);
    let (mut counts, mut revenue) = (BTreeMap::<&str, u64>::new(), BTreeMap::<&str, i64>::new());
    for of in customers.values() {
        *counts.entry(&of["acquisition_channel"]).or_default() += 1;
    }
    for order in sales(&objects) {
        let channel = customers[&order["customer_id"]]["acquisition_channel"].as_str();
        *revenue.entry(channel).or_default() += euros(
            &rates,
            &order["currency"],
            &order["ordered_at"][..10],
            &order["order_total"],
        );
    }
    // Of visitors by the source of their first event: whether they ever turn out to be a customer.
    let mut visitors = BTreeMap::<String, (i64, String, bool)>::new();
    for batch in parquet(&objects, "ga4/events") {
        let times = batch.column_by_name("event_timestamp").unwrap();
        let times = times.as_primitive::<Int64Type>().values().to_vec();
        let [ids, users, sources] = [
            "user_pseudo_id",
            "user_id",
            "collected_traffic_source_manual_source",
        ]
        .map(|column| text_column(&batch, column));
        for (row, at) in times.into_iter().enumerate() {
            let source = sources[row].clone().unwrap();
            let is_customer = users[row]
                .as_deref()
                .is_some_and(|user| user.starts_with('C'));
            let visitor =
                visitors
                    .entry(ids[row].clone().unwrap())
                    .or_insert((at, source.clone(), false));
            if at < visitor.0 {
                (visitor.0, visitor.1) = (at, source);
            }
            visitor.2 |= is_customer;
        }
    }
    // A customer won in a store shows up on the web too, later, as a visitor who already is one.
    let in_store: Vec<u64> = customers
        .iter()
        .filter(|(_, of)| of["acquisition_channel"] == "store")
        .map(|(id, _)| id[1..].parse().unwrap())
        .collect();
    let mut conversions = Shares::default();
    for (id, (_, source, is_customer)) in &visitors {
        let number: u64 = id.split_once('.').unwrap().0.parse().unwrap();
        if in_store.binary_search(&number).is_err() {
            conversions.count(source.as_str(), *is_customer);
        }
    }
    for (channel, truth) in CHANNELS.iter().zip(&truths) {
        assert_eq!(truth.channel, channel.name);
        assert_eq!(truth.customers, counts[channel.name]);
        assert_eq!(truth.customers_in_crm, truth.customers);
        assert_eq!(truth.revenue_ten_thousandths, revenue[channel.name]);
        assert_eq!(truth.spend_ten_thousandths, spend[channel.platform]);
        if let Some(conversion) = &truth.conversion {
            conversions.is(channel.traffic.0, conversion);
        }
    }
    let orders: u64 = truths.iter().map(|truth| truth.orders).sum();
    assert_eq!(orders, report.truth.tally.orders);
}

#[tokio::test]
async fn arms_buy_as_often_as_their_truth_says_and_were_alike_before() {
    let (objects, report) = make(&clean(6_000)).await;
    let truths = report.truths.unwrap().experiments;
    let mut days = BTreeMap::<String, Vec<NaiveDate>>::new();
    for order in sales(&objects) {
        let day = order["ordered_at"][..10].parse().unwrap();
        days.entry(order["customer_id"].clone())
            .or_default()
            .push(day);
    }
    let (mut rates, mut told) = (Shares::default(), Shares::default());
    // Orders of a customer before the contact: their number, sum and sum of squares by arm.
    let mut before = BTreeMap::<String, [f64; 3]>::new();
    let mut costs = BTreeMap::<String, i64>::new();
    for contact in table(&objects, "automation/contacts", '\t') {
        let of =
            |truth: &&truth::experiments::ExperimentTruth| truth.campaign_id == contact["campaign"];
        let truth = truths.iter().find(of).unwrap();
        let from = truth.contacted_on;
        assert_eq!(contact["sent_at"][..10].parse(), Ok(from));
        let to = from + chrono::Days::new(truth.response_days as u64);
        let days = &days[&contact["customer"]];
        let key = format!("{} {}", contact["campaign"], contact["arm"]);
        rates.count(&key, days.iter().any(|day| (from..to).contains(day)));
        told.count(&key, !contact["converted_at"].is_empty());
        let earlier = days.iter().filter(|day| **day < from).count() as f64;
        let sums = before.entry(key.clone()).or_default();
        for (sum, add) in sums.iter_mut().zip([1.0, earlier, earlier * earlier]) {
            *sum += add;
        }
        *costs.entry(key).or_default() += units(&contact["cost"], 2);
        assert_eq!(contact["holdout"] == "1", contact["arm"] == "control");
    }
    let moments = |key: &str| {
        let [count, sum, squares] = before[key];
        let mean = sum / count;
        (mean, (squares / count - mean * mean) / count)
    };
    for truth in &truths {
        let control = format!("{} control", truth.campaign_id);
        for arm in &truth.arms {
            let key = format!("{} {}", truth.campaign_id, arm.arm);
            rates.is(&key, &arm.purchase_rate);
            told.is(&key, &arm.purchase_rate);
            assert_eq!(costs[&key], arm.cost_cents);
            assert_eq!(arm.is_control, arm.lift.is_none());
            let ((mean, variance), (others, other_variance)) = (moments(&key), moments(&control));
            let bound = 4.0 * (variance + other_variance).sqrt();
            assert!(
                (mean - others).abs() <= bound,
                "{key}: {mean} orders before, {others} in the control"
            );
        }
    }
}

#[tokio::test]
async fn baskets_and_returns_are_as_their_truth_says() {
    let (objects, report) = make(&clean(2_000)).await;
    let truths = report.truths.unwrap();
    let customers = customers(&objects);
    let products: BTreeMap<String, (String, bool)> = ndjson(&objects, "shop/products")
        .into_iter()
        .map(|product| {
            let text = |key: &str| product[key].as_str().unwrap().to_owned();
            (
                text("sku"),
                (text("category"), product["premium"].as_bool().unwrap()),
            )
        })
        .collect();
    let orders: BTreeMap<String, BTreeMap<String, String>> = sales(&objects)
        .into_iter()
        .map(|order| (order["order_id"].clone(), order))
        .collect();
    let back: std::collections::BTreeSet<String> = ndjson(&objects, "shop/returns")
        .iter()
        .map(|goods| goods["return_id"].as_str().unwrap().to_owned())
        .collect();
    let (mut on_discount, mut premium) = (Shares::default(), Shares::default());
    let (mut returned, mut mature) = (Shares::default(), Shares::default());
    let last: NaiveDate = DEFAULT_AS_OF - chrono::Days::new(29);
    for line in lines_sold(&objects) {
        let Some(order) = orders.get(&line.order_id) else {
            continue;
        };
        let need = customers[&order["customer_id"]]["need_segment"].as_str();
        let (category, is_premium) = &products[&line.sku];
        on_discount.count(need, line.on_discount);
        premium.count(need, *is_premium);
        let is_back = back.contains(&format!("R{}-{}", line.order_id, line.number));
        returned.count(category.as_str(), is_back);
        let day: NaiveDate = order["ordered_at"][..10].parse().unwrap();
        if day <= last {
            mature.count(category.as_str(), is_back);
        }
    }
    for truth in &truths.needs {
        on_discount.is(&truth.need_segment, &truth.on_discount);
        premium.is(&truth.need_segment, &truth.premium);
    }
    for truth in &truths.returns {
        mature.is(&truth.category, &truth.return_rate);
        assert_eq!(
            returned.0[&truth.category],
            (truth.lines, truth.returned_lines)
        );
    }
}

#[tokio::test]
async fn answers_and_tickets_are_as_their_truth_says() {
    let (objects, report) = make(&clean(3_000)).await;
    let truth = report.truths.unwrap().experience;
    let customers = customers(&objects);
    let (mut responses, mut promoters, mut detractors) =
        (Shares::default(), Shares::default(), Shares::default());
    for answer in table(&objects, "surveys/responses", ',') {
        if answer["question"] != "recommend" {
            continue;
        }
        let need = customers[&answer["customer"]]["need_segment"].as_str();
        responses.count(need, !answer["answered_at"].is_empty());
        if let Ok(score) = answer["score"].parse::<u32>() {
            promoters.count(need, score >= 9);
            detractors.count(need, score <= 6);
        }
    }
    for of in &truth.recommend {
        responses.is(&of.need_segment, &of.response_rate);
        promoters.is(&of.need_segment, &of.promoters);
        detractors.is(&of.need_segment, &of.detractors);
        let nps = 100.0 * (of.promoters.counted - of.detractors.counted);
        assert!((of.nps.counted - nps).abs() < 1e-9);
    }
    let tickets = table(&objects, "helpdesk/tickets", ';');
    assert_eq!(tickets.len() as u64, truth.tickets);
    let sum = |of: &dyn Fn(&BTreeMap<String, String>) -> i64| tickets.iter().map(of).sum::<i64>();
    let between = |ticket: &BTreeMap<String, String>, end: &str| {
        let at = |column: &str| ticket[column].parse::<chrono::DateTime<chrono::Utc>>();
        at(end).map_or(0, |end| (end - at("created").unwrap()).num_seconds())
    };
    assert_eq!(
        sum(&|ticket| units(&ticket["cost"], 2)),
        truth.ticket_cost_cents
    );
    assert_eq!(
        sum(&|ticket| units(&ticket["reopens"], 0)),
        truth.reopened as i64
    );
    assert_eq!(
        sum(&|ticket| units(&ticket["interactions"], 0)),
        truth.contacts as i64
    );
    assert_eq!(
        sum(&|ticket| i64::from(ticket["type"] == "complaint")),
        truth.complaints as i64
    );
    assert_eq!(
        sum(&|ticket| i64::from(!ticket["solved"].is_empty())),
        truth.tickets_resolved as i64
    );
    assert_eq!(
        sum(&|ticket| between(ticket, "first_reply")),
        truth.seconds_to_first_reply
    );
    assert_eq!(
        sum(&|ticket| between(ticket, "solved")),
        truth.seconds_to_resolve
    );
}

#[tokio::test]
async fn cohorts_come_back_as_their_truth_says() {
    let (objects, report) = make(&clean(2_000)).await;
    let month = |day: &str| -> i32 {
        let day: NaiveDate = day[..10].parse().unwrap();
        day.year() * 12 + day.month0() as i32
    };
    let mut active = BTreeMap::<String, Vec<i32>>::new();
    for order in sales(&objects) {
        active
            .entry(order["customer_id"].clone())
            .or_default()
            .push(month(&order["ordered_at"]));
    }
    let mut shares = Shares::default();
    let end = month("2024-12-31");
    for months in active.values() {
        for since in 1..=end - months[0] {
            let is_active = months.contains(&(months[0] + since));
            shares.count(format!("{} {since}", months[0]), is_active);
            shares.count(format!("all {since}"), is_active);
        }
    }
    let truths = report.truths.unwrap().retention;
    assert_eq!(truths.len(), shares.0.len());
    for truth in truths {
        let cohort = match truth.cohort_month {
            Some(day) => month(&day.to_string()).to_string(),
            None => "all".to_owned(),
        };
        shares.is(&format!("{cohort} {}", truth.months_since), &truth.active);
        assert!(truth.alive >= truth.active.truth);
    }
}

#[tokio::test]
async fn customers_of_high_value_have_the_traits_that_their_truth_says() {
    let (objects, report) = make(&clean(3_000)).await;
    let truth = report.truths.unwrap().ideal_customer;
    let customers = customers(&objects);
    let rates = rates(&objects);
    let mut values = BTreeMap::<String, i64>::new();
    let mut first_devices = BTreeMap::<String, String>::new();
    for order in sales(&objects) {
        *values.entry(order["customer_id"].clone()).or_default() += euros(
            &rates,
            &order["currency"],
            &order["ordered_at"][..10],
            &order["order_total"],
        );
        first_devices
            .entry(order["customer_id"].clone())
            .or_insert(order["device"].clone());
    }
    let mut shares = Shares::default();
    for (id, of) in &customers {
        let is_high = of["is_high_value"] == "true";
        let bound = truth.high_value_from_cents * 100;
        // Francs are rounded to the centime.
        let is_close = (values[id] - bound).abs() < 5_000;
        assert!(
            is_close || (values[id] >= bound) == is_high,
            "{id}: {}",
            values[id]
        );
        shares.count(format!("region {is_high}"), of["region"] == "Bayern");
        shares.count(
            format!("first_category {is_high}"),
            of["first_category"] == "Machines",
        );
        shares.count(format!("first_device {is_high}"), of["device"] == "desktop");
        let device = &first_devices[id];
        assert!(device.is_empty() || *device == of["device"], "{id}");
    }
    for of in &truth.traits {
        shares.is(&format!("{} true", of.name), &of.share_of_high_value);
        shares.is(&format!("{} false", of.name), &of.share_of_others);
    }
}
