//! What a whole generation promises.

use std::collections::BTreeMap;
use std::io::Read as _;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, Int64Type};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

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

fn lines(bytes: &[u8], count: usize) -> String {
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

fn cents(batches: &[RecordBatch], column: &str) -> i128 {
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
    let digest = |objects: &Objects| {
        let mut digest = Sha256::new();
        for (path, bytes) in objects {
            digest.update(path);
            digest.update(bytes);
        }
        digest.finalize()
    };
    // A chunk and a little of a second.
    let (one, report) = make(&company(10_050, 1)).await;
    let (two, again) = make(&company(10_050, 2)).await;
    assert_eq!(digest(&one), digest(&two));
    assert_eq!(report, again);

    // A small company is the beginning of a large one.
    let (small, _) = make(&company(10_000, 1)).await;
    let shared: Vec<_> = small
        .keys()
        .filter(|path| path.contains("-00000."))
        .collect();
    assert_eq!(shared.len(), 7);
    assert!(shared.iter().all(|path| small[*path] == one[*path]));
}

#[tokio::test]
async fn the_raw_files_begin_as_documented() {
    let (objects, _) = make(&company(50, 1)).await;
    let paths: Vec<&str> = objects.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "crm/customers/customers-00000.csv.gz",
            "shop/order_lines/lines-00000.parquet",
            "shop/orders/year=2022/orders-00000.csv",
            "shop/orders/year=2023/orders-00000.csv",
            "shop/orders/year=2024/orders-00000.csv",
            "shop/products/products.ndjson",
            "shop/returns/returns-00000.ndjson.zst",
            "truth/customers-00000.parquet",
            "truth/parameters.json",
        ]
    );
    assert_eq!(lines(&unpacked(&objects, "crm"), 3), GOLDEN_CUSTOMERS);
    assert_eq!(lines(&unpacked(&objects, "shop/orders"), 3), GOLDEN_ORDERS);
    assert_eq!(
        lines(&unpacked(&objects, "shop/products"), 1),
        GOLDEN_PRODUCTS
    );
    assert_eq!(
        lines(&unpacked(&objects, "shop/returns"), 1),
        GOLDEN_RETURNS
    );
}

const GOLDEN_CUSTOMERS: &str = concat!(
    "\u{feff}customer_id;name;email;address;country;birth_date;acquisition_channel;marketing_consent;store_credit;created_on\n",
    "C000000000;Lucía Nowak;customer0@example.org;\"Hauptstraße 28\n",
    "10115 Berlin\";ES;16.08.2004;search;yes;0,00;20.07.2024\n",
);
const GOLDEN_ORDERS: &str = concat!(
    "order_id,customer_id,ordered_at,channel,status,payment_method,order_total\r\n",
    "000000008192,C000000002,2022-07-11 14:19:42,app,shipped,invoice,53.11\r\n",
    "000000008193,C000000002,2022-07-12 10:16:29,web,shipped,card,110.56\r\n",
);
const GOLDEN_PRODUCTS: &str = "{\"sku\":\"P0001\",\"name\":\"Espresso No. 1\",\"category\":\"Coffee\",\"list_price\":0.90,\"unit_cost\":0.38,\"tags\":[\"coffee\"]}\n";
const GOLDEN_RETURNS: &str = "{\"return_id\":\"R000000008193-1\",\"order_id\":\"000000008193\",\"line_number\":1,\"sku\":\"P0202\",\"returned_on\":\"2022-07-19\",\"quantity\":1,\"refund\":27.64,\"restocked_cost\":14.02,\"reason\":\"not as described\"}\n";

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
    assert_eq!(
        occurrences(&unpacked(&objects, "shop/returns"), b"\n"),
        tally.rows["shop.returns"]
    );
    assert_eq!(
        occurrences(&unpacked(&objects, "shop/products"), b"\n"),
        tally.rows["shop.products"]
    );
    assert_eq!(
        rows(&parquet(&objects, "shop/order_lines")),
        tally.rows["shop.order_lines"]
    );

    let truths = parquet(&objects, "truth/customers");
    assert_eq!(rows(&truths), tally.customers);
    assert_eq!(cents(&truths, "revenue"), i128::from(tally.revenue_cents));
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

#[tokio::test]
async fn lines_add_up_to_the_orders_they_belong_to() {
    let (objects, report) = make(&GenerateOptions {
        dirty: false,
        ..company(1_000, 1)
    })
    .await;
    let mut sums = BTreeMap::<String, i128>::new();
    for batch in parquet(&objects, "shop/order_lines") {
        let ids = batch.column(0).as_string::<i32>();
        let quantities = batch.column(3).as_primitive::<Int64Type>();
        let prices = batch.column(4).as_primitive::<Decimal128Type>();
        let discounts = batch.column(5).as_primitive::<Decimal128Type>();
        for row in 0..batch.num_rows() {
            let amount =
                i128::from(quantities.value(row)) * prices.value(row) - discounts.value(row);
            *sums.entry(ids.value(row).to_owned()).or_default() += amount;
        }
    }
    let (mut orders, mut sales, mut anonymous) = (0, 0, 0);
    for line in String::from_utf8(unpacked(&objects, "shop/orders"))
        .unwrap()
        .lines()
    {
        let cells: Vec<&str> = line.split(',').collect();
        if cells[0] == "order_id" {
            continue;
        }
        let total: i128 = cells[6].replace('.', "").parse().unwrap();
        assert_eq!(sums[cells[0]], total, "order {}", cells[0]);
        orders += 1;
        match (cells[1], cells[4]) {
            ("", _) => anonymous += total,
            (_, "shipped") => sales += total,
            _ => {}
        }
    }
    assert_eq!(orders, sums.len());
    assert_eq!(sales, i128::from(report.truth.tally.revenue_cents));
    assert_eq!(
        anonymous,
        i128::from(report.truth.tally.anonymous_revenue_cents)
    );
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
    let mut crm = csv(3);
    crm.extend([(Dirt::UnparsableDate, 4), (Dirt::NumberWithLetters, 4)]);
    assert_eq!(tally.rows_set_aside["crm.customers"], crm);
    assert_eq!(tally.rows_set_aside["shop.orders"], csv(25));
    assert_eq!(
        tally.rows_set_aside["shop.order_lines"],
        each(&[(Dirt::MissingRequired, 375)])
    );
    assert_eq!(
        tally.rows_set_aside["shop.products"],
        each(&[(Dirt::BrokenJson, 1)])
    );
    assert_eq!(
        tally.rows_set_aside["shop.returns"],
        each(&[
            (Dirt::UnparsableDate, 2),
            (Dirt::NumberWithLetters, 2),
            (Dirt::MissingRequired, 2),
            (Dirt::InvalidUtf8, 2),
            (Dirt::BrokenJson, 2),
        ])
    );
    assert_eq!(tally.set_aside(None), 20 + 150 + 375 + 1 + 10);
    // 20 are faulty, 20 never came.
    assert_eq!(tally.customers_without_crm_row, 40);
    assert_eq!(tally.rows["crm.customers"], 6_000 - 20);
    assert_eq!(tally.repeated_order_rows, 30);

    let orders = unpacked(&objects, "shop/orders");
    assert_eq!(occurrences(&orders, b",2023-13-45 10:00:00,"), 25);
    assert_eq!(occurrences(&orders, b",4O.90\r\n"), 25);
    assert_eq!(occurrences(&orders, b"\n,C"), 25);
    assert_eq!(occurrences(&orders, b",Dr.,"), 25);
    assert_eq!(occurrences(&orders, b"J\xfcrgen"), 25);
    for (table, rows) in &tally.rows {
        let share = tally.set_aside(Some(table)) as f64 / *rows as f64;
        assert!((0.0024..0.0046).contains(&share), "{table}: {share}");
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
    assert_eq!(clean.rows["crm.customers"], 1_000);
    assert_eq!(
        (
            clean.purchase_days,
            clean.revenue_cents,
            clean.order_lines,
            clean.refund_cents
        ),
        (
            dirty.purchase_days,
            dirty.revenue_cents,
            dirty.order_lines,
            dirty.refund_cents
        ),
    );
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
    let margin = 1.0 - tally.cost_cents as f64 / tally.revenue_cents as f64;
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
        (
            tally.orders,
            tally.purchase_days,
            tally.revenue_cents,
            tally.customers_alive
        ),
        (
            whole.orders,
            whole.purchase_days,
            whole.revenue_cents,
            whole.customers_alive
        ),
    );
    let batches = parquet(&objects, "orders");
    assert_eq!(rows(&batches), tally.rows["orders.orders"]);
    assert_eq!(
        cents(&batches, "order_amount"),
        i128::from(tally.revenue_cents)
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
