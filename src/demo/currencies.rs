//! Foreign currencies: their daily rates, and the treasury's export of them.
//!
//! A rate has two decimals, as this company's treasury fixes them. An amount of whole cents times such a rate has
//! four, so that every conversion is exact in the pipeline's `decimal(18,4)` and totals can be compared to the last
//! digit.

use chrono::{Datelike, Weekday};
use rand::{Rng, RngCore};

use super::Object;
use super::dirt::Dirt;
use super::process::WINDOW_DAYS;
use super::text::{date, push, push_iso_date};
use super::truth::Tally;

/// The raw table's name.
const RATES: &str = "treasury.exchange_rates";

/// Days before the first possible order for which there are rates, so that none falls on a weekend without one
/// before it.
const LEAD_DAYS: i32 = 14;

/// A foreign currency: its code, its first rate in hundredths of a euro, and between what it moves.
const FOREIGN: [(&str, i64, i64, i64); 2] = [("CHF", 103, 94, 112), ("USD", 92, 84, 101)];

/// Money of a currency that an amount is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Currency {
    Eur,
    Chf,
    Usd,
}

impl Currency {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Eur => "EUR",
            Self::Chf => "CHF",
            Self::Usd => "USD",
        }
    }

    pub(super) fn of(code: &str) -> Self {
        match code {
            "CHF" => Self::Chf,
            "USD" => Self::Usd,
            _ => Self::Eur,
        }
    }
}

/// The rates of the whole history, weekends filled with Friday's.
#[derive(Debug, Clone)]
pub(super) struct Rates {
    first_day: i32,
    /// Hundredths of a euro for one unit, by day, for each foreign currency.
    by_day: [Vec<i64>; 2],
}

impl Rates {
    /// A slow random walk on working days.
    pub(super) fn new(end_day: i32, random: &mut impl RngCore) -> Self {
        let first_day = end_day - WINDOW_DAYS - LEAD_DAYS;
        let by_day = FOREIGN.map(|(_, start, low, high)| {
            let mut rate = start;
            (first_day..end_day)
                .map(|day| {
                    // One working day in ten moves it up, one down.
                    let step = match random.random_range(0..10) {
                        0 => -1,
                        1 => 1,
                        _ => 0,
                    };
                    if is_working_day(day) {
                        rate = (rate + step).clamp(low, high);
                    }
                    rate
                })
                .collect()
        });
        Self { first_day, by_day }
    }

    /// Hundredths of a euro for one unit on a day.
    pub(super) fn rate(&self, currency: Currency, day: i32) -> i64 {
        let rates = match currency {
            Currency::Eur => return 100,
            Currency::Chf => &self.by_day[0],
            Currency::Usd => &self.by_day[1],
        };
        let at = (day - self.first_day).max(0) as usize;
        rates.get(at).or(rates.last()).copied().unwrap_or(100)
    }

    /// An amount in euro cents as cents of a currency, at least 1.
    pub(super) fn in_currency(&self, currency: Currency, day: i32, cents: i64) -> i64 {
        let rate = self.rate(currency, day);
        ((cents * 100 + rate / 2) / rate).max(1)
    }

    /// Cents of a currency as ten-thousandths of a euro, exactly.
    pub(super) fn to_euro(&self, currency: Currency, day: i32, cents: i64) -> i64 {
        cents * self.rate(currency, day)
    }

    /// The treasury's export: working days alone, four faulty rows in addition if the company is dirty.
    pub(super) fn export(&self, dirty: bool, tally: &mut Tally) -> Object {
        let mut out = b"quoted_on;currency;euros_a_unit\r\n".to_vec();
        for (rates, (code, ..)) in self.by_day.iter().zip(FOREIGN) {
            for (day, rate) in (self.first_day..).zip(rates) {
                if is_working_day(day) {
                    push_iso_date(&mut out, day);
                    push!(&mut out, ";{code};{},{:02}\r\n", rate / 100, rate % 100);
                    tally.count_rows(RATES, 1);
                }
            }
        }
        if dirty {
            for (code, ..) in FOREIGN {
                push!(
                    &mut out,
                    "2023-02-30;{code};1,03\r\n2023-03-01;{code};n/a\r\n"
                );
                tally.count_fault(RATES, Dirt::UnparsableDate);
                tally.count_fault(RATES, Dirt::NumberWithLetters);
            }
        }
        Object {
            path: "treasury/rates/rates.csv".to_owned(),
            bytes: out.into(),
        }
    }
}

fn is_working_day(day: i32) -> bool {
    !matches!(date(day).weekday(), Weekday::Sat | Weekday::Sun)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn rates_move_on_working_days_alone_and_conversions_are_exact() {
        let end = 20_089;
        let rates = Rates::new(end, &mut ChaCha8Rng::seed_from_u64(1));
        for day in end - WINDOW_DAYS..end {
            for currency in [Currency::Chf, Currency::Usd] {
                let rate = rates.rate(currency, day);
                assert!((84..=112).contains(&rate));
                if !is_working_day(day) {
                    assert_eq!(rate, rates.rate(currency, day - 1));
                }
                let cents = rates.in_currency(currency, day, 4_500);
                assert!((rates.to_euro(currency, day, cents) - 450_000).abs() <= rate / 2 + 1);
            }
            assert_eq!(rates.in_currency(Currency::Eur, day, 77), 77);
            assert_eq!(rates.to_euro(Currency::Eur, day, 77), 7_700);
        }
    }
}
