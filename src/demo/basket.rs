//! Order lines that add up to an order's value.

use rand::{Rng, RngCore};

use super::catalogue::{Product, products};

/// An order line. Its amount is `quantity × unit_cents − discount_cents`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) product: Product,
    pub(super) quantity: i64,
    /// The price of one before discount; 0 for a free gift.
    pub(super) unit_cents: i64,
    /// The discount on the whole line.
    pub(super) discount_cents: i64,
}

impl Line {
    pub(super) fn amount_cents(&self) -> i64 {
        self.quantity * self.unit_cents - self.discount_cents
    }

    pub(super) fn cost_cents(&self) -> i64 {
        self.quantity * self.product.cost_cents
    }
}

/// The share of orders that come with a free gift.
const GIFT_SHARE: f64 = 0.02;

/// Lines of at least this much, where an order has several.
const LEAST_LINE_CENTS: i64 = 300;

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
    /// Each line takes the cheapest products that reach its part of the value, or one of the eight next; what they
    /// are too dear is the discount, about 8 % on average and rarely over 20 %, so that margins stay sensible.
    pub(super) fn fill(&self, cents: i64, random: &mut impl RngCore, lines: &mut Vec<Line>) {
        lines.clear();
        let most = (cents / LEAST_LINE_CENTS).clamp(1, 5);
        // The smaller of two draws: fewer lines are more frequent.
        let count = random
            .random_range(1..=most)
            .min(random.random_range(1..=most));
        let mut rest = cents;
        for left in (1..=count).rev() {
            let part = if left == 1 {
                rest
            } else {
                let fair = rest / left;
                let drawn = fair * random.random_range(40..=160) / 100;
                drawn.clamp(LEAST_LINE_CENTS, rest - (left - 1) * LEAST_LINE_CENTS)
            };
            rest -= part;
            lines.push(self.line(part, random));
        }
        if random.random::<f64>() < GIFT_SHARE {
            let product = self.products[random.random_range(0..100)];
            lines.push(Line {
                product,
                quantity: 1,
                unit_cents: 0,
                discount_cents: 0,
            });
        }
    }

    fn line(&self, cents: i64, random: &mut impl RngCore) -> Line {
        let last = self.products.len() - 1;
        let dearest = self.products[last].list_cents;
        let wanted = [1, 1, 1, 1, 2, 2, 3, 4][random.random_range(0..8)];
        // As many as the value bears at the cheapest price, and no fewer than it takes at the dearest.
        let bearable = (cents / self.products[0].list_cents).max(1);
        let quantity = i64::min(wanted, bearable).max((cents + dearest - 1) / dearest);
        let each = (cents + quantity - 1) / quantity;
        let reaching = self
            .products
            .partition_point(|product| product.list_cents < each);
        let product = self.products[(reaching + random.random_range(0..=8)).min(last)];
        let discount_cents = quantity * product.list_cents - cents;
        Line {
            product,
            quantity,
            unit_cents: product.list_cents,
            discount_cents,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn lines_add_up_to_the_order_and_none_is_negative() {
        let baskets = Baskets::new();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut lines = Vec::new();
        for cents in (1..2_000).chain([4_500, 89_999, 90_000, 90_001, 1_234_567]) {
            baskets.fill(cents, &mut random, &mut lines);
            assert_eq!(lines.iter().map(Line::amount_cents).sum::<i64>(), cents);
            assert!(
                lines
                    .iter()
                    .all(|line| line.discount_cents >= 0 && line.quantity >= 1)
            );
            assert!(
                lines
                    .iter()
                    .all(|line| line.unit_cents == 0 || line.amount_cents() > 0)
            );
        }
    }
}
