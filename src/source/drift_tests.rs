//! Objects whose columns are not those that are declared.

use super::tests::{ORDERS, Raw, drifting, memory};
use crate::failure::FailureKind;

#[tokio::test]
async fn new_columns_are_refused_ignored_or_their_rows_set_aside() {
    let objects: [(&str, &[u8]); 2] = [
        ("a.csv", b"id,day,amount,note\n1,,,\n"),
        ("b.csv", b"id,day,amount,note,zone,tax\n2,,,,x,\n3,,,,y,\n"),
    ];
    let refused = Raw::open(memory(&objects).await, ORDERS).await.unwrap();
    let (kind, told) = refused.failure("select count(*) from orders").await;
    assert_eq!(kind, FailureKind::DataQuality);
    assert_eq!(
        told,
        "shop.orders: the columns of b.csv are not those that are declared: `zone`, `tax` are new. Mend the \
         declaration, or say schema_drift: ignore_new or set_aside"
    );
    let ignored = Raw::open(memory(&objects).await, &drifting("ignore_new"))
        .await
        .unwrap();
    assert_eq!(ignored.number("select sum(id) from orders").await, "6");
    assert_eq!(
        ignored.provider.tally().warnings(),
        ["shop.orders: columns that are not declared are ignored: `zone`, `tax`"]
    );
    let aside = Raw::open(memory(&objects).await, &drifting("set_aside"))
        .await
        .unwrap();
    assert_eq!(aside.number("select sum(id) from orders").await, "1");
    assert_eq!(aside.counts(), (3, 1, 2));
    assert_eq!(
        aside.aside(),
        [
            "b.csv:2 : `zone`, `tax` are new | 2,,,,x,",
            "b.csv:3 : `zone`, `tax` are new | 3,,,,y,"
        ]
    );
    // A column that is missing is never null in silence.
    let renamed: [(&str, &[u8]); 1] = [("a.csv", b"id,day,total,note\n1,,2,\n")];
    let raw = Raw::open(memory(&renamed).await, &drifting("ignore_new"))
        .await
        .unwrap();
    let (_, told) = raw.failure("select count(*) from orders").await;
    assert!(
        told.contains("`amount` is missing (is it `total` now?); `total` is new"),
        "{told}"
    );
}

#[tokio::test]
async fn new_keys_are_refused_ignored_or_their_lines_set_aside() {
    let yaml = |policy: &str| {
        drifting(policy)
            .replace("*.csv", "a.ndjson")
            .replace("csv: {}", "ndjson: {}")
    };
    let text: &[u8] =
        b"{\"id\": 1, \"day\": null, \"amount\": 1, \"note\": \"\"}\n{\"id\": 2, \"zone\": 1}\n";
    let open = |policy: &'static str, text: &'static [u8]| async move {
        let store = memory(&[("a.ndjson", text)]).await;
        Raw::open(store, &yaml(policy)).await.unwrap()
    };
    let (_, told) = open("refuse", text)
        .await
        .failure("select count(*) from orders")
        .await;
    assert!(
        told.contains("the columns of a.ndjson are not those that are declared: `zone` is new"),
        "{told}"
    );
    let ignored = open("ignore_new", text).await;
    assert_eq!(ignored.number("select sum(id) from orders").await, "3");
    let aside = open("set_aside", text).await;
    assert_eq!(aside.number("select sum(id) from orders").await, "1");
    assert_eq!(
        aside.aside(),
        [r#"a.ndjson:2 : `zone` is no declared column | {"id": 2, "zone": 1}"#]
    );
    let renamed = b"{\"id\": 1, \"day\": null, \"total\": 1, \"note\": \"\"}\n";
    let (_, told) = open("ignore_new", renamed)
        .await
        .failure("select count(*) from orders")
        .await;
    assert!(
        told.contains("`amount` is missing (is it `total` now?)"),
        "{told}"
    );
}
