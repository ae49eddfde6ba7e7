//! What was written adds up to what was counted.

use super::*;

#[tokio::test]
async fn totals_agree_with_what_was_written() {
    let (objects, report) = make(&company(2_000, 1)).await;
    let tally = &report.truth.tally;
    assert_eq!(
        Truth::from_json(&objects[truth::PARAMETERS_PATH]).unwrap(),
        report.truth
    );

    // Each CSV row ends in CRLF; one header a year.
    let orders = unpacked(&objects, "shop/orders");
    assert_eq!(occurrences(&orders, b"\r\n") - 3, tally.rows["shop.orders"]);
    let besides = tally.anonymous_orders + tally.cancelled_orders + tally.repeated_order_rows;
    assert_eq!(
        tally.rows["shop.orders"],
        tally.orders + besides + tally.set_aside(Some("shop.orders"))
    );
    assert_eq!(occurrences(&orders, b",cancelled,"), tally.cancelled_orders);
    for (folder, table) in [
        ("automation/campaigns", "automation.campaigns"),
        ("shop/products", "shop.products"),
        ("shop/returns", "shop.returns"),
        ("shop/reviews", "shop.reviews"),
        ("social/mentions", "social.mentions"),
    ] {
        let written = occurrences(&unpacked(&objects, folder), b"\n");
        assert_eq!(written, tally.rows[table], "{table}");
    }
    for (folder, table, headers) in [
        ("ads/campaigns", "ads.campaigns", 1),
        ("ads/spend", "ads.spend", 3),
        ("automation/contacts", "automation.contacts", 1),
        ("helpdesk/tickets", "helpdesk.tickets", 1),
        ("surveys/responses", "surveys.responses", 1),
        ("treasury/rates", "treasury.exchange_rates", 1),
    ] {
        let written = occurrences(&unpacked(&objects, folder), b"\n");
        assert_eq!(written - headers, tally.rows[table], "{table}");
    }
    for (folder, table) in [
        ("shop/order_lines", "shop.order_lines"),
        ("ga4/events", "ga4.events"),
    ] {
        assert_eq!(
            rows(&parquet(&objects, folder)),
            tally.rows[table],
            "{table}"
        );
    }

    let truths = parquet(&objects, "truth/customers");
    assert_eq!(rows(&truths), tally.customers);
    assert_eq!(
        units_of(&truths, "revenue"),
        i128::from(tally.revenue_ten_thousandths)
    );
    let days = |batch: &RecordBatch| -> i64 {
        batch
            .column_by_name("purchase_days")
            .unwrap()
            .as_primitive::<Int64Type>()
            .iter()
            .flatten()
            .sum()
    };
    assert_eq!(
        truths.iter().map(days).sum::<i64>(),
        tally.purchase_days as i64
    );
}

/// Rates by day and currency in hundredths, weekends filled as staging must fill them.
pub(super) fn rates(objects: &Objects) -> BTreeMap<(String, String), i64> {
    let mut rates = BTreeMap::new();
    for row in table(objects, "treasury/rates", ';') {
        let rate = units(&row["euros_a_unit"], 2);
        let day: NaiveDate = row["quoted_on"].parse().unwrap();
        let days = if day.weekday() == chrono::Weekday::Fri {
            3
        } else {
            1
        };
        for day in day.iter_days().take(days) {
            rates.insert((row["currency"].clone(), day.to_string()), rate);
        }
    }
    rates
}

pub(super) fn euros(
    rates: &BTreeMap<(String, String), i64>,
    currency: &str,
    day: &str,
    amount: &str,
) -> i64 {
    let rate = match currency {
        "EUR" => 100,
        _ => rates[&(currency.to_owned(), day.to_owned())],
    };
    units(amount, 2) * rate
}

#[tokio::test]
async fn lines_add_up_to_the_orders_they_belong_to() {
    let (objects, report) = make(&clean(1_000)).await;
    let tally = &report.truth.tally;
    let rates = rates(&objects);
    let mut sums = BTreeMap::<String, (i128, i128)>::new();
    for batch in parquet(&objects, "shop/order_lines") {
        let ids = batch.column(0).as_string::<i32>();
        let quantities = batch.column(3).as_primitive::<Int64Type>();
        let prices = batch.column(4).as_primitive::<Decimal128Type>();
        let discounts = batch.column(5).as_primitive::<Decimal128Type>();
        for row in 0..batch.num_rows() {
            let (amount, discount) = sums.entry(ids.value(row).to_owned()).or_default();
            *amount += i128::from(quantities.value(row)) * prices.value(row) - discounts.value(row);
            *discount += discounts.value(row);
        }
    }
    let orders = table(&objects, "shop/orders", ',');
    assert_eq!(orders.len(), sums.len());
    let (mut sales, mut anonymous, mut discounts, mut shipping, mut foreign) = (0, 0, 0, [0; 2], 0);
    for order in &orders {
        let (amount, discount) = sums[&order["order_id"]];
        let total = &order["order_total"];
        assert_eq!(amount, i128::from(units(total, 2)), "{order:?}");
        let in_euros = |amount: &str| {
            euros(
                &rates,
                &order["currency"],
                &order["ordered_at"][..10],
                amount,
            )
        };
        match (order["customer_id"].as_str(), order["status"].as_str()) {
            ("", _) => anonymous += in_euros(total),
            (_, "shipped") => {
                sales += in_euros(total);
                discounts += in_euros(&format!("{}.{:02}", discount / 100, discount % 100));
                shipping[0] += in_euros(&order["shipping_charged"]);
                shipping[1] += in_euros(&order["shipping_cost"]);
                foreign += u64::from(order["currency"] != "EUR");
            }
            _ => {}
        }
    }
    assert_eq!(sales, tally.revenue_ten_thousandths);
    assert_eq!(anonymous, tally.anonymous_revenue_ten_thousandths);
    assert_eq!(discounts, tally.discount_ten_thousandths);
    assert_eq!(shipping[0], tally.shipping_ten_thousandths);
    assert_eq!(shipping[1], tally.shipping_cost_ten_thousandths);
    assert_eq!(foreign, tally.foreign_orders);
    assert!(foreign > 0 && tally.customers_of_several_currencies > 0);

    let (mut refunds, mut restocked) = (0, 0);
    for goods in ndjson(&objects, "shop/returns") {
        let text = |key: &str| match &goods[key] {
            serde_json::Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        let in_euros =
            |amount: &str| euros(&rates, &text("currency"), &text("returned_on"), amount);
        refunds += in_euros(&text("refund"));
        restocked += in_euros(&text("restocked_cost"));
    }
    assert_eq!(refunds, tally.refund_ten_thousandths);
    assert_eq!(restocked, tally.restocked_cost_ten_thousandths);
}

#[tokio::test]
async fn identifiers_are_unique_and_point_to_what_there_is() {
    let (objects, report) = make(&clean(1_500)).await;
    let column = |rows: &[BTreeMap<String, String>], name: &str| -> Vec<String> {
        rows.iter().map(|row| row[name].clone()).collect()
    };
    let unique = |mut ids: Vec<String>, what: &str| {
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "{what}");
        ids
    };
    let crm = table(&objects, "crm/customers", ';');
    let accounts = unique(column(&crm, "customer_id"), "accounts");
    let prospects = accounts.iter().filter(|id| id.starts_with('L')).count();
    assert_eq!(prospects as u64, report.truth.tally.prospects);
    let orders = table(&objects, "shop/orders", ',');
    let order_ids = unique(column(&orders, "order_id"), "orders");
    let surveys = table(&objects, "surveys/responses", ',');
    unique(column(&surveys, "response_id"), "responses");
    let tickets = table(&objects, "helpdesk/tickets", ';');
    unique(column(&tickets, "ticket"), "tickets");
    let contacts = table(&objects, "automation/contacts", '\t');
    unique(column(&contacts, "contact"), "contacts");

    let known = |ids: &[String], of: &[String]| {
        let unknown = of
            .iter()
            .find(|id| !id.is_empty() && ids.binary_search(id).is_err());
        assert_eq!(unknown, None);
    };
    known(&accounts, &column(&orders, "customer_id"));
    known(&accounts, &column(&surveys, "customer"));
    known(&accounts, &column(&tickets, "requester"));
    known(&accounts, &column(&contacts, "customer"));
    known(&order_ids, &column(&surveys, "order_no"));
    known(&order_ids, &column(&tickets, "order"));
    known(&order_ids, &column(&contacts, "order_no"));
    let mut campaigns = column(&table(&objects, "ads/campaigns", ','), "campaign_id");
    let experiments = ndjson(&objects, "automation/campaigns");
    campaigns.extend(
        experiments
            .iter()
            .map(|of| of["id"].as_str().unwrap().to_owned()),
    );
    let campaigns = unique(campaigns, "campaigns");
    known(&campaigns, &column(&orders, "campaign"));
    known(&campaigns, &column(&crm, "acquisition_campaign"));
    known(&campaigns, &column(&contacts, "campaign"));
    known(
        &campaigns,
        &column(&table(&objects, "ads/spend", ','), "campaign_id"),
    );

    let mut events = Vec::new();
    for batch in parquet(&objects, "ga4/events") {
        let times = batch.column_by_name("event_timestamp").unwrap();
        let times = times.as_primitive::<Int64Type>().values().to_vec();
        let visitors = text_column(&batch, "user_pseudo_id");
        let both = visitors.into_iter().zip(times);
        events.extend(both.map(|(visitor, at)| format!("{} {at}", visitor.unwrap())));
        let flat = |name: &str| -> Vec<String> {
            text_column(&batch, name).into_iter().flatten().collect()
        };
        known(&accounts, &flat("user_id"));
        known(&order_ids, &flat("transaction_id"));
        known(
            &campaigns,
            &flat("collected_traffic_source_manual_campaign_name"),
        );
    }
    let a_customer = events.len() as f64 / 1_500.0;
    assert!(
        (6.0..10.0).contains(&a_customer),
        "{a_customer} events a customer"
    );
    unique(events, "events");
}

#[tokio::test]
async fn nothing_happens_at_or_after_the_end_of_the_history() {
    let (objects, _) = make(&clean(1_500)).await;
    // Local midnight in Berlin, and UTC's an hour later.
    let end = "2024-12-31T23:00:00Z";
    let before = |rows: &[BTreeMap<String, String>], columns: &[&str], end: &str| {
        for row in rows {
            for column in columns {
                assert!(row[*column].as_str() < end, "{column} of {row:?}");
            }
        }
    };
    before(
        &table(&objects, "shop/orders", ','),
        &["ordered_at"],
        "2025",
    );
    before(
        &table(&objects, "surveys/responses", ','),
        &["asked_at", "answered_at"],
        end,
    );
    before(
        &table(&objects, "helpdesk/tickets", ';'),
        &["created", "first_reply", "solved"],
        end,
    );
    let contacts = ["sent_at", "opened_at", "clicked_at", "converted_at"];
    before(
        &table(&objects, "automation/contacts", '\t'),
        &contacts,
        end,
    );
    before(&table(&objects, "ads/spend", ','), &["day"], "2025");
    before(
        &table(&objects, "treasury/rates", ';'),
        &["quoted_on"],
        "2025",
    );
    for (folder, key) in [
        ("shop/returns", "returned_on"),
        ("shop/reviews", "written_at"),
        ("social/mentions", "published"),
    ] {
        for row in ndjson(&objects, folder) {
            assert!(row[key].as_str().unwrap() < end, "{row}");
        }
    }
    for batch in parquet(&objects, "ga4/events") {
        let days = text_column(&batch, "event_date");
        assert!(days.iter().flatten().all(|day| day.as_str() < "20250101"));
    }
}
