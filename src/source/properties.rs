//! Whatever bytes an object holds: nothing panics, and every row that is read is kept or set aside.

use proptest::prelude::*;
use proptest::sample::select;

use super::split::{Cells, Dialect, Split};
use super::tests::{Raw, drifting, memory};

const COMMAS: Dialect = Dialect {
    delimiter: Some(b','),
    quote: Some(b'"'),
};
const BLANKS: Dialect = Dialect {
    delimiter: None,
    quote: Some(b'"'),
};
const UNQUOTED: Dialect = Dialect {
    delimiter: Some(b'\t'),
    quote: None,
};
/// What text of records is made of, and what it should not hold.
const OF_CSV: &[&[u8]] = &[
    b",",
    b"\"",
    b"\"\"",
    b"\n",
    b"\r\n",
    b"\r",
    b" ",
    b"\t",
    b"1",
    b"2024-01-02",
    b"0.5",
    b"x",
    b"1,,,\n",
    b"\"a\nb\"",
    b"\0",
    b"\xFF",
    b"\xC3",
    b"\xC3\xA9",
    b"\xEF\xBB\xBF",
];
const OF_JSON: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"\"id\":",
    b"\"note\":",
    b"\"new\":",
    b"1",
    b"-",
    b"1e400",
    b"null",
    b"true",
    b"\"a\"",
    b"\"\\ud800\"",
    b"\"\\u00e9\"",
    b"{\"id\":1}",
    b"\n",
    b"\n",
    b"\r\n",
    b" ",
    b"\0",
    b"\xFF",
    b"\xEF\xBB\xBF",
];

fn text_of(fragments: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(select(fragments), 0..60).prop_map(|parts| parts.concat())
}

/// A record: its lines, its first cell with text behind a quote, whether it is blank, and its cells.
type Record = (u64, Option<usize>, bool, Vec<Vec<u8>>);

/// The records of a text of which `step` more bytes come whenever the splitter asks for more, and whether it ends in quotes.
fn records(dialect: Dialect, text: &[u8], step: usize) -> (Vec<Record>, bool) {
    let (mut at, mut there) = (0, 0);
    let mut cells = Cells::default();
    let mut found = Vec::new();
    loop {
        let (rest, at_end) = (&text[at..there], there == text.len());
        if rest.is_empty() && at_end {
            return (found, false);
        }
        let split = match rest {
            [] => Split::More,
            rest => dialect.split(rest, at_end, &mut cells),
        };
        match split {
            Split::More => {
                assert!(!at_end, "there is no more");
                there = text.len().min(there + step);
            }
            Split::Record {
                bytes,
                content,
                lines,
            } => {
                assert!(0 < bytes && content <= bytes && bytes <= rest.len());
                let row = (0..cells.len()).map(|cell| cells.bytes(rest, cell).to_vec());
                found.push((lines, cells.badly_quoted, cells.is_blank(), row.collect()));
                at += bytes;
            }
            Split::Unclosed { .. } => return (found, true),
        }
    }
}

/// Reads an object, and gives how many rows were read, after a look at what became of each; none where it is damaged as a whole
/// or has other columns.
fn rows_read(file: &str, object: &[u8], yaml: &str) -> Option<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let raw = Raw::open(memory(&[(file, object)]).await, yaml)
            .await
            .unwrap();
        if raw.provider.drain_unread(1).await.is_err() {
            assert_eq!(raw.set_aside.rows(), 0);
            return None;
        }
        let (read, kept, aside) = raw.counts();
        assert_eq!((read, aside), (kept + aside, raw.set_aside.rows()));
        let selected = raw.number("select count(*) from orders").await;
        assert_eq!(selected, kept.to_string());
        Some(read)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_do_not_depend_on_how_much_text_is_there(text in text_of(OF_CSV), step in 1..40_usize) {
        for dialect in [COMMAS, BLANKS, UNQUOTED] {
            prop_assert_eq!(records(dialect, &text, step), records(dialect, &text, usize::MAX / 2));
        }
    }

    #[test]
    fn any_bytes_are_records(text in proptest::collection::vec(any::<u8>(), 0..200), step in 1..40_usize) {
        for dialect in [COMMAS, BLANKS, UNQUOTED] {
            prop_assert_eq!(records(dialect, &text, step), records(dialect, &text, usize::MAX / 2));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_csv_are_kept_or_set_aside(text in text_of(OF_CSV)) {
        let object = [b"id,day,amount,note\n".as_slice(), &text].concat();
        let (records, is_unclosed) = records(COMMAS, &text, usize::MAX / 2);
        let rows = records.iter().filter(|(_, _, is_blank, _)| !is_blank).count();
        let expected = (!is_unclosed).then_some(rows as u64);
        prop_assert_eq!(rows_read("a.csv", &object, &drifting("set_aside")), expected);
    }

    #[test]
    fn lines_of_json_are_kept_or_set_aside(text in text_of(OF_JSON)) {
        let yaml = drifting("ignore_new")
            .replace("*.csv", "a.ndjson")
            .replace("csv: {}", "ndjson: {}");
        let lines = text.strip_prefix(b"\xEF\xBB\xBF".as_slice()).unwrap_or(&text);
        let rows = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        if let Some(read) = rows_read("a.ndjson", &text, &yaml) {
            prop_assert_eq!(read, rows.count() as u64);
        }
    }
}
