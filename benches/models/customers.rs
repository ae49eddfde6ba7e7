//! Simulated customers.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Beta, Distribution, Exp1, Gamma};

/// r and α of the rate of purchases: a month apart on average.
pub(crate) const RATES: [f64; 2] = [1.2, 40.0];
/// p, q and v of spend.
pub(crate) const SPEND: [f64; 3] = [6.25, 3.74, 15.44];
/// First purchases are spread evenly over two years.
const DAYS: f64 = 730.0;
/// Weeks of the same two years.
const OPPORTUNITIES: u64 = 104;

/// How customers leave for good, by the story of the model; half of them are gone after a year or so.
#[derive(Clone, Copy)]
pub(crate) enum Leaving {
    /// With probability p ~ Beta(a, b) after each purchase, and after the first one too where `at_first`.
    AtPurchase { a: f64, b: f64, at_first: bool },
    /// After an exponential time of rate μ ~ Gamma(s, rate β).
    Exponential { s: f64, beta: f64 },
    /// After a Gompertz time of hazard η b e^(bτ), η ~ Gamma(s, rate β).
    Gompertz { b: f64, s: f64, beta: f64 },
}

/// How times are told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// To the last bit: no two customers have the same history.
    Continuous,
    /// As order tables have them: rounded down to the day, and a day counts once.
    WholeDays,
}

impl Leaving {
    /// In the order of the model's parameters, which begin with [`RATES`].
    pub(crate) fn parameters(self) -> Vec<f64> {
        match self {
            Self::AtPurchase { a, b, .. } => vec![a, b],
            Self::Exponential { s, beta } => vec![s, beta],
            Self::Gompertz { b, s, beta } => vec![b, s, beta],
        }
    }

    /// One customer's probability of leaving at a purchase, and the time after which he or she leaves anyway.
    fn draw(self, random: &mut ChaCha12Rng) -> (f64, f64) {
        let gamma = |shape: f64, rate: f64| Gamma::new(shape, 1.0 / rate).unwrap();
        match self {
            Self::AtPurchase { a, b, .. } => {
                (Beta::new(a, b).unwrap().sample(random), f64::INFINITY)
            }
            Self::Exponential { s, beta } => {
                let rate = gamma(s, beta).sample(random);
                (0.0, random.sample::<f64, _>(Exp1) / rate)
            }
            Self::Gompertz { b, s, beta } => {
                let eta = gamma(s, beta).sample(random);
                (0.0, (random.sample::<f64, _>(Exp1) / eta).ln_1p() / b)
            }
        }
    }
}

/// One row a customer, times in days.
#[derive(Default)]
pub(crate) struct Customers {
    pub(crate) frequency: Vec<u64>,
    pub(crate) recency_age: Vec<f64>,
    pub(crate) customer_age: Vec<f64>,
}

impl Customers {
    /// `number` customers whose rates have [`RATES`].
    pub(crate) fn new(number: usize, leaving: Leaving, times: Times) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let mut table = Self::default();
        let rates = Gamma::new(RATES[0], 1.0 / RATES[1]).unwrap();
        let at_first = matches!(leaving, Leaving::AtPurchase { at_first: true, .. });
        let told = |time: f64| match times {
            Times::Continuous => time,
            Times::WholeDays => time.floor(),
        };
        for _ in 0..number {
            let (rate, age) = (rates.sample(&mut random), random.random_range(0.0..DAYS));
            let (p, lifetime) = leaving.draw(&mut random);
            let (mut frequency, mut time, mut last) = (0, 0.0, 0.0);
            let mut is_customer = !at_first || random.random::<f64>() >= p;
            while is_customer {
                time += random.sample::<f64, _>(Exp1) / rate;
                if time > age.min(lifetime) {
                    break;
                }
                if told(time) > last {
                    frequency += 1;
                    last = told(time);
                }
                is_customer = random.random::<f64>() >= p;
            }
            table.frequency.push(frequency);
            table.recency_age.push(last);
            table.customer_age.push(told(age));
        }
        table
    }

    /// `number` customers, the second half of whom have α/2, and so buy twice as often.
    pub(crate) fn of_two_kinds(number: usize, leaving: Leaving) -> Self {
        let mut table = Self::new(number, leaving, Times::Continuous);
        for row in number / 2..number {
            table.recency_age[row] /= 2.0;
            table.customer_age[row] /= 2.0;
        }
        table
    }
}

/// Purchases with their mean spend, of `number` customers with at least one.
pub(crate) fn spenders(number: usize) -> (Vec<u64>, Vec<f64>) {
    let mut random = ChaCha12Rng::seed_from_u64(2);
    let (rates, [p, q, v]) = (Gamma::new(RATES[0], 10.0).unwrap(), SPEND);
    let levels = Gamma::new(q, 1.0 / v).unwrap();
    let customer = |_| {
        // Some ten purchases each.
        let purchases = 1.0 + rates.sample(&mut random).floor();
        let scale = 1.0 / levels.sample(&mut random);
        let total = Gamma::new(p * purchases, scale).unwrap();
        (purchases as u64, total.sample(&mut random) / purchases)
    };
    (0..number).map(customer).unzip()
}

/// Purchases, the last of them and opportunities, of `number` customers with a weekly opportunity: p ~ Beta(α, β),
/// θ ~ Beta(γ, δ).
pub(crate) fn takers(number: usize, theta: [f64; 4]) -> [Vec<u64>; 3] {
    let mut random = ChaCha12Rng::seed_from_u64(3);
    let mut table: [Vec<u64>; 3] = Default::default();
    let [alpha, beta, gamma, delta] = theta;
    let (takes, leaves) = (
        Beta::new(alpha, beta).unwrap(),
        Beta::new(gamma, delta).unwrap(),
    );
    for _ in 0..number {
        let (p, theta) = (takes.sample(&mut random), leaves.sample(&mut random));
        let opportunities = random.random_range(1..=OPPORTUNITIES);
        let (mut frequency, mut last) = (0, 0);
        for opportunity in 1..=opportunities {
            if random.random::<f64>() < theta {
                break;
            }
            if random.random::<f64>() < p {
                frequency += 1;
                last = opportunity;
            }
        }
        table[0].push(frequency);
        table[1].push(last);
        table[2].push(opportunities);
    }
    table
}
