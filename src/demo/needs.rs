//! What customers look for, which drives what they put into their baskets and what they say of the company.

use rand::{Rng, RngCore};

use super::catalogue::{BRANDS, CATEGORIES, IDEAL_FIRST_CATEGORY, PREMIUM_BRANDS};

/// A need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Need {
    pub(super) name: &'static str,
    /// The share of customers who have it.
    pub(super) share: f64,
    /// The probability that a line is bought on discount.
    pub(super) on_discount: f64,
    /// The probability that a line is of a premium brand.
    pub(super) premium: f64,
    /// The probability that a line is of the customer's favourite brand, if it were not for chance.
    pub(super) favourite_brand: f64,
    /// The probability that a line is of one of the customer's favourite categories; the rest is of any.
    pub(super) favourite_categories: f64,
    /// Among how many units a line's quantity is drawn: whoever looks at prices buys cheap things by the dozen.
    pub(super) quantities: [i64; 8],
    /// Shares of promoters and passives when asked whether they recommend the company; the rest are detractors.
    pub(super) recommends: [f64; 2],
}

/// Every need.
pub(super) const NEEDS: [Need; 4] = [
    Need {
        name: "price_sensitive",
        share: 0.30,
        on_discount: 0.80,
        premium: 0.05,
        favourite_brand: 0.0,
        favourite_categories: 0.85,
        quantities: [1, 2, 2, 3, 3, 4, 5, 6],
        recommends: [0.30, 0.35],
    },
    Need {
        name: "quality_seeking",
        share: 0.20,
        on_discount: 0.08,
        premium: 0.75,
        favourite_brand: 0.0,
        favourite_categories: 0.85,
        quantities: [1, 1, 1, 1, 1, 1, 1, 2],
        recommends: [0.55, 0.30],
    },
    Need {
        name: "brand_loyal",
        share: 0.25,
        on_discount: 0.15,
        premium: 0.0,
        favourite_brand: 0.85,
        favourite_categories: 0.85,
        quantities: [1, 1, 1, 1, 2, 2, 3, 4],
        recommends: [0.65, 0.25],
    },
    Need {
        name: "variety_seeking",
        share: 0.25,
        on_discount: 0.20,
        premium: 0.0,
        favourite_brand: 0.0,
        favourite_categories: 0.0,
        quantities: [1, 1, 1, 1, 2, 2, 3, 4],
        recommends: [0.40, 0.35],
    },
];

const VARIETY_SEEKING: usize = 3;
const BRAND_LOYAL: usize = 2;
const PLAIN_BRANDS: usize = BRANDS.len() - PREMIUM_BRANDS;

/// The categories each customer but a seeker of variety prefers.
const FAVOURITE_CATEGORIES: usize = 3;

/// The probability that a premium brand is what a line is of, whatever the way to it.
pub(super) fn premium_share(need: usize) -> f64 {
    let premium = PREMIUM_BRANDS as f64;
    let brands = BRANDS.len() as f64;
    match need {
        // The favourite is a plain brand; otherwise any other.
        BRAND_LOYAL => (1.0 - NEEDS[need].favourite_brand) * premium / (brands - 1.0),
        VARIETY_SEEKING => premium / brands,
        _ => NEEDS[need].premium,
    }
}

/// What one customer looks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Taste {
    /// Index into [`NEEDS`].
    pub(super) need: usize,
    /// A plain brand; only the loyal care.
    pub(super) favourite_brand: usize,
    favourite_categories: [usize; FAVOURITE_CATEGORIES],
    /// What all lines of the first order are of.
    pub(super) first_category: usize,
}

impl Taste {
    /// Draws a taste; customers of high value begin with machines more often than others.
    pub(super) fn draw(need: usize, first_category_share: f64, random: &mut impl RngCore) -> Self {
        let favourite_brand = random.random_range(0..PLAIN_BRANDS);
        let start = random.random_range(0..CATEGORIES.len());
        let step = random.random_range(1..FAVOURITE_CATEGORIES);
        let favourite_categories =
            std::array::from_fn(|index| (start + index * step) % CATEGORIES.len());
        let other = random.random_range(1..CATEGORIES.len());
        let first_category = if random.random::<f64>() < first_category_share {
            IDEAL_FIRST_CATEGORY
        } else {
            (IDEAL_FIRST_CATEGORY + other) % CATEGORIES.len()
        };
        Self {
            need,
            favourite_brand,
            favourite_categories,
            first_category,
        }
    }

    pub(super) fn need(&self) -> &'static Need {
        &NEEDS[self.need]
    }

    /// The category of a line.
    pub(super) fn category(&self, is_first_order: bool, random: &mut impl RngCore) -> usize {
        let is_favourite = random.random::<f64>() < self.need().favourite_categories;
        let any = random.random_range(0..CATEGORIES.len());
        match (is_first_order, is_favourite) {
            (true, _) => self.first_category,
            (false, true) => self.favourite_categories[any % FAVOURITE_CATEGORIES],
            (false, false) => any,
        }
    }

    /// The brand of a line.
    pub(super) fn brand(&self, random: &mut impl RngCore) -> usize {
        let uniform: f64 = random.random();
        let need = self.need();
        match self.need {
            VARIETY_SEEKING => random.random_range(0..BRANDS.len()),
            BRAND_LOYAL if uniform < need.favourite_brand => self.favourite_brand,
            BRAND_LOYAL => {
                (self.favourite_brand + random.random_range(1..BRANDS.len())) % BRANDS.len()
            }
            _ if uniform < need.premium => PLAIN_BRANDS + random.random_range(0..PREMIUM_BRANDS),
            _ => random.random_range(0..PLAIN_BRANDS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_needs_add_up_to_one() {
        let sum: f64 = NEEDS.iter().map(|need| need.share).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        assert_eq!(NEEDS[BRAND_LOYAL].name, "brand_loyal");
        assert_eq!(NEEDS[VARIETY_SEEKING].name, "variety_seeking");
    }
}
