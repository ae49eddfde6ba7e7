//! The real data, read as raw tables.

use std::path::{Path as FilePath, PathBuf};

use super::tests::{Raw, table};
use crate::store::Store;

/// The shared data, if it is there.
fn shared(below: &str) -> Option<Store> {
    let root = std::env::var_os("CVM_SHARED_DATA").map(PathBuf::from);
    let root =
        root.unwrap_or_else(|| FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let path = root.join(below);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    let url = format!("file:{}", path.display());
    Some(crate::store::open(&url, &Default::default(), FilePath::new("/")).unwrap())
}

#[tokio::test]
async fn online_retail_by_day() {
    let Some(store) = shared("online_retail") else {
        return;
    };
    let yaml = "path: \"by-day/*.csv\"\nformat: {csv: {}}\ncolumns:
  InvoiceNo: {type: varchar, required: true}
  StockCode: {type: varchar, required: true}
  Description: {type: varchar}
  Quantity: {type: bigint, required: true}
  InvoiceDate: {type: timestamp, required: true}
  UnitPrice: {type: \"decimal(18,4)\", required: true}
  CustomerID: {type: varchar}
  Country: {type: varchar, required: true}
";
    let raw = Raw::open(store, yaml).await.unwrap();
    assert_eq!(raw.provider.tally().objects().len(), 305);
    assert_eq!(
        raw.sql(
            "select count(*) as rows, sum(\"Quantity\") as quantity, \
             cast(sum(\"Quantity\" * \"UnitPrice\") as decimal(18, 4)) as value, \
             count(*) - count(\"CustomerID\") as without_customer, count(distinct \"InvoiceNo\") as invoices, \
             max(\"InvoiceDate\") as last from orders"
        )
        .await,
        table(
            "+--------+----------+--------------+------------------+----------+----------------------+
             | rows   | quantity | value        | without_customer | invoices | last                 |
             +--------+----------+--------------+------------------+----------+----------------------+
             | 541909 | 5176450  | 9747747.9340 | 135080           | 25900    | 2011-12-09T12:50:00Z |
             +--------+----------+--------------+------------------+----------+----------------------+"
        )
    );
    assert_eq!(raw.counts(), (541_909, 541_909, 0));
    raw.provider.check_share().unwrap();
}

#[tokio::test]
async fn cdnow_master_is_aligned_by_blanks() {
    let Some(store) = shared("cdnow") else { return };
    let yaml = "path: CDNOW_master.txt\nformat: {csv: {delimiter: whitespace}}\ncolumns:
  customer_id: {type: varchar, required: true}
  date: {type: date, format: \"%Y%m%d\", required: true}
  number_of_cds: {type: bigint, required: true}
  dollar_value: {type: \"decimal(10,2)\", required: true}
";
    let raw = Raw::open(store, yaml).await.unwrap();
    assert_eq!(
        raw.sql(
            "select count(*) as rows, count(distinct customer_id) as customers, sum(number_of_cds) as cds, \
             sum(dollar_value) as dollars, min(date) as first, max(date) as last from orders"
        )
        .await,
        table(
            "+-------+-----------+--------+------------+------------+------------+
             | rows  | customers | cds    | dollars    | first      | last       |
             +-------+-----------+--------+------------+------------+------------+
             | 69659 | 23570     | 167881 | 2500315.63 | 1997-01-01 | 1998-06-30 |
             +-------+-----------+--------+------------+------------+------------+"
        )
    );
    assert_eq!(raw.counts(), (69_659, 69_659, 0));
}

#[tokio::test]
async fn olist_reviews_have_line_breaks_inside_quotes() {
    let Some(store) = shared("olist_subset") else {
        return;
    };
    let yaml = "path: \"*reviews*.csv\"\nformat: {csv: {}}\nschema_drift: ignore_new\ncolumns:
  review_id: {type: varchar, required: true}
  review_score: {type: bigint, required: true}
  review_comment_message: {type: varchar}
  review_creation_date: {type: timestamp, required: true}
";
    let raw = Raw::open(store, yaml).await.unwrap();
    assert_eq!(
        raw.number("select sum(review_score) from orders").await,
        "26909"
    );
    assert_eq!(raw.counts(), (8_225, 8_225, 0));
}
