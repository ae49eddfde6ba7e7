//! The as-of days of a history.

use chrono::{Days, Months, NaiveDate};

use super::super::error::RunError;

/// How far the as-of days of a history lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// A day.
    Day,
    /// Seven days.
    Week,
    /// A month: the day of the month that the first has, or a shorter month's last.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

impl Every {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// The day `number` steps after `from`; none beyond the calendar.
    ///
    /// Counted from the first day, so that what follows a short month is the 31st again.
    fn step(self, from: NaiveDate, number: u32) -> Option<NaiveDate> {
        let months =
            |months: u32| from.checked_add_months(Months::new(number.checked_mul(months)?));
        let days = |days: u64| from.checked_add_days(Days::new(u64::from(number) * days));
        match self {
            Self::Day => days(1),
            Self::Week => days(7),
            Self::Month => months(1),
            Self::Quarter => months(3),
            Self::Year => months(12),
        }
    }
}

/// The days from `from` to `to`, both included where the steps meet them; at least the first.
///
/// # Errors
/// [`RunError::NoAsOfDays`] where `from` comes after `to`.
pub(super) fn days(
    from: NaiveDate,
    to: NaiveDate,
    every: Every,
) -> Result<Vec<NaiveDate>, RunError> {
    if from > to {
        return Err(RunError::NoAsOfDays { from, to });
    }
    let days = (0..).map_while(|number| every.step(from, number));
    Ok(days.take_while(|day| *day <= to).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(from: &str, to: &str, every: Every) -> Vec<String> {
        let days = days(from.parse().unwrap(), to.parse().unwrap(), every).unwrap();
        days.iter().map(NaiveDate::to_string).collect()
    }

    #[test]
    fn months_keep_the_day_of_the_first_and_end_where_a_month_does() {
        let months = told("2024-01-31", "2024-05-31", Every::Month);
        assert_eq!(
            months,
            [
                "2024-01-31",
                "2024-02-29",
                "2024-03-31",
                "2024-04-30",
                "2024-05-31"
            ]
        );
        let months = told("2022-12-15", "2023-02-14", Every::Month);
        assert_eq!(months, ["2022-12-15", "2023-01-15"]);
        let quarters = told("2023-11-30", "2024-08-31", Every::Quarter);
        assert_eq!(
            quarters,
            ["2023-11-30", "2024-02-29", "2024-05-30", "2024-08-30"]
        );
    }

    #[test]
    fn a_leap_day_comes_back_every_fourth_year() {
        let years = told("2024-02-29", "2028-02-29", Every::Year);
        assert_eq!(
            years,
            [
                "2024-02-29",
                "2025-02-28",
                "2026-02-28",
                "2027-02-28",
                "2028-02-29"
            ]
        );
    }

    #[test]
    fn days_and_weeks_are_counted_through_leap_days() {
        let days = told("2024-02-28", "2024-03-01", Every::Day);
        assert_eq!(days, ["2024-02-28", "2024-02-29", "2024-03-01"]);
        let weeks = told("2024-02-26", "2024-03-10", Every::Week);
        assert_eq!(weeks, ["2024-02-26", "2024-03-04"]);
    }

    #[test]
    fn one_day_is_a_history_and_the_calendar_has_an_end() {
        assert_eq!(
            told("2024-01-01", "2024-01-01", Every::Year),
            ["2024-01-01"]
        );
        let last = NaiveDate::MAX;
        assert_eq!(days(last, last, Every::Month).unwrap(), [last]);
    }

    #[test]
    fn a_first_day_after_the_last_is_refused() {
        let (from, to) = ("2024-01-02".parse().unwrap(), "2024-01-01".parse().unwrap());
        let refused = days(from, to, Every::Day).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "there is no as-of day from 2024-01-02 to 2024-01-01: `--from` is the first, `--to` the last"
        );
    }
}
