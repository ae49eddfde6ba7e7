//! What customers truly look for, and what truly comes back: `truth/needs.json` and `truth/returns.json`.

use serde::{Deserialize, Serialize};

use super::figure::{Draws, Figure, add_each};
use crate::demo::basket::Line;
use crate::demo::catalogue::CATEGORIES;
use crate::demo::needs::{NEEDS, Taste, premium_share};

/// Customers with one need. Their baskets follow from it; gifts are no lines here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeedTruth {
    /// `price_sensitive`, `quality_seeking`, `brand_loyal` or `variety_seeking`.
    pub need_segment: String,
    /// Their share of all customers.
    pub customers: Figure,
    /// The share of their lines that were bought on discount.
    pub on_discount: Figure,
    /// The share of their lines that are of a premium brand.
    pub premium: Figure,
    /// The share of their lines that are of the favourite brand, for those who have one.
    pub favourite_brand: Option<Figure>,
}

/// Lines of one category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReturnTruth {
    /// The category.
    pub category: String,
    /// Lines of sales, without gifts.
    pub lines: u64,
    /// Those of them that had come back by the end.
    pub returned_lines: u64,
    /// The probability that a line comes back, counted over lines that are old enough for all returns to be in: at
    /// least 28 days.
    pub return_rate: Figure,
}

const NEED_COUNT: usize = NEEDS.len();
const CATEGORY_COUNT: usize = CATEGORIES.len();

/// What was counted of baskets.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::demo) struct ShoppingLedger {
    customers: [Draws; NEED_COUNT],
    on_discount: [Draws; NEED_COUNT],
    premium: [Draws; NEED_COUNT],
    favourite_brand: [Draws; NEED_COUNT],
    lines: [u64; CATEGORY_COUNT],
    returned_lines: [u64; CATEGORY_COUNT],
    return_rate: [Draws; CATEGORY_COUNT],
}

impl ShoppingLedger {
    pub(in crate::demo) fn customer(&mut self, taste: &Taste) {
        for (need, (draws, of)) in self.customers.iter_mut().zip(&NEEDS).enumerate() {
            draws.chance(of.share, need == taste.need);
        }
    }

    pub(in crate::demo) fn line(&mut self, taste: &Taste, line: &Line) {
        let need = taste.need;
        let brand = line.product.brand();
        self.on_discount[need].chance(NEEDS[need].on_discount, line.discount_cents > 0);
        self.premium[need].chance(premium_share(need), line.product.is_premium());
        self.favourite_brand[need]
            .chance(NEEDS[need].favourite_brand, brand == taste.favourite_brand);
        self.lines[line.product.category()] += 1;
    }

    /// Whether a line came back: by the end, and, once it is old enough to tell, at all.
    pub(in crate::demo) fn fate(&mut self, category: usize, is_back: bool, at_all: Option<bool>) {
        self.returned_lines[category] += u64::from(is_back);
        if let Some(at_all) = at_all {
            self.return_rate[category].chance(CATEGORIES[category].return_rate, at_all);
        }
    }

    pub(in crate::demo) fn add(&mut self, other: &Self) {
        add_each(&mut self.customers, &other.customers);
        add_each(&mut self.on_discount, &other.on_discount);
        add_each(&mut self.premium, &other.premium);
        add_each(&mut self.favourite_brand, &other.favourite_brand);
        add_each(&mut self.return_rate, &other.return_rate);
        for category in 0..CATEGORY_COUNT {
            self.lines[category] += other.lines[category];
            self.returned_lines[category] += other.returned_lines[category];
        }
    }

    pub(in crate::demo) fn needs(&self) -> Vec<NeedTruth> {
        let rows = NEEDS.iter().enumerate();
        rows.map(|(need, of)| NeedTruth {
            need_segment: of.name.to_owned(),
            customers: self.customers[need].figure(),
            on_discount: self.on_discount[need].figure(),
            premium: self.premium[need].figure(),
            favourite_brand: (of.favourite_brand > 0.0)
                .then(|| self.favourite_brand[need].figure()),
        })
        .collect()
    }

    pub(in crate::demo) fn returns(&self) -> Vec<ReturnTruth> {
        let rows = CATEGORIES.iter().enumerate();
        rows.map(|(at, category)| ReturnTruth {
            category: category.name.to_owned(),
            lines: self.lines[at],
            returned_lines: self.returned_lines[at],
            return_rate: self.return_rate[at].figure(),
        })
        .collect()
    }
}
