//! What a whole generation promises.

mod counts;
mod goldens;
mod truths;

use std::collections::BTreeMap;
use std::io::Read as _;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, Int64Type};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

/// The objects below the prefix, by path without it.
type Objects = BTreeMap<String, Bytes>;

async fn make(options: &GenerateOptions) -> (Objects, GenerateReport) {
    let store = Arc::new(InMemory::new());
    let prefix = Path::from("some/where");
    let seen = std::cell::RefCell::new(Vec::new());
    let report = generate(options, store.clone(), &prefix, |progress| {
        seen.borrow_mut().push(*progress)
    })
    .await
    .unwrap();
    let customers: Vec<u64> = seen
        .borrow()
        .iter()
        .map(|progress| progress.customers)
        .collect();
    assert!(customers.is_sorted());
    assert_eq!(customers.last(), Some(&options.customers));

    let mut objects = Objects::new();
    for meta in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
        let bytes = store
            .get(&meta.location)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        let path = meta
            .location
            .as_ref()
            .strip_prefix("some/where/")
            .unwrap()
            .to_owned();
        objects.insert(path, bytes);
    }
    assert_eq!(report.objects, objects.len() as u64);
    assert_eq!(
        report.bytes,
        objects
            .values()
            .map(|bytes| bytes.len() as u64)
            .sum::<u64>()
    );
    (objects, report)
}

fn company(customers: u64, threads: usize) -> GenerateOptions {
    GenerateOptions {
        customers,
        threads,
        ..GenerateOptions::default()
    }
}

fn under<'a>(objects: &'a Objects, folder: &'a str) -> impl Iterator<Item = &'a Bytes> {
    objects
        .iter()
        .filter(move |(path, _)| path.starts_with(folder))
        .map(|(_, bytes)| bytes)
}

fn parquet(objects: &Objects, folder: &str) -> Vec<RecordBatch> {
    under(objects, folder)
        .filter(|bytes| bytes.starts_with(b"PAR1"))
        .flat_map(|bytes| {
            ParquetRecordBatchReaderBuilder::try_new(bytes.clone())
                .unwrap()
                .build()
                .unwrap()
        })
        .map(Result::unwrap)
        .collect()
}

/// The bytes of all objects of a folder, unpacked, in the order of their paths.
fn unpacked(objects: &Objects, folder: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for bytes in under(objects, folder) {
        match bytes.get(..2) {
            Some([0x1f, 0x8b]) => {
                flate2::read::GzDecoder::new(bytes.as_ref())
                    .read_to_end(&mut out)
                    .map(drop)
                    .unwrap();
            }
            Some([0x28, 0xb5]) => out.extend(zstd::decode_all(bytes.as_ref()).unwrap()),
            _ => out.extend_from_slice(bytes),
        }
    }
    out
}

fn lines_of(bytes: &[u8], count: usize) -> String {
    String::from_utf8_lossy(bytes)
        .split_inclusive('\n')
        .take(count)
        .collect()
}

fn occurrences(bytes: &[u8], of: &[u8]) -> u64 {
    bytes
        .windows(of.len())
        .filter(|window| *window == of)
        .count() as u64
}

/// The rows of all CSV objects of a folder, each a map from column to cell.
fn table(objects: &Objects, folder: &str, delimiter: char) -> Vec<BTreeMap<String, String>> {
    let mut rows = Vec::new();
    for path in objects.keys().filter(|path| path.starts_with(folder)) {
        let text = String::from_utf8(unpacked(objects, path)).unwrap();
        let mut records = split(text.trim_start_matches('\u{feff}'), delimiter).into_iter();
        let header = records.next().unwrap();
        for record in records {
            assert_eq!(record.len(), header.len(), "{record:?}");
            rows.push(header.iter().cloned().zip(record).collect());
        }
    }
    rows
}

/// The cells of a CSV text; quoted ones may hold delimiters, line ends and doubled quotes.
fn split(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (vec![], vec![], String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => is_quoted = !is_quoted,
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            _ if character == delimiter && !is_quoted => row.push(std::mem::take(&mut cell)),
            _ => cell.push(character),
        }
    }
    rows
}

/// The rows of all NDJSON objects of a folder.
fn ndjson(objects: &Objects, folder: &str) -> Vec<serde_json::Value> {
    let text = String::from_utf8(unpacked(objects, folder)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A decimal with `places` behind the point, in units of its last place.
fn units(text: &str, places: usize) -> i64 {
    let (whole, rest) = text.split_once(['.', ',']).unwrap_or((text, ""));
    format!("{whole}{rest:0<places$}").parse().unwrap()
}

fn text_column(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let values = batch.column_by_name(column).unwrap().as_string::<i32>();
    values
        .iter()
        .map(|value| value.map(str::to_owned))
        .collect()
}

fn clean(customers: u64) -> GenerateOptions {
    GenerateOptions {
        dirty: false,
        ..company(customers, 2)
    }
}

/// The sum of a decimal column in units of its last place.
fn units_of(batches: &[RecordBatch], column: &str) -> i128 {
    let sum = |batch: &RecordBatch| -> i128 {
        let values = batch
            .column_by_name(column)
            .unwrap()
            .as_primitive::<Decimal128Type>();
        values.iter().flatten().sum()
    };
    batches.iter().map(sum).sum()
}

fn rows(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}

#[tokio::test]
async fn the_same_options_make_the_same_bytes_with_any_number_of_threads() {
    // A chunk and a little of a second.
    let (one, report) = make(&company(10_050, 1)).await;
    let (two, again) = make(&company(10_050, 2)).await;
    assert!(one == two);
    assert_eq!(report, again);

    // A small company is the beginning of a large one.
    let (small, _) = make(&company(10_000, 1)).await;
    let shared: Vec<_> = small
        .keys()
        .filter(|path| path.contains("-00000."))
        .collect();
    assert_eq!(shared.len(), 13);
    assert!(shared.iter().all(|path| small[*path] == one[*path]));
}

#[tokio::test]
async fn the_raw_files_begin_as_documented() {
    let (objects, _) = make(&company(50, 1)).await;
    let paths: Vec<&str> = objects.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "ads/campaigns/campaigns.csv",
            "ads/spend/year=2022/spend.csv",
            "ads/spend/year=2023/spend.csv",
            "ads/spend/year=2024/spend.csv",
            "automation/campaigns/campaigns.ndjson",
            "automation/contacts/contacts-00000.tsv",
            "crm/customers/customers-00000.csv.gz",
            "ga4/events/events-00000.parquet",
            "helpdesk/tickets/tickets-00000.csv.gz",
            "shop/order_lines/lines-00000.parquet",
            "shop/orders/year=2022/orders-00000.csv",
            "shop/orders/year=2023/orders-00000.csv",
            "shop/orders/year=2024/orders-00000.csv",
            "shop/products/products.ndjson",
            "shop/returns/returns-00000.ndjson.zst",
            "shop/reviews/reviews-00000.ndjson.zst",
            "social/mentions/mentions-00000.ndjson",
            "surveys/responses/responses-00000.csv",
            "treasury/rates/rates.csv",
            "truth/channels.json",
            "truth/customers-00000.parquet",
            "truth/experience.json",
            "truth/experiments.json",
            "truth/ideal_customer.json",
            "truth/needs.json",
            "truth/parameters.json",
            "truth/retention.json",
            "truth/returns.json",
        ]
    );
    for (folder, beginning) in goldens::BEGINNINGS {
        let lines = beginning.split_inclusive('\n').count();
        assert_eq!(lines_of(&unpacked(&objects, folder), lines), beginning);
    }
}

#[tokio::test]
async fn faults_are_counted_by_table_and_kind() {
    let (objects, report) = make(&company(6_000, 2)).await;
    let tally = &report.truth.tally;
    let each = |kinds: &[(Dirt, u64)]| kinds.iter().copied().collect::<BTreeMap<_, _>>();
    let csv = |rows| {
        use Dirt::*;
        let kinds = [
            UnparsableDate,
            NumberWithLetters,
            MissingRequired,
            TooFewFields,
            TooManyFields,
            InvalidUtf8,
        ];
        each(&kinds.map(|kind| (kind, rows)))
    };
    // 20 CRM rows in 300 steps, 150 order rows in 40 steps, in six turns; 10 returns in five.
    let mut one_in_300 = csv(3);
    one_in_300.extend([(Dirt::UnparsableDate, 4), (Dirt::NumberWithLetters, 4)]);
    let json = |rows| {
        use Dirt::*;
        let kinds = [
            BrokenJson,
            UnparsableDate,
            NumberWithLetters,
            MissingRequired,
            InvalidUtf8,
        ];
        each(&kinds.map(|kind| (kind, rows)))
    };
    let missing = |rows| each(&[(Dirt::MissingRequired, rows)]);
    let mut one_in_80 = csv(12);
    one_in_80.extend(
        [
            Dirt::UnparsableDate,
            Dirt::NumberWithLetters,
            Dirt::MissingRequired,
        ]
        .map(|kind| (kind, 13)),
    );
    let expected = [
        (
            "ads.spend",
            each(&[
                (Dirt::UnparsableDate, 14),
                (Dirt::NumberWithLetters, 15),
                (Dirt::TooFewFields, 14),
            ]),
        ),
        ("automation.contacts", csv(5)),
        ("crm.customers", one_in_300.clone()),
        ("ga4.events", missing(150)),
        ("helpdesk.tickets", one_in_300),
        ("shop.order_lines", missing(375)),
        ("shop.orders", csv(25)),
        ("shop.products", each(&[(Dirt::BrokenJson, 10)])),
        ("shop.returns", json(2)),
        ("shop.reviews", json(2)),
        (
            "social.mentions",
            each(
                &[
                    Dirt::BrokenJson,
                    Dirt::UnparsableDate,
                    Dirt::NumberWithLetters,
                ]
                .map(|kind| (kind, 1)),
            ),
        ),
        ("surveys.responses", one_in_80),
        (
            "treasury.exchange_rates",
            each(&[(Dirt::UnparsableDate, 2), (Dirt::NumberWithLetters, 2)]),
        ),
    ];
    let expected = expected.map(|(table, faults)| (table.to_owned(), faults));
    assert_eq!(tally.rows_set_aside, BTreeMap::from(expected));
    // 20 are faulty, 20 never came.
    assert_eq!(tally.customers_without_crm_row, 40);
    assert_eq!(tally.rows["crm.customers"], 6_000 - 20 + tally.prospects);
    assert_eq!(tally.repeated_order_rows, 30);

    let orders = unpacked(&objects, "shop/orders");
    assert_eq!(occurrences(&orders, b",2023-13-45 10:00:00,"), 25);
    assert_eq!(occurrences(&orders, b",4O.90,"), 25);
    assert_eq!(occurrences(&orders, b"\n,C"), 25);
    assert_eq!(occurrences(&orders, b",Dr.,"), 25);
    assert_eq!(occurrences(&orders, b"J\xfcrgen"), 25);
    let faulty = tally.rows_set_aside.keys();
    for (table, rows) in faulty.map(|table| (table, tally.rows[table])) {
        let share = tally.set_aside(Some(table)) as f64 / rows as f64;
        assert!((0.0019..0.0046).contains(&share), "{table}: {share}");
    }
}

#[tokio::test]
async fn a_clean_company_sets_no_row_aside_and_has_the_same_customers() {
    let (_, dirty) = make(&company(1_000, 1)).await;
    let (_, clean) = make(&GenerateOptions {
        dirty: false,
        ..company(1_000, 1)
    })
    .await;
    let (dirty, clean) = (dirty.truth.tally, clean.truth.tally);
    assert_eq!(clean.set_aside(None), 0);
    assert_eq!(clean.repeated_order_rows, 0);
    assert_eq!(clean.rows["crm.customers"], 1_000 + clean.prospects);
    // All that faults add are rows, and what they take are rows of the CRM.
    let mut same = dirty.clone();
    same.rows = clean.rows.clone();
    same.rows_set_aside = clean.rows_set_aside.clone();
    (same.repeated_order_rows, same.customers_without_crm_row) = (0, 0);
    assert_eq!(clean, same);
    for (table, rows) in &clean.rows {
        let kept = dirty.rows[table] - dirty.set_aside(Some(table));
        let (added, gone) = match table.as_str() {
            "shop.orders" => (dirty.repeated_order_rows, 0),
            "crm.customers" => (0, dirty.customers_without_crm_row),
            _ => (0, 0),
        };
        assert_eq!(kept + gone, rows + added, "{table}");
    }
}

#[tokio::test]
async fn no_company_however_small_is_too_dirty_for_the_default_bound() {
    for customers in [1, 16, 40, 80, 300, 600] {
        let (_, report) = make(&company(customers, 1)).await;
        let tally = report.truth.tally;
        for (table, rows) in &tally.rows {
            let bad = tally.set_aside(Some(table));
            assert!(
                bad * 100 <= *rows,
                "{customers} customers: {bad} of {rows} rows of {table}"
            );
        }
    }
}

#[tokio::test]
async fn the_company_is_of_a_sensible_size() {
    let (objects, report) = make(&company(4_000, 1)).await;
    let tally = &report.truth.tally;
    let per_customer = |count: u64| count as f64 / tally.customers as f64;
    assert!(
        (8.5..9.3).contains(&per_customer(tally.orders)),
        "{tally:?}"
    );
    assert!(
        (0.11..0.18).contains(&(1.0 - per_customer(tally.repeat_customers))),
        "{tally:?}"
    );
    assert!(
        (0.62..0.72).contains(&per_customer(tally.customers_alive)),
        "{tally:?}"
    );
    let margin = 1.0 - tally.cost_cents as f64 * 100.0 / tally.revenue_ten_thousandths as f64;
    assert!((0.40..0.60).contains(&margin), "margin {margin}");
    let end = text::day_number(DEFAULT_AS_OF);
    for batch in parquet(&objects, "truth/customers") {
        let first = batch
            .column_by_name("first_order_date")
            .unwrap()
            .as_primitive::<Date32Type>();
        let last = batch
            .column_by_name("last_order_date")
            .unwrap()
            .as_primitive::<Date32Type>();
        assert!(
            first
                .values()
                .iter()
                .all(|day| (end - WINDOW_DAYS..=end - 2).contains(day))
        );
        assert!(
            last.values()
                .iter()
                .zip(first.values())
                .all(|(last, first)| last >= first && *last < end)
        );
        assert_eq!(last.null_count(), 0);
    }
}

#[tokio::test]
async fn the_orders_alone_are_those_of_the_company() {
    let (_, whole) = make(&company(3_000, 1)).await;
    let alone = GenerateOptions {
        shape: Shape::Orders,
        ..company(3_000, 1)
    };
    let (objects, report) = make(&alone).await;
    let (whole, tally) = (whole.truth.tally, &report.truth.tally);
    assert_eq!(
        (tally.orders, tally.purchase_days, tally.customers_alive),
        (whole.orders, whole.purchase_days, whole.customers_alive),
    );
    // A value in francs is rounded to the centime: up to half a cent and a little, for each order.
    let apart = tally.revenue_ten_thousandths - whole.revenue_ten_thousandths;
    assert!(apart.unsigned_abs() <= 60 * whole.foreign_orders, "{apart}");
    let batches = parquet(&objects, "orders");
    assert_eq!(rows(&batches), tally.rows["orders.orders"]);
    assert_eq!(
        100 * units_of(&batches, "order_amount"),
        i128::from(tally.revenue_ten_thousandths)
    );
    // Twelve quarters and the parameters.
    assert_eq!(objects.len(), 13);
    assert!(objects.contains_key("orders/2022-q1/orders-00000.parquet"));
}

#[tokio::test]
async fn options_out_of_range_are_refused() {
    let refused = |options| async move {
        generate(
            &options,
            Arc::new(InMemory::new()),
            &Path::default(),
            |_| {},
        )
        .await
        .unwrap_err()
        .to_string()
    };
    assert_eq!(
        refused(company(0, 1)).await,
        "0 customers asked for; there must be 1 to 200000000"
    );
    let early = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    assert_eq!(
        refused(GenerateOptions {
            as_of: early,
            ..company(1, 1)
        })
        .await,
        "the company's history cannot end at 1970-01-01; it must end between 1975-01-01 and 2200-01-01"
    );
}
