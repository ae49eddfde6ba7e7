//! Same rows, same bytes; and what is refused while writing.

use arrow::array::{Float64Array, StringViewArray, TimestampSecondArray, UInt64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::failure::FailureKind;

/// `count` rows of every published type, with nulls.
fn varied(count: usize) -> RecordBatch {
    let n = 0..count as i64;
    let nullable = |x: i64| (x % 7 != 3).then_some(x);
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
        n.clone().map(|x| format!("customer {x:09}")),
    ));
    let segments = n
        .clone()
        .map(|x| nullable(x).map(|x| format!("segment {}", x % 11)));
    let segments: ArrayRef = Arc::new(segments.collect::<StringViewArray>());
    let scores: ArrayRef = Arc::new(
        n.clone()
            .map(|x| nullable(x).map(|x| x as f64 / 3.0))
            .collect::<Float64Array>(),
    );
    let seen: ArrayRef = Arc::new(n.map(nullable).collect::<TimestampSecondArray>());
    let columns = [
        ("id", ids, false),
        ("segment", segments, true),
        ("score", scores, true),
        ("seen_at", seen, true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn varied_table() -> TableToWrite {
    TableToWrite::from_schema("varied", &varied(1).schema(), &["id"]).unwrap()
}

/// The published file of `batches`, encoded by `threads`.
async fn file_of(table: &TableToWrite, batches: Vec<RecordBatch>, threads: usize) -> Vec<u8> {
    let target = in_memory();
    let options = BeginOptions {
        pool: pool(threads),
        ..options("run-1")
    };
    let publication = Publication::begin(target.clone(), options).await.unwrap();
    let written = publication.prepare(table, rows(batches)).await.unwrap();
    let bytes = content(&target, &target.absolute(&written.files[0].path)).await;
    assert_eq!(written.files[0].bytes, bytes.len() as u64);
    assert_eq!(written.files[0].sha256, sha256(&bytes));
    bytes
}

fn cut(batch: &RecordBatch, size: usize) -> Vec<RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(size);
    starts
        .map(|start| batch.slice(start, size.min(batch.num_rows() - start)))
        .collect()
}

#[tokio::test]
async fn bytes_do_not_depend_on_how_batches_are_cut_or_on_threads() {
    let batch = varied(20_000);
    let table = varied_table();
    let whole = file_of(&table, vec![batch.clone()], 1).await;
    for (size, threads) in [(1, 2), (1000, 1), (8192, 2), (8193, 3)] {
        let other = file_of(&table, cut(&batch, size), threads).await;
        assert!(
            other == whole,
            "batches of {size} rows on {threads} threads give other bytes"
        );
    }
}

#[tokio::test]
async fn rows_beyond_a_row_group_come_back_as_they_were() {
    let count = encode::ROW_GROUP_ROWS + 10_001;
    let batch = varied(count);
    let table = varied_table();
    let file = file_of(&table, cut(&batch, 5000), 2).await;
    assert!(file == file_of(&table, vec![batch.clone()], 1).await);

    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    let groups: Vec<i64> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.num_rows())
        .collect();
    assert_eq!(groups, [encode::ROW_GROUP_ROWS as i64, 10_001]);
    assert_eq!(*reader.schema().fields(), *table.schema().fields());
    let read: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let read = concat_batches(read[0].schema_ref(), &read).unwrap();
    for position in 0..4 {
        let expected = arrow::compute::cast(
            batch.column(position),
            table.schema().field(position).data_type(),
        );
        assert_eq!(read.column(position), &expected.unwrap());
    }
}

#[tokio::test]
async fn an_empty_table_is_published_with_its_columns() {
    let table = customers_table();
    let file = file_of(&table, vec![], 1).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    assert_eq!(*reader.schema().fields(), *table.schema().fields());
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
}

#[tokio::test]
async fn a_file_describes_itself_and_names_neither_run_nor_time() {
    let mut table = totals_table();
    table.columns[1].description = "Net of returns.".to_owned();
    let file = file_of(&table, vec![totals(1)], 1).await;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    let metadata = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap();
    let metadata: Vec<(&str, &str)> = metadata
        .iter()
        .map(|entry| (entry.key.as_str(), entry.value.as_deref().unwrap()))
        .collect();
    let expected = [
        ("cvm.table", "totals"),
        ("cvm.description", ""),
        ("cvm.grain", ""),
        ("cvm.key", "year"),
        ("cvm.columns", r#"{"year":"","revenue":"Net of returns."}"#),
    ];
    assert_eq!(metadata, expected);
}

async fn refused(table: &TableToWrite, batches: Vec<RecordBatch>) -> (String, FailureKind) {
    let publication = Publication::begin(in_memory(), options("run-1"))
        .await
        .unwrap();
    let error = publication.prepare(table, rows(batches)).await.unwrap_err();
    (error.to_string(), error.kind())
}

#[tokio::test]
async fn a_key_that_is_not_unique_is_refused() {
    let twice = vec![customers(1), customers(1).slice(9, 1)];
    let expected = "table customers: the key (customer_id) is not unique: customer_id = c009 occurs more than once";
    assert_eq!(
        refused(&customers_table(), twice).await,
        (expected.to_owned(), FailureKind::DataQuality)
    );
}

#[tokio::test]
async fn keys_are_compared_across_chunks() {
    let batch = varied(8192);
    let twice = vec![batch.clone(), batch.slice(8191, 1)];
    let expected =
        "table varied: the key (id) is not unique: id = customer 000008191 occurs more than once";
    assert_eq!(
        refused(&varied_table(), twice).await,
        (expected.to_owned(), FailureKind::DataQuality)
    );
}

#[tokio::test]
async fn unsorted_rows_are_refused_as_a_defect() {
    let turned = vec![totals(1).slice(1, 1), totals(1).slice(0, 1)];
    let expected =
        "table totals: rows are not sorted by (year): year = 2010 came after year = 2011";
    assert_eq!(
        refused(&totals_table(), turned).await,
        (expected.to_owned(), FailureKind::Internal)
    );
}

#[tokio::test]
async fn a_null_in_a_required_column_is_refused() {
    let mut table = varied_table();
    table.columns[2].required = true;
    let expected =
        "table varied: column score is required but null, first at id = customer 000000003";
    assert_eq!(
        refused(&table, vec![varied(5)]).await,
        (expected.to_owned(), FailureKind::DataQuality)
    );

    let ids: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    let table = TableToWrite::from_schema("people", &batch.schema(), &["id"]).unwrap();
    let expected = "table people: column id is required but null, first at row 2";
    assert_eq!(
        refused(&table, vec![batch]).await,
        (expected.to_owned(), FailureKind::DataQuality)
    );
}

#[tokio::test]
async fn a_value_that_the_contract_does_not_accept_is_refused() {
    let mut table = totals_table();
    table.columns[0].limits.maximum = Some(2010_i64.into());
    let expected = "table totals: column year is to be at most 2010 by its contract, but is 2011, first at year = 2011: \
                    mend the SQL or what it reads, or widen the contract";
    let sorted = vec![totals(1).slice(0, 1), totals(1).slice(1, 1)];
    assert_eq!(
        refused(&table, sorted).await,
        (expected.to_owned(), FailureKind::DataQuality)
    );
}

#[tokio::test]
async fn a_type_that_bi_tools_refuse_is_refused_with_its_remedy() {
    let tiles: ArrayRef = Arc::new(UInt64Array::from(vec![1, 2]));
    let batch =
        RecordBatch::try_from_iter([("year", totals(1).column(0).clone()), ("revenue", tiles)])
            .unwrap();
    let expected = "table totals: column revenue has type UInt64, which BI tools cannot read: cast it to bigint";
    assert_eq!(
        refused(&totals_table(), vec![batch]).await,
        (expected.to_owned(), FailureKind::Configuration)
    );
}

#[tokio::test]
async fn other_columns_than_declared_are_refused() {
    let expected = "table totals: expected the columns year, revenue, got the columns customer_id, orders, revenue";
    assert_eq!(
        refused(&totals_table(), vec![customers(1)]).await,
        (expected.to_owned(), FailureKind::Internal)
    );

    let schema = Schema::new(vec![
        Field::new("year", DataType::Int64, false),
        Field::new("revenue", DataType::Float64, true),
    ]);
    let table = TableToWrite::from_schema("totals", &schema, &["year"]).unwrap();
    let expected = "table totals: expected column revenue as double, got bigint";
    assert_eq!(
        refused(&table, vec![totals(1)]).await,
        (expected.to_owned(), FailureKind::Internal)
    );
}

#[tokio::test]
async fn names_that_cannot_be_paths_and_tables_without_a_key_are_refused() {
    let mut table = totals_table();
    table.name = "../totals".to_owned();
    let expected =
        "table `../totals`: use letters, digits, _ and -, beginning with a letter or digit";
    assert_eq!(
        refused(&table, vec![totals(1)]).await,
        (expected.to_owned(), FailureKind::Configuration)
    );

    let mut table = totals_table();
    table.key.clear();
    let expected = "table `totals`: a published table needs a key: its rows are sorted by it";
    assert_eq!(
        refused(&table, vec![totals(1)]).await,
        (expected.to_owned(), FailureKind::Configuration)
    );

    let mut table = totals_table();
    table.key = vec!["month".to_owned()];
    let expected = "key column `totals.month`: the table has no such column";
    assert_eq!(
        refused(&table, vec![totals(1)]).await,
        (expected.to_owned(), FailureKind::Configuration)
    );
}

#[tokio::test]
async fn progress_counts_rows_and_bytes() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let options = BeginOptions {
        progress: Some(Arc::new(move |progress: &Progress| {
            sink.lock().unwrap().push(progress.clone())
        })),
        ..options("run-1")
    };
    let publication = Publication::begin(in_memory(), options).await.unwrap();
    publication
        .prepare(&customers_table(), rows([customers(1)]))
        .await
        .unwrap();
    let told = told.lock().unwrap().clone();
    assert_eq!(
        told.iter()
            .map(|p| (p.table.as_str(), p.rows))
            .collect::<Vec<_>>(),
        [("customers", 10)]
    );
}
