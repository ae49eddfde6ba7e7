//! Raw tables read through DataFusion, from memory and from the shared data.

use std::io::Write;
use std::sync::Arc;

use ::bytes::Bytes;
use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::*;
use crate::failure::FailureKind;
use crate::spec::SourceText;
use crate::spec::source::RawTable;
use crate::spec::yaml::decode;
use crate::store::{Store, StoreKind};

pub(super) fn declared(yaml: &str) -> RawTable {
    let text = format!("description: d\n{yaml}");
    let file = Arc::new(SourceText {
        path: "raw.yml".into(),
        text,
    });
    decode(&file, &|_| None).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(super) async fn memory(objects: &[(&str, &[u8])]) -> Store {
    let memory = InMemory::new();
    for (path, bytes) in objects {
        let payload = Bytes::copy_from_slice(bytes).into();
        memory
            .put(&Path::parse(path).unwrap(), payload)
            .await
            .unwrap();
    }
    Store::new(
        Arc::new(memory),
        Path::default(),
        "memory:".into(),
        StoreKind::Memory,
    )
}

/// A raw table `shop.orders` and what became of it.
pub(super) struct Raw {
    pub(super) provider: Arc<RawTableProvider>,
    pub(super) set_aside: Arc<SetAside>,
    context: SessionContext,
}

impl Raw {
    pub(super) async fn open(store: Store, yaml: &str) -> Result<Self, SourceError> {
        Self::open_with(store, yaml, SessionConfig::new().with_target_partitions(2)).await
    }

    async fn open_with(
        store: Store,
        yaml: &str,
        config: SessionConfig,
    ) -> Result<Self, SourceError> {
        let set_aside = SetAside::new(&std::env::temp_dir());
        let table = declared(yaml);
        let all = Selection::All;
        let tolerance = Tolerance {
            max_bad_share: 0.01,
            schema_drift: table.schema_drift.unwrap_or_default(),
        };
        let provider =
            RawTableProvider::open("shop", "orders", &table, tolerance, store, &all, &set_aside)
                .await?;
        let context = SessionContext::new_with_config(config);
        context
            .register_table("orders", Arc::clone(&provider) as _)
            .unwrap();
        Ok(Self {
            provider,
            set_aside,
            context,
        })
    }

    async fn try_sql(&self, sql: &str) -> datafusion::error::Result<Vec<RecordBatch>> {
        self.context.sql(sql).await?.collect().await
    }

    pub(super) async fn sql(&self, sql: &str) -> String {
        pretty_format_batches(&self.try_sql(sql).await.unwrap())
            .unwrap()
            .to_string()
    }

    pub(super) async fn number(&self, sql: &str) -> String {
        let batches = self.try_sql(sql).await.unwrap();
        array_value_to_string(batches[0].column(0), 0).unwrap()
    }

    pub(super) async fn failure(&self, sql: &str) -> (FailureKind, String) {
        let error = self.try_sql(sql).await.unwrap_err();
        let error = SourceError::inside(&error).unwrap();
        (error.kind(), error.to_string())
    }

    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let counts = self.provider.tally().counts();
        (counts.rows_read, counts.rows_kept(), counts.rows_set_aside)
    }

    /// `file:line column: reason | raw text` of every row set aside.
    pub(super) fn aside(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for batch in self.set_aside.batches() {
            let batch = batch.unwrap();
            let text =
                |column: usize, row| array_value_to_string(batch.column(column), row).unwrap();
            for row in 0..batch.num_rows() {
                assert_eq!(text(0, row), "shop.orders");
                let (file, line, raw) = (text(1, row), text(2, row), text(3, row));
                rows.push(format!(
                    "{file}:{line} {}: {} | {raw}",
                    text(4, row),
                    text(5, row)
                ));
            }
        }
        rows
    }
}

pub(super) fn table(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

pub(super) const ORDERS: &str = "path: \"*.csv\"\nformat: {csv: {}}\ncolumns:
  id: {type: bigint, required: true}
  day: {type: date}
  amount: {type: \"decimal(10,2)\"}
  note: {type: varchar}
";

#[tokio::test]
async fn rows_are_kept_or_set_aside_with_file_line_text_and_reason() {
    let a = "\u{feff}note,extra,id,amount,day\r\n\
             \"two\nlines\",x,1,2.50,2024-01-02\r\n\
             ,x,2,,\r\n\
             \"he said \"\"no\"\"\",x,17850.0,1,2024-01-02\r\n\
             short,x,4\r\n\
             \"multi\nline\",x,,1,2024-01-02\r\n\
             \r\n\
             z,x,6,1.005,2024-01-02\r\n\
             \"a\"b,x,7,1,2024-01-02\r\n\
             z,x,8,1,02.01.2024\r\n";
    let b = b"id,day,amount,note\n9,2024-02-03,9.99,caf\xC3\xA9\n10,2024-02-03,1,\xFF";
    let store = memory(&[("b.csv", b), ("a.csv", a.as_bytes())]).await;
    let raw = Raw::open(store, &drifting("ignore_new")).await.unwrap();
    assert_eq!(
        raw.sql("select * from orders order by id").await,
        table(
            "+----+------------+--------+-------+-------+-------+
             | id | day        | amount | note  | _file | _line |
             +----+------------+--------+-------+-------+-------+
             | 1  | 2024-01-02 | 2.50   | two   | a.csv | 2     |
             |    |            |        | lines |       |       |
             | 2  |            |        |       | a.csv | 4     |
             | 9  | 2024-02-03 | 9.99   | café  | b.csv | 2     |
             +----+------------+--------+-------+-------+-------+"
        )
    );
    assert_eq!(raw.counts(), (10, 3, 7));
    assert_eq!(
        raw.aside(),
        [
            "a.csv:5 id: `17850.0` is not a bigint | \"he said \"\"no\"\"\",x,17850.0,1,2024-01-02",
            "a.csv:6 : 5 cells expected, 3 found | short,x,4",
            "a.csv:7 id: no value, but one is required | \"multi\nline\",x,,1,2024-01-02",
            "a.csv:10 amount: `1.005` has more than 2 digits behind the point | z,x,6,1.005,2024-01-02",
            "a.csv:11 note: text behind a closing quote | \"a\"b,x,7,1,2024-01-02",
            "a.csv:12 day: `02.01.2024` is not an ISO 8601 date | z,x,8,1,02.01.2024",
            "b.csv:3 note: not valid UTF-8 | 10,2024-02-03,1,\u{FFFD}",
        ]
    );
}

#[tokio::test]
async fn blanks_as_delimiter() {
    let text =
        b" id  day qty  amount\r\n 00001 19970101  1   11.77\r\n 00002 19970112  x   12.00\r\n";
    let store = memory(&[("m.txt", text)]).await;
    let yaml = "path: m.txt\nformat: {csv: {delimiter: whitespace}}\ncolumns:
  amount: {type: \"decimal(10,2)\"}
  id: {type: varchar}
  day: {type: date, format: \"%Y%m%d\"}
  qty: {type: bigint}
";
    let raw = Raw::open(store, yaml).await.unwrap();
    assert_eq!(
        raw.sql("select amount, id, day, qty from orders").await,
        table(
            "+--------+-------+------------+-----+
             | amount | id    | day        | qty |
             +--------+-------+------------+-----+
             | 11.77  | 00001 | 1997-01-01 | 1   |
             +--------+-------+------------+-----+"
        )
    );
    assert_eq!(
        raw.aside(),
        ["m.txt:3 qty: `x` is not a bigint |  00002 19970112  x   12.00"]
    );
}

#[tokio::test]
async fn without_a_header_columns_stand_in_their_order() {
    let store = memory(&[("x.csv", b"1;a;\"x\"\n2;NA;y\n3;b\n4;c;d;e\n")]).await;
    let yaml = "path: x.csv
format: {csv: {header: false, delimiter: \";\", quote: null, null_values: [NA]}}
columns: {id: {type: bigint}, b: {type: varchar}, c: {type: varchar}}
";
    let raw = Raw::open(store, yaml).await.unwrap();
    assert_eq!(
        raw.sql("select id, b is null as missing, c from orders order by id")
            .await,
        table(
            "+----+---------+-----+
             | id | missing | c   |
             +----+---------+-----+
             | 1  | false   | \"x\" |
             | 2  | true    | y   |
             +----+---------+-----+"
        )
    );
    assert_eq!(
        raw.aside(),
        [
            "x.csv:3 : 3 cells expected, 2 found | 3;b",
            "x.csv:4 : 3 cells expected, 4 found | 4;c;d;e"
        ]
    );
}

#[tokio::test]
async fn an_object_damaged_as_a_whole_is_an_error_that_names_it() {
    let gz = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder
            .write_all(&b"id,day,amount,note\n1,,,\n".repeat(1000))
            .unwrap();
        encoder.finish().unwrap()
    };
    for (file, bytes, message) in [
        (
            "a.csv",
            b"id,day,amount,note\n1,,,\"open\n2,,,\n".as_slice(),
            "shop.orders: a.csv is damaged: a quote that opens in line 2 is never closed",
        ),
        (
            "b.csv.gz",
            &gz[..gz.len() - 9],
            "shop.orders: b.csv.gz is damaged: it ends in the middle of compressed data",
        ),
        (
            "c.csv.zst",
            b"id,day,amount,note\n",
            "shop.orders: c.csv.zst is damaged: its compressed data cannot be decoded",
        ),
        (
            "d.csv",
            b"id,date,amount,note\n1,,,\n",
            "shop.orders: the columns of d.csv are not those that are declared: `day` is missing (is it `date` now?); \
             `date` is new. Mend the file or the declaration, or say schema_drift: set_aside, which sets its rows \
             aside as far as max_bad_share allows",
        ),
        (
            "e.csv",
            b"id,day,amount,note,day\n1,,,,\n",
            "shop.orders: e.csv has the column `day` more than once",
        ),
    ] {
        let yaml = ORDERS.replace("*.csv", file);
        let raw = Raw::open(memory(&[(file, bytes)]).await, &yaml)
            .await
            .unwrap();
        let failure = raw.failure("select count(*) from orders").await;
        assert_eq!(failure, (FailureKind::DataQuality, message.to_owned()));
        assert_eq!(raw.set_aside.rows(), 0, "{file}");
        assert!(raw.provider.drain_unread(1).await.is_err(), "{file}");
    }
}

/// [`ORDERS`] with a policy for columns that are not as declared.
pub(super) fn drifting(policy: &str) -> String {
    format!("{ORDERS}schema_drift: {policy}\n")
}

#[tokio::test]
async fn an_empty_object_has_no_rows_and_a_warning() {
    let store = memory(&[("a.csv", b""), ("b.csv", b"id,day,amount,note,x\n")]).await;
    let raw = Raw::open(store, &drifting("ignore_new")).await.unwrap();
    assert_eq!(raw.number("select count(*) from orders").await, "0");
    assert_eq!(raw.counts(), (0, 0, 0));
    assert_eq!(
        raw.provider.tally().warnings(),
        [
            "shop.orders: a.csv is empty",
            "shop.orders: columns that are not declared are ignored: `x`"
        ]
    );
    raw.provider.check_share().unwrap();
}

/// `rows` good rows and, after every tenth of them, a bad one.
fn dirty(rows: u64) -> Vec<u8> {
    let mut text = b"id,day,amount,note\n".to_vec();
    for row in 0..rows {
        writeln!(
            text,
            "{row},2024-01-02,{}.25,some text that is not short {row}",
            row % 100
        )
        .unwrap();
        if row % 10 == 9 {
            writeln!(text, "{row},2024-13-02,1,bad").unwrap();
        }
    }
    text
}

#[tokio::test]
async fn counts_do_not_depend_on_what_sql_asks_for() {
    let (a, b, c) = (dirty(20_000), dirty(9_000), dirty(10));
    let mut seen = Vec::new();
    for statements in [
        vec![],
        vec!["select * from orders limit 1"],
        vec!["select count(*) from orders"],
        vec![
            "select sum(amount) from orders",
            "select max(note) from orders",
            "select * from orders limit 5",
        ],
        vec!["select o.id from orders o join (select 1 as id where false) n on o.id = n.id"],
        vec!["select count(*) from orders a join orders b on a.id = b.id and a._file = b._file"],
    ] {
        let store = memory(&[("a.csv", &a), ("b.csv", &b), ("c.csv", &c)]).await;
        let raw = Raw::open(store, ORDERS).await.unwrap();
        for sql in &statements {
            raw.try_sql(sql).await.unwrap();
        }
        raw.provider.drain_unread(2).await.unwrap();
        assert!(raw.provider.tally().is_complete());
        assert_eq!(raw.counts(), (31_911, 29_010, 2_901), "{statements:?}");
        assert_eq!(raw.set_aside.rows(), 2_901, "{statements:?}");
        let counts = raw.provider.tally().counts();
        assert_eq!(counts.bytes, (a.len() + b.len() + c.len()) as u64);
        assert_eq!(counts.bytes, raw.provider.tally().bytes_in_all());
        seen.push(raw.aside());
    }
    assert!(seen.iter().all(|aside| *aside == seen[0]));
    assert_eq!(
        seen[0][0],
        "a.csv:12 day: `2024-13-02` is not an ISO 8601 date | 9,2024-13-02,1,bad"
    );
}

#[tokio::test]
async fn too_many_bad_rows_are_an_error_with_examples() {
    let raw = Raw::open(memory(&[("c.csv", &dirty(40))]).await, ORDERS)
        .await
        .unwrap();
    raw.provider.drain_unread(1).await.unwrap();
    let error = raw.provider.check_share().unwrap_err();
    assert_eq!(error.kind(), FailureKind::DataQuality);
    assert_eq!(
        error.to_string(),
        "shop.orders: 4 of 44 rows were set aside (9.09 %), more than max_bad_share allows (1.00 %); the first: \
         c.csv:12 day: `2024-13-02` is not an ISO 8601 date; \
         c.csv:23 day: `2024-13-02` is not an ISO 8601 date; \
         c.csv:34 day: `2024-13-02` is not an ISO 8601 date. Look at these lines and mend the files or the declaration; \
         max_bad_share of the table or its source file bounds how many may be set aside"
    );
}

#[tokio::test]
async fn compressed_objects_read_like_plain_ones() {
    let text = dirty(40_000);
    let gz: Vec<u8> = text
        .chunks(400_000)
        .flat_map(|member| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(member).unwrap();
            encoder.finish().unwrap()
        })
        .collect();
    let zst = zstd::encode_all(text.as_slice(), 1).unwrap();
    for (file, bytes) in [("a.csv", &text), ("a.csv.gz", &gz), ("a.csv.zst", &zst)] {
        let yaml = ORDERS.replace("*.csv", file);
        let raw = Raw::open(memory(&[(file, bytes)]).await, &yaml)
            .await
            .unwrap();
        assert_eq!(
            raw.number("select sum(amount) from orders").await,
            "1990000.00",
            "{file}"
        );
        assert_eq!(raw.counts(), (44_000, 40_000, 4_000), "{file}");
    }
}

#[tokio::test]
async fn partitions_are_columns() {
    let store = memory(&[
        ("y/day=2024-01-02/shop=B/1.csv", b"id\n1\n2\n"),
        (
            "y/day=2024-01-01/shop=__HIVE_DEFAULT_PARTITION__/1.csv",
            b"id\n3\n",
        ),
    ])
    .await;
    let yaml = "path: \"y/**/*.csv\"\nformat: {csv: {}}\ncolumns: {id: {type: bigint}}
partitions: {day: date, shop: varchar}
";
    let raw = Raw::open(store, yaml).await.unwrap();
    assert_eq!(
        raw.sql("select shop, day, id, _line from orders order by id")
            .await,
        table(
            "+------+------------+----+-------+
             | shop | day        | id | _line |
             +------+------------+----+-------+
             | B    | 2024-01-02 | 1  | 2     |
             | B    | 2024-01-02 | 2  | 3     |
             |      | 2024-01-01 | 3  | 2     |
             +------+------------+----+-------+"
        )
    );
}

#[tokio::test]
async fn json_lines() {
    let text = br#"{"id": 1, "amount": 2.50, "note": "caf\u00e9 \"x\"", "day": "2024-01-02", "other": {"id": [2]}}
{"note":null,"id":"2","amount":"0.1"}

{"id": 17850.0}
[1]
{"id": 5,
{"id": 6, "amount": 1e2}
{"id": 7, "note": {"a": ["}", 1]}, "amount": 3}
{"id": 8, "day": ["2024-01-02"]}
{"id": 9, "id": 10}
{"amount": 1}
{"id":11,"amount":12345678901234567.89}
{"id": 12, "note": 7.10}
{"id": 13, "note": true}
{"id": 1.4e1, "amount": "1e2"}
{"id": 15, "amount": 1e-3}
{"id": 1e400}
"#;
    let store = memory(&[("a.ndjson", text)]).await;
    let yaml = drifting("ignore_new")
        .replace("*.csv", "a.ndjson")
        .replace("csv: {}", "ndjson: {}");
    let raw = Raw::open(store, &yaml).await.unwrap();
    assert_eq!(
        raw.sql("select id, day, amount, note, _line from orders order by id")
            .await,
        table(
            r#"+----+------------+--------+----------+-------+
               | id | day        | amount | note     | _line |
               +----+------------+--------+----------+-------+
               | 1  | 2024-01-02 | 2.50   | café "x" | 1     |
               | 2  |            | 0.10   |          | 2     |
               | 6  |            | 100.00 |          | 7     |
               | 12 |            |        | 7.10     | 13    |
               +----+------------+--------+----------+-------+"#
        )
    );
    assert_eq!(
        raw.aside(),
        [
            r#"a.ndjson:4 id: `17850.0` is not a bigint | {"id": 17850.0}"#,
            "a.ndjson:5 : no JSON object | [1]",
            r#"a.ndjson:6 : no JSON: EOF while parsing an object at column 9 | {"id": 5,"#,
            r#"a.ndjson:8 note: `{"a": ["}", 1]}` is an object, not text | {"id": 7, "note": {"a": ["}", 1]}, "amount": 3}"#,
            r#"a.ndjson:9 day: `["2024-01-02"]` is an array, not a date | {"id": 8, "day": ["2024-01-02"]}"#,
            r#"a.ndjson:10 id: the key stands twice in the object | {"id": 9, "id": 10}"#,
            r#"a.ndjson:11 id: no value, but one is required | {"amount": 1}"#,
            r#"a.ndjson:12 amount: `12345678901234567.89` is too large for decimal(10,2) | {"id":11,"amount":12345678901234567.89}"#,
            r#"a.ndjson:14 note: `true` is a boolean, not text | {"id": 13, "note": true}"#,
            r#"a.ndjson:15 amount: `1e2` is not a number | {"id": 1.4e1, "amount": "1e2"}"#,
            r#"a.ndjson:16 amount: `0.001` has more than 2 digits behind the point | {"id": 15, "amount": 1e-3}"#,
            r#"a.ndjson:17 id: `1e400` is not a bigint | {"id": 1e400}"#,
        ]
    );
    assert_eq!(raw.counts(), (16, 4, 12));
}
