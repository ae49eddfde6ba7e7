//! Parquet files written here and read as raw tables.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};

use super::tests::{Raw, memory, table};
use crate::failure::FailureKind;

pub(super) fn file(columns: Vec<(&str, ArrayRef, bool)>, rows_a_group: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows_a_group))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

const YAML: &str = "path: \"*.parquet\"\nformat: parquet\ncolumns:
  id: {type: bigint, required: true}
  amount: {type: \"decimal(10,2)\"}
  at: {type: timestamp}
  note: {type: varchar}
  rate: {type: double}
";

fn sample() -> Vec<u8> {
    let amount = Decimal128Array::from(vec![
        Some(25_000),
        Some(25_001),
        None,
        Some(1_0000),
        Some(0),
    ]);
    let at = TimestampNanosecondArray::from(vec![Some(1_000), None, Some(0), Some(1_500), Some(0)]);
    file(
        vec![
            (
                "note",
                Arc::new(BinaryArray::from(vec![
                    Some(b"a".as_slice()),
                    None,
                    Some(b"\xFF"),
                    Some(b"d"),
                    Some(b"e"),
                ])),
                true,
            ),
            (
                "id",
                Arc::new(UInt64Array::from(vec![
                    Some(1),
                    Some(2),
                    Some(3),
                    Some(4),
                    None,
                ])),
                true,
            ),
            (
                "amount",
                Arc::new(amount.with_precision_and_scale(20, 4).unwrap()),
                true,
            ),
            ("at", Arc::new(at), true),
            (
                "rate",
                Arc::new(Float64Array::from(vec![0.5, 1.0, 1.0, 1.0, f64::NAN])),
                true,
            ),
        ],
        2,
    )
}

#[tokio::test]
async fn values_that_would_lose_something_are_set_aside() {
    let raw = Raw::open(memory(&[("a.parquet", &sample())]).await, YAML)
        .await
        .unwrap();
    assert_eq!(
        raw.sql("select * from orders").await,
        table(
            "+----+--------+-----------------------------+------+------+-----------+-------+
             | id | amount | at                          | note | rate | _file     | _line |
             +----+--------+-----------------------------+------+------+-----------+-------+
             | 1  | 2.50   | 1970-01-01T00:00:00.000001Z | a    | 0.5  | a.parquet | 1     |
             +----+--------+-----------------------------+------+------+-----------+-------+"
        )
    );
    assert_eq!(raw.counts(), (5, 1, 4));
    assert_eq!(
        raw.aside(),
        [
            r#"a.parquet:2 amount: does not fit decimal(10,2) without loss | {"note":null,"id":2,"amount":2.5001,"at":null,"rate":1.0}"#,
            r#"a.parquet:3 note: does not fit varchar without loss | {"note":"ff","id":3,"amount":null,"at":"1970-01-01T00:00:00","rate":1.0}"#,
            r#"a.parquet:4 at: does not fit timestamp without loss | {"note":"64","id":4,"amount":1.0000,"at":"1970-01-01T00:00:00.000001500","rate":1.0}"#,
            r#"a.parquet:5 id: no value, but one is required | {"note":"65","id":null,"amount":0.0000,"at":"1970-01-01T00:00:00","rate":null}"#,
        ]
    );
}

#[tokio::test]
async fn what_is_kept_does_not_depend_on_the_columns_asked_for() {
    for sql in [
        "select count(*) from orders",
        "select count(rate) from orders",
        "select count(_line) from orders",
    ] {
        let raw = Raw::open(memory(&[("a.parquet", &sample())]).await, YAML)
            .await
            .unwrap();
        assert_eq!(raw.number(sql).await, "1", "{sql}");
        assert_eq!(raw.counts(), (5, 1, 4), "{sql}");
        assert_eq!(raw.set_aside.rows(), 4, "{sql}");
    }
    let raw = Raw::open(memory(&[("a.parquet", &sample())]).await, YAML)
        .await
        .unwrap();
    raw.sql("select id from orders limit 1").await;
    raw.provider.drain_unread(2).await.unwrap();
    assert_eq!((raw.counts(), raw.set_aside.rows()), ((5, 1, 4), 4));
}

#[tokio::test]
async fn row_groups_are_read_apart_and_number_their_rows_through() {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let notes: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..10_000).map(|n| format!("n{n}")),
    ));
    let bytes = file(vec![("id", ids, false), ("note", notes, false)], 1_000);
    let yaml = "path: a.parquet\nformat: parquet\ncolumns: {id: {type: bigint, required: true}, note: {type: varchar}}\n";
    let raw = Raw::open(memory(&[("a.parquet", &bytes)]).await, yaml)
        .await
        .unwrap();
    assert_eq!(
        raw.number("select count(*) from orders where _line = id + 1 and note = 'n' || id")
            .await,
        "10000"
    );
    let plan = raw.sql("explain select id from orders").await;
    assert!(
        plan.contains("RawTableExec: source=shop.orders, objects=1, partitions=2, columns=[id]"),
        "{plan}"
    );
    assert_eq!(raw.counts(), (10_000, 10_000, 0));
}

#[tokio::test]
async fn rows_of_a_file_whose_columns_drifted_can_be_set_aside() {
    let key: ArrayRef = Arc::new(Int64Array::from(vec![7, 8, 9]));
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let (a, b) = (
        file(vec![("id", id, true)], 10),
        file(vec![("key", key, true)], 2),
    );
    let store = memory(&[("a.parquet", &a), ("b.parquet", &b)]).await;
    let yaml = "path: \"*.parquet\"\nformat: parquet\nschema_drift: set_aside\ncolumns: {id: {type: bigint}}\n";
    let raw = Raw::open(store, yaml).await.unwrap();
    assert_eq!(raw.number("select sum(id) from orders").await, "3");
    assert_eq!(raw.number("select count(*) from orders").await, "2");
    assert_eq!(raw.counts(), (5, 2, 3));
    assert_eq!(
        raw.aside(),
        [1, 2, 3].map(|row| format!(
            "b.parquet:{row} : `id` is missing (is it `key` now?); `key` is new | "
        ))
    );
}

#[tokio::test]
async fn files_that_do_not_fit_as_a_whole_are_errors() {
    let id: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    let whole = file(vec![("id", id, true)], 10);
    let mut torn = whole.clone();
    torn.truncate(whole.len() - 20);
    let one = |column: &str, of: &str| {
        format!("path: a.parquet\nformat: parquet\ncolumns: {{{column}: {{type: {of}}}}}\n")
    };
    for (bytes, yaml, message) in [
        (
            &whole,
            one("id", "bigint"),
            "shop.orders: the columns of a.parquet are not those that are declared: `id` is Float64, which cannot be \
             read as bigint without loss. Mend the file or the declared type or format, or say schema_drift: set_aside, \
             which sets its rows aside as far as max_bad_share allows",
        ),
        (
            &whole,
            one("key", "double"),
            "shop.orders: the columns of a.parquet are not those that are declared: `key` is missing (is it `id` now?); \
             `id` is new. Mend the file or the declaration, or say schema_drift: set_aside, which sets its rows \
             aside as far as max_bad_share allows",
        ),
        (
            &torn,
            one("id", "double"),
            "shop.orders: a.parquet is damaged: it cannot be read as Parquet",
        ),
    ] {
        let error = Raw::open(memory(&[("a.parquet", bytes)]).await, &yaml)
            .await
            .err()
            .unwrap();
        assert_eq!(
            (error.kind(), error.to_string()),
            (FailureKind::DataQuality, message.to_owned())
        );
    }
}
