//! The faults of raw rows that a reader must set aside.
//!
//! Which customer causes which fault follows from the customer's number, not from chance: the counts are known
//! without generating, and no table has more than 1 % of faulty rows, however small the company. Together they
//! make about 0.3 % of the rows.

use serde::{Deserialize, Serialize};

/// What is wrong with a raw row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dirt {
    /// A day that no calendar has.
    UnparsableDate,
    /// A letter O where a digit should be.
    NumberWithLetters,
    /// A required cell is empty.
    MissingRequired,
    /// The row ends early.
    TooFewFields,
    /// A cell holds an unquoted delimiter.
    TooManyFields,
    /// Latin-1 bytes in a UTF-8 file.
    InvalidUtf8,
    /// A line that is no JSON.
    BrokenJson,
}

/// The faults of CSV rows, in turn.
const CSV: [Dirt; 6] = [
    Dirt::UnparsableDate,
    Dirt::NumberWithLetters,
    Dirt::MissingRequired,
    Dirt::TooFewFields,
    Dirt::TooManyFields,
    Dirt::InvalidUtf8,
];

/// The faults of NDJSON rows, in turn.
const JSON: [Dirt; 5] = [
    Dirt::BrokenJson,
    Dirt::UnparsableDate,
    Dirt::NumberWithLetters,
    Dirt::MissingRequired,
    Dirt::InvalidUtf8,
];

/// What is wrong around one customer. Everything is absent in a clean company.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// The CRM row is replaced by a faulty one.
    pub(super) crm: Option<Dirt>,
    /// The CRM does not know the customer.
    pub(super) unknown: bool,
    /// A faulty order row comes in addition.
    pub(super) order: Option<Dirt>,
    /// A faulty order line comes in addition.
    pub(super) line: Option<Dirt>,
    /// A faulty return comes in addition.
    pub(super) return_row: Option<Dirt>,
    /// The row of the first order comes twice.
    pub(super) repeated_order: bool,
    /// A faulty review, survey response, ticket, campaign contact or mention comes in addition.
    pub(super) review: Option<Dirt>,
    pub(super) response: Option<Dirt>,
    pub(super) ticket: Option<Dirt>,
    pub(super) contact: Option<Dirt>,
    pub(super) mention: Option<Dirt>,
    /// A web event without a visitor comes in addition.
    pub(super) event: bool,
}

impl Faults {
    pub(super) fn around(customer: u64, dirty: bool) -> Self {
        let every = |period: u64, residue: u64| dirty && customer % period == residue;
        let turn = |of: &[Dirt], period: u64| of[(customer / period) as usize % of.len()];
        Self {
            crm: every(300, 299).then(|| turn(&CSV, 300)),
            unknown: every(300, 150),
            order: every(40, 39).then(|| turn(&CSV, 40)),
            // A column of a Parquet file has its type: no more than a value can be missing.
            line: every(16, 15).then_some(Dirt::MissingRequired),
            return_row: every(600, 599).then(|| turn(&JSON, 600)),
            repeated_order: every(200, 107),
            review: every(600, 599).then(|| turn(&JSON, 600)),
            response: every(80, 79).then(|| turn(&CSV, 80)),
            ticket: every(300, 299).then(|| turn(&CSV, 300)),
            contact: every(200, 199).then(|| turn(&CSV, 200)),
            mention: every(2_000, 1_999).then(|| turn(&JSON, 2_000)),
            event: every(40, 39),
        }
    }
}
