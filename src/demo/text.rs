//! Numbers and days as the bytes of raw files.

use std::io::Write as _;

use chrono::{Datelike, NaiveDate};

/// Days from 0001-01-01 (day 1 of the common era) to 1970-01-01.
const EPOCH_FROM_CE: i32 = 719_163;

/// Days since 1970-01-01.
pub(super) fn day_number(day: NaiveDate) -> i32 {
    day.num_days_from_ce() - EPOCH_FROM_CE
}

/// The calendar day; days of generated companies are always in range.
pub(super) fn date(day_number: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(day_number + EPOCH_FROM_CE).unwrap_or_default()
}

/// Appends formatted text. Writing to a vector cannot fail.
macro_rules! push {
    ($out:expr, $($format:tt)*) => {
        drop(std::io::Write::write_fmt(&mut *$out, format_args!($($format)*)))
    };
}
pub(super) use push;

/// Appends `2024-05-17`.
pub(super) fn push_iso_date(out: &mut Vec<u8>, day: i32) {
    let day = date(day);
    push_digits(out, day.year() as u64, 4);
    out.push(b'-');
    push_digits(out, day.month().into(), 2);
    out.push(b'-');
    push_digits(out, day.day().into(), 2);
}

/// Appends `13:04:09`.
pub(super) fn push_time(out: &mut Vec<u8>, second_of_day: u32) {
    push_digits(out, (second_of_day / 3_600).into(), 2);
    out.push(b':');
    push_digits(out, (second_of_day / 60 % 60).into(), 2);
    out.push(b':');
    push_digits(out, (second_of_day % 60).into(), 2);
}

/// Appends minor units as major units with two decimals; `cents` is not negative.
pub(super) fn push_cents(out: &mut Vec<u8>, cents: i64) {
    drop(write!(out, "{}", cents / 100));
    out.push(b'.');
    push_digits(out, (cents % 100) as u64, 2);
}

/// Appends a number with leading zeros; digits above `width` are cut.
pub(super) fn push_digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for place in (start..start + width).rev() {
        out[place] = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Seconds since 1970 (UTC) of a time of day in Berlin. Not for the hour in which clocks change, at night.
pub(super) fn berlin(day: i32, second_of_day: u32) -> i64 {
    let year = date(day).year();
    let last_sunday = |month: u32| {
        let end = NaiveDate::from_ymd_opt(year, month, 31).unwrap_or_default();
        day_number(end) - end.weekday().num_days_from_sunday() as i32
    };
    let is_summer = (last_sunday(3)..last_sunday(10)).contains(&day);
    let offset = if is_summer { 7_200 } else { 3_600 };
    i64::from(day) * 86_400 + i64::from(second_of_day) - offset
}

/// Appends seconds since 1970 as `2024-05-17T10:04:09Z`.
pub(super) fn push_utc(out: &mut Vec<u8>, seconds: i64) {
    push_iso_date(out, seconds.div_euclid(86_400) as i32);
    out.push(b'T');
    push_time(out, seconds.rem_euclid(86_400) as u32);
    out.push(b'Z');
}

/// The customer's number as the systems write it: `C000000042`.
pub(super) fn customer_id(out: &mut Vec<u8>, customer: u64) {
    out.push(b'C');
    push_digits(out, customer, 9);
}

/// Orders a customer can have at most, with all that is added to those of the process.
const ORDERS_A_CUSTOMER: u64 = 4_096;

/// The number of a customer's order as the shop writes it: twelve digits.
pub(super) fn order_id(out: &mut Vec<u8>, customer: u64, order: u64) {
    push_digits(out, customer * ORDERS_A_CUSTOMER + order, 12);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn days_count_from_1970() {
        assert_eq!(
            day_number(NaiveDate::from_ymd_opt(1970, 1, 1).expect("a day")),
            0
        );
        assert_eq!(day_number(super::super::DEFAULT_AS_OF), 20_089);
        assert_eq!(text(|out| push_iso_date(out, 20_088)), "2024-12-31");
    }

    #[test]
    fn clocks_in_berlin_change_on_the_last_sundays_of_march_and_october() {
        let at = |year, month, day| {
            let day = NaiveDate::from_ymd_opt(year, month, day).expect("a day");
            text(|out| push_utc(out, berlin(day_number(day), 36_000)))
        };
        assert_eq!(at(2024, 3, 30), "2024-03-30T09:00:00Z");
        assert_eq!(at(2024, 3, 31), "2024-03-31T08:00:00Z");
        assert_eq!(at(2024, 10, 26), "2024-10-26T08:00:00Z");
        assert_eq!(at(2024, 10, 27), "2024-10-27T09:00:00Z");
        assert_eq!(at(2023, 10, 29), "2023-10-29T09:00:00Z");
    }

    #[test]
    fn texts_have_leading_zeros() {
        assert_eq!(
            text(|out| push_time(out, 7 * 3_600 + 5 * 60 + 9)),
            "07:05:09"
        );
        assert_eq!(text(|out| push_cents(out, 100_007)), "1000.07");
        assert_eq!(text(|out| push_cents(out, 9)), "0.09");
        assert_eq!(text(|out| customer_id(out, 42)), "C000000042");
        assert_eq!(
            text(|out| order_id(out, 199_999_999, 4_095)),
            "819199999999"
        );
    }
}
