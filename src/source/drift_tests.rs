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
        told.contains("`amount` is missing (is it `total` now?); `total` is new. Mend the file"),
        "{told}"
    );
    assert!(!told.contains("ignore_new"), "{told}");
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
    assert!(!told.contains("ignore_new"), "{told}");
}

/// A CSV file of rows with these numbers and days.
fn rows(rows: &[(&str, &str)]) -> Vec<u8> {
    let lines = rows.iter().map(|(id, day)| format!("{id},{day},1,\n"));
    let text: String = lines.collect();
    format!("id,day,amount,note\n{text}").into_bytes()
}

const WHAT_HELPS: &str = "Mend the file or the declared type or format, or say schema_drift: set_aside, which sets its \
                          rows aside as far as max_bad_share allows";

/// Reads all of a table, whatever SQL needs, and gives what it stops with.
async fn stops(raw: &Raw) -> Option<String> {
    let drained = raw.provider.drain_unread(1).await;
    let error = drained.err()?;
    assert_eq!(error.kind(), FailureKind::DataQuality);
    Some(error.to_string())
}

#[tokio::test]
async fn a_column_of_text_none_of_whose_values_fits_is_refused() {
    let good = rows(&[("1", "2024-01-13"); 12]);
    let mut days = vec![("1", "13/01/2024"); 11];
    days.extend([("1", ""), ("1", "")]);
    let other = rows(&days);
    let objects: [(&str, &[u8]); 2] = [("a.csv", &good), ("b.csv", &other)];
    let told = format!(
        "shop.orders: the columns of b.csv are not those that are declared: none of the 11 values of `day` is a date \
         (line 2: `13/01/2024` is not an ISO 8601 date). {WHAT_HELPS}"
    );
    for policy in ["refuse", "ignore_new"] {
        for sql in [
            "select * from orders",
            "select count(*) from orders",
            "select sum(id) from orders",
        ] {
            let raw = Raw::open(memory(&objects).await, &drifting(policy))
                .await
                .unwrap();
            let failure = raw.failure(sql).await;
            assert_eq!(failure, (FailureKind::DataQuality, told.clone()), "{sql}");
        }
        let raw = Raw::open(memory(&objects).await, &drifting(policy))
            .await
            .unwrap();
        assert_eq!(stops(&raw).await.as_ref(), Some(&told), "{policy}");
        // What is refused does not count as read, so that nothing keeps it for a later run.
        let is_read = |object: usize| raw.provider.is_read(&(object..object + 1));
        assert_eq!((is_read(0), is_read(1)), (true, false), "{policy}");
        assert_eq!(raw.set_aside.rows(), 0, "{policy}");
    }
    let aside = Raw::open(memory(&objects).await, &drifting("set_aside"))
        .await
        .unwrap();
    assert_eq!(aside.number("select count(*) from orders").await, "14");
    assert_eq!(aside.counts(), (25, 14, 11));
    assert_eq!(
        aside.aside().first().map(String::as_str),
        Some("b.csv:2 day: `13/01/2024` is not an ISO 8601 date | 1,13/01/2024,1,")
    );
}

#[tokio::test]
async fn a_column_with_few_values_or_one_that_fits_is_not_refused() {
    let bad = ("1", "13/01/2024");
    let few = vec![bad; 9];
    let mut last = vec![bad; 20];
    last.push(("1", "2024-01-13"));
    let mut first = last.clone();
    first.reverse();
    // This one's row does not fit for another column, but the day does.
    let mut with_another_fault = vec![bad; 20];
    with_another_fault.push(("x", "2024-01-13"));
    let none = vec![("1", ""); 20];
    for (days, aside) in [
        (few, 9),
        (last, 20),
        (first, 20),
        (with_another_fault, 21),
        (none, 0),
    ] {
        let raw = Raw::open(memory(&[("a.csv", &rows(&days))]).await, ORDERS)
            .await
            .unwrap();
        assert_eq!(stops(&raw).await, None, "{days:?}");
        assert_eq!(raw.counts().2, aside, "{days:?}");
    }
}

#[tokio::test]
async fn every_column_that_is_retyped_is_told_at_once() {
    let object = rows(&[("x1", "13/01/2024"); 10]);
    let raw = Raw::open(memory(&[("a.csv", &object)]).await, ORDERS)
        .await
        .unwrap();
    assert_eq!(
        stops(&raw).await.unwrap(),
        format!(
            "shop.orders: the columns of a.csv are not those that are declared: none of the 10 values of `id` is a \
             bigint (line 2: `x1` is not a bigint); none of the 10 values of `day` is a date (line 2: `13/01/2024` is \
             not an ISO 8601 date). {WHAT_HELPS}"
        )
    );
}

#[tokio::test]
async fn a_key_none_of_whose_values_fits_is_refused() {
    let yaml = |policy: &str| {
        drifting(policy)
            .replace("*.csv", "a.ndjson")
            .replace("csv: {}", "ndjson: {}")
    };
    let lines = |line: &str, times: usize| format!("{line}\n").repeat(times);
    let notes = r#"{"id": 1, "day": "13/01/2024", "amount": null, "note": {"a": 1}}"#;
    let (ten, nine) = (lines(notes, 10), lines(notes, 9));
    let one_fits = format!("{ten}{{\"id\": \"x\", \"note\": 7, \"day\": \"2024-01-13\"}}\n");
    let open = |policy: &'static str, text: String| async move {
        let store = memory(&[("a.ndjson", text.as_bytes())]).await;
        Raw::open(store, &yaml(policy)).await.unwrap()
    };
    for policy in ["refuse", "ignore_new"] {
        let raw = open(policy, ten.clone()).await;
        assert_eq!(
            stops(&raw).await.unwrap(),
            format!(
                "shop.orders: the columns of a.ndjson are not those that are declared: none of the 10 values of `day` \
                 is a date (line 1: `13/01/2024` is not an ISO 8601 date); none of the 10 values of `note` is text (line \
                 1: `{{\"a\": 1}}` is an object, not text). {WHAT_HELPS}"
            )
        );
        assert!(!raw.provider.is_read(&(0..1)), "{policy}");
    }
    for (policy, text, aside) in [
        ("refuse", nine, 9),
        ("refuse", one_fits, 11),
        ("set_aside", ten, 10),
    ] {
        let raw = open(policy, text).await;
        assert_eq!(stops(&raw).await, None, "{policy}");
        assert_eq!(raw.counts().2, aside, "{policy}");
    }
}
