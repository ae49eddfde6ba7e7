//! The CRM's export: gzip CSV with semicolons, a byte-order mark, cells with line breaks and German dates.

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::{Rng, RngCore};
use std::io::Write as _;

use super::channels::CHANNELS;
use super::dirt::{Dirt, Faults};
use super::persona::{GENDERS, INCOME_BANDS, Profile};
use super::text::{push, push_digits};
use super::truth::Tally;
use super::{GenerateError, Object, text};
use chrono::Datelike;

/// The raw table's name.
pub(super) const CUSTOMERS: &str = "crm.customers";

const HEADER: &[u8] = b"\xef\xbb\xbfcustomer_id;name;email;address;country;birth_date;\
acquisition_channel;marketing_consent;store_credit;created_on;\
region;gender;household_size;income_band;language;acquisition_campaign\n";

const FIRST_NAMES: [&str; 16] = [
    "Anna",
    "Bjørn",
    "Chloé",
    "David",
    "Elif",
    "François",
    "Grażyna",
    "Hanna",
    "Igor",
    "Jürgen",
    "Katarína",
    "Lucía",
    "Marek",
    "Noëlle",
    "Oskar",
    "Zoë",
];
const LAST_NAMES: [&str; 16] = [
    "Andersson",
    "Bianchi",
    "Çelik",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Horváth",
    "Jansen",
    "Kowalski",
    "Müller",
    "Nowak",
    "O'Brien",
    "Rossi",
    "Schäfer",
    "Weiß",
];
/// The share of accounts of which the CRM knows the channel but not the campaign.
const NO_CAMPAIGN_SHARE: f64 = 0.1;

/// An account as the CRM has it.
pub(super) struct Account<'a> {
    pub(super) id: &'a str,
    pub(super) profile: &'a Profile,
    /// Index into [`CHANNELS`].
    pub(super) channel: u8,
    pub(super) created_day: i32,
}

/// The rows of a chunk.
pub(super) struct Crm {
    out: GzEncoder<Vec<u8>>,
    row: Vec<u8>,
}

impl Crm {
    pub(super) fn new() -> Result<Self, GenerateError> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(HEADER).map_err(compress)?;
        Ok(Self {
            out,
            row: Vec::new(),
        })
    }

    /// Writes an account's row: as it should be, faulty, or not at all.
    pub(super) fn write(
        &mut self,
        account: &Account<'_>,
        faults: Faults,
        random: &mut impl RngCore,
        tally: &mut Tally,
    ) -> Result<(), GenerateError> {
        let mut cells = cells(account, random);
        if faults.unknown {
            return Ok(());
        }
        match faults.crm {
            Some(fault) => {
                SPOTS.soil(&mut cells, fault);
                tally.count_fault(CUSTOMERS, fault);
            }
            None => tally.count_rows(CUSTOMERS, 1),
        }
        self.row.clear();
        push_row(&mut self.row, &cells, b';', b"\n");
        self.out.write_all(&self.row).map_err(compress)
    }

    pub(super) fn finish(self, chunk: u64) -> Result<Object, GenerateError> {
        let bytes = self.out.finish().map_err(compress)?.into();
        Ok(Object {
            path: format!("crm/customers/customers-{chunk:05}.csv.gz"),
            bytes,
        })
    }
}

fn compress(source: std::io::Error) -> GenerateError {
    GenerateError::Compress {
        table: CUSTOMERS,
        source,
    }
}

fn cells(account: &Account<'_>, random: &mut impl RngCore) -> Vec<Vec<u8>> {
    let first = FIRST_NAMES[random.random_range(0..FIRST_NAMES.len())];
    let last = LAST_NAMES[random.random_range(0..LAST_NAMES.len())];
    let house = random.random_range(1..=120);
    let birth_day = random.random_range(-10_957..=13_514);
    let (known, untidy, told): (f64, f64, f64) =
        (random.random(), random.random(), random.random());
    let credit = if random.random::<f64>() < 0.15 {
        random.random_range(100..=250_000)
    } else {
        0
    };
    let (id, profile, place) = (account.id, account.profile, account.profile.place());
    let channel = &CHANNELS[usize::from(account.channel)];

    let mut cells = vec![Vec::new(); 9];
    cells[0] = id.into();
    push!(&mut cells[1], "{first} {last}");
    // What people typed into forms: staging trims and lowers.
    match untidy {
        u if u < 0.02 => push!(&mut cells[2], " {id}@Example.ORG "),
        u if u < 0.05 => {}
        _ => push!(&mut cells[2], "{}@example.org", id.to_lowercase()),
    }
    let (street, postal_code, city) = (place.street, place.postal_code, place.city);
    match house % 10 {
        0 => push!(
            &mut cells[3],
            "\"{street} {house}; \"\"Hinterhaus\"\"\n{postal_code} {city}\""
        ),
        _ => push!(&mut cells[3], "\"{street} {house}\n{postal_code} {city}\""),
    }
    cells[4] = place.country.into();
    if known < 0.9 {
        push_german_date(&mut cells[5], birth_day);
    }
    cells[6] = channel.name.into();
    cells[7] = ["yes", "no", ""][profile.consent].into();
    push_german_number(&mut cells[8], credit);
    let mut created = Vec::with_capacity(10);
    push_german_date(&mut created, account.created_day);
    let mut size = Vec::new();
    push!(&mut size, "{}", profile.household_size);
    let campaign = match told < NO_CAMPAIGN_SHARE {
        true => "",
        false => channel.campaigns[profile.campaign].0,
    };
    cells.extend([
        created,
        place.region.into(),
        GENDERS[profile.gender].into(),
        size,
    ]);
    cells.extend([INCOME_BANDS[profile.income_band], place.language, campaign].map(Vec::from));
    cells
}

/// Appends `17.05.2024`.
fn push_german_date(out: &mut Vec<u8>, day: i32) {
    let day = text::date(day);
    push!(out, "{:02}.{:02}.{}", day.day(), day.month(), day.year());
}

/// Appends `1.234,50`; at most six digits before the comma.
fn push_german_number(out: &mut Vec<u8>, cents: i64) {
    let (whole, rest) = (cents / 100, cents % 100);
    if whole >= 1_000 {
        push!(out, "{}.", whole / 1_000);
        push_digits(out, (whole % 1_000) as u64, 3);
    } else {
        push!(out, "{whole}");
    }
    out.push(b',');
    push_digits(out, rest as u64, 2);
}

/// Appends cells, already quoted where they need it, as a row.
pub(super) fn push_row(out: &mut Vec<u8>, cells: &[Vec<u8>], delimiter: u8, line_end: &[u8]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(delimiter);
        }
        out.extend_from_slice(cell);
    }
    out.extend_from_slice(line_end);
}

/// Where the cells stand that faults are put into.
pub(super) struct Spots {
    pub(super) key: usize,
    pub(super) text: usize,
    pub(super) number: usize,
    pub(super) wrong_number: &'static str,
    pub(super) date: usize,
    pub(super) wrong_date: &'static str,
}

const SPOTS: Spots = Spots {
    key: 0,
    text: 1,
    number: 8,
    wrong_number: "1O0,00",
    date: 9,
    wrong_date: "30.02.2023",
};

impl Spots {
    /// Makes a good row of CSV cells a faulty one.
    pub(super) fn soil(&self, cells: &mut Vec<Vec<u8>>, fault: Dirt) {
        match fault {
            Dirt::UnparsableDate => cells[self.date] = self.wrong_date.into(),
            Dirt::NumberWithLetters => cells[self.number] = self.wrong_number.into(),
            Dirt::MissingRequired => cells[self.key].clear(),
            Dirt::TooFewFields => cells.truncate(3),
            Dirt::TooManyFields => cells.insert(self.text, b"Dr.".to_vec()),
            Dirt::InvalidUtf8 | Dirt::BrokenJson => {
                cells[self.text] = b"J\xfcrgen M\xfcller".to_vec()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn german_numbers_have_points_between_thousands() {
        let text = |cents| {
            let mut out = Vec::new();
            push_german_number(&mut out, cents);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(text(0), "0,00");
        assert_eq!(text(99_999), "999,99");
        assert_eq!(text(123_450), "1.234,50");
    }
}
