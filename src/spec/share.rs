//! Shares of a number of rows, as people write them.

/// How many of `rows` a share of them comes to, rounded down. Decimal shares are no exact doubles: 0.29 of 100 comes to 28.99…96, and is
/// 29 all the same.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a number of rows is one"
)]
pub fn rows_of_share(share: f64, rows: u64) -> u64 {
    (share * rows as f64 * (1.0 + 4.0 * f64::EPSILON)).floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_met_exactly_is_kept() {
        for hundredths in 0..=100_u64 {
            let share: f64 = format!("{}.{:02}", hundredths / 100, hundredths % 100)
                .parse()
                .unwrap_or_default();
            for rows in [100_u64, 1_000, 123_400, 10_000_000_000] {
                assert_eq!(rows_of_share(share, rows), rows / 100 * hundredths);
            }
        }
        assert_eq!(rows_of_share(0.289_999, 100), 28);
        assert_eq!(rows_of_share(0.01, 99), 0);
    }
}
