//! Order lines that add up to an order's value.

use rand::{Rng, RngCore};

use super::catalogue::{Product, products, remainder};
use super::needs::Taste;

/// An order line, in the currency of its order. Its amount is `quantity × unit_cents − discount_cents`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) product: Product,
    pub(super) quantity: i64,
    /// The price of one before discount; 0 for a free gift.
    pub(super) unit_cents: i64,
    /// The discount on the whole line; above 0 exactly when it was bought on discount.
    pub(super) discount_cents: i64,
}

impl Line {
    pub(super) fn amount_cents(&self) -> i64 {
        self.quantity * self.unit_cents - self.discount_cents
    }

    /// In euros, whatever the currency of the order.
    pub(super) fn cost_cents(&self) -> i64 {
        self.quantity * self.product.cost_cents
    }

    pub(super) fn is_gift(&self) -> bool {
        self.unit_cents == 0
    }
}

/// The share of orders that come with a free gift.
const GIFT_SHARE: f64 = 0.02;

/// Lines of at least this much, where an order has several.
const LEAST_LINE_CENTS: i64 = 300;

/// Discounts that the shop gives at least and at most, in percent on top of what is paid.
const DISCOUNTS: std::ops::RangeInclusive<i64> = 8..=28;

/// Makes baskets from the catalogue.
#[derive(Debug)]
pub(super) struct Baskets {
    products: Vec<Product>,
}

impl Baskets {
    pub(super) fn new() -> Self {
        Self {
            products: products(),
        }
    }

    /// Fills `lines` with one to five lines, and perhaps a gift, whose amounts add up to `cents` exactly.
    ///
    /// A line on discount is sold at the list price of a dearer product, and what that is too dear is the discount.
    /// A line that is not is sold at the price of the day: within 7 % of the list price of the product that fits
    /// best.
    pub(super) fn fill(
        &self,
        cents: i64,
        taste: &Taste,
        is_first_order: bool,
        random: &mut impl RngCore,
        lines: &mut Vec<Line>,
    ) {
        lines.clear();
        let most = (cents / LEAST_LINE_CENTS).clamp(1, 5);
        // The smaller of two draws: fewer lines are more frequent.
        let count = random
            .random_range(1..=most)
            .min(random.random_range(1..=most));
        let mut rest = cents;
        for left in (1..=count).rev() {
            let quantity = taste.need().quantities[random.random_range(0..8)];
            let part = if left == 1 {
                rest
            } else {
                let fair = rest / left;
                let drawn = fair * random.random_range(40..=160) / 100;
                let part = drawn.clamp(LEAST_LINE_CENTS, rest - (left - 1) * LEAST_LINE_CENTS);
                part - part % quantity
            };
            rest -= part;
            let category = taste.category(is_first_order, random);
            let residue = remainder(category, taste.brand(random));
            let percent = random.random_range(DISCOUNTS);
            lines.push(if random.random::<f64>() < taste.need().on_discount {
                self.discounted(part, quantity, residue, percent)
            } else {
                self.at_full_price(part, quantity, residue)
            });
        }
        if random.random::<f64>() < GIFT_SHARE {
            let product = self.products[random.random_range(0..400)];
            lines.push(Line {
                product,
                quantity: 1,
                unit_cents: 0,
                discount_cents: 0,
            });
        }
    }

    /// Some products of the remainder for `cents`, which is less than their list price.
    fn discounted(&self, cents: i64, wanted: i64, residue: usize, percent: i64) -> Line {
        let cheapest = self.products[residue].list_cents;
        let dearest = self.products[self.products.len() - 64 + residue].list_cents;
        // As many as the value bears at the cheapest price, and no fewer than it takes at the dearest.
        let bearable = ((cents + 1) / cheapest).max(1);
        let quantity = wanted.min(bearable).max(cents / dearest + 1);
        let each = (cents * (100 + percent) / 100 / quantity).max(cents / quantity + 1);
        let reaching = self
            .products
            .partition_point(|product| product.list_cents < each);
        let product = self.first_from(reaching, residue);
        Line {
            product,
            quantity,
            unit_cents: product.list_cents,
            discount_cents: quantity * product.list_cents - cents,
        }
    }

    /// Some products of the remainder for exactly `cents`.
    fn at_full_price(&self, cents: i64, wanted: i64, residue: usize) -> Line {
        let fits = cents % wanted == 0 && cents / wanted >= self.products[0].list_cents;
        let quantity = if fits { wanted } else { 1 };
        let unit_cents = cents / quantity;
        let near = self
            .products
            .partition_point(|product| product.list_cents < unit_cents);
        let product = self.first_from(near.saturating_sub(32), residue);
        Line {
            product,
            quantity,
            unit_cents,
            discount_cents: 0,
        }
    }

    /// The first product of the remainder from a place in the ladder of prices on, or the last there is.
    fn first_from(&self, place: usize, residue: usize) -> Product {
        let next = place + (residue + 64 - place % 64) % 64;
        let last = self.products.len() - 64 + residue;
        self.products[next.min(last)]
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::needs::NEEDS;
    use super::*;

    #[test]
    fn lines_add_up_to_the_order_and_none_is_negative() {
        let baskets = Baskets::new();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut lines = Vec::new();
        for cents in (1..2_000).chain([4_500, 89_999, 90_000, 90_001, 1_234_567]) {
            for need in 0..NEEDS.len() {
                let taste = Taste::draw(need, 0.5, &mut random);
                baskets.fill(cents, &taste, false, &mut random, &mut lines);
                assert_eq!(lines.iter().map(Line::amount_cents).sum::<i64>(), cents);
                for line in &lines {
                    assert!(line.discount_cents >= 0 && line.quantity >= 1, "{line:?}");
                    assert!(line.is_gift() || line.amount_cents() > 0, "{line:?}");
                }
            }
        }
    }

    #[test]
    fn prices_and_discounts_are_sensible() {
        let baskets = Baskets::new();
        for cents in [300, 2_500, 7_777, 50_000] {
            for residue in 0..64 {
                let line = baskets.discounted(cents, 1, residue, 8);
                assert!(line.discount_cents > 0 && line.discount_cents * 100 <= cents * 27);
                let line = baskets.at_full_price(cents, 1, residue);
                let off = (line.product.list_cents - cents).abs() * 100;
                assert!(off <= cents * 8, "{line:?} for {cents}");
            }
        }
    }
}
