//! The CDNOW sample, read from the raw transactions.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Days from 1997-01-01 to 1997-09-30, the end of the calibration.
pub(crate) const CALIBRATION_END: i64 = 272;

/// Purchase days (days since 1997-01-01) of each customer with that day's spend; same-day transactions merged.
pub(crate) type Customers = BTreeMap<String, BTreeMap<i64, f64>>;

/// The customers, or `None` with one line where the data are not at hand.
pub(crate) fn customers() -> Option<Customers> {
    let folder = std::env::var_os("CVM_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let file = folder.join("cdnow/CDNOW_sample.txt");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return None;
    };
    let mut customers = Customers::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [_, id, date, _, dollars] = cells[..] else {
            panic!("five cells expected: {line}")
        };
        let spend: f64 = dollars.parse().unwrap();
        *customers
            .entry(id.to_owned())
            .or_default()
            .entry(day(date))
            .or_insert(0.0) += spend;
    }
    Some(customers)
}

/// Days since 1997-01-01 of a date YYYYMMDD in 1997 or 1998, neither of which is a leap year.
fn day(date: &str) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let number = |range: std::ops::Range<usize>| date[range].parse::<i64>().unwrap();
    365 * (number(0..4) - 1997) + BEFORE[usize::try_from(number(4..6) - 1).unwrap()] + number(6..8)
        - 1
}

/// The calibration summary in weeks: frequency, recency_age, customer_age, and the mean spend of repeat purchase days
/// (0 where there is none).
pub(crate) struct Calibration {
    pub(crate) frequency: Vec<u64>,
    pub(crate) recency_age: Vec<f64>,
    pub(crate) customer_age: Vec<f64>,
    pub(crate) mean_spend: Vec<f64>,
}

pub(crate) fn calibration(customers: &Customers) -> Calibration {
    let mut table = Calibration {
        frequency: vec![],
        recency_age: vec![],
        customer_age: vec![],
        mean_spend: vec![],
    };
    for days in customers.values() {
        let seen: Vec<(i64, f64)> = days
            .range(..=CALIBRATION_END)
            .map(|(day, spend)| (*day, *spend))
            .collect();
        let (first, last) = (seen[0].0, seen[seen.len() - 1].0);
        let repeats = &seen[1..];
        let spend: f64 = repeats.iter().map(|(_, spend)| spend).sum();
        table.frequency.push(repeats.len() as u64);
        table.recency_age.push((last - first) as f64 / 7.0);
        table
            .customer_age
            .push((CALIBRATION_END - first) as f64 / 7.0);
        table.mean_spend.push(if repeats.is_empty() {
            0.0
        } else {
            spend / repeats.len() as f64
        });
    }
    table
}
