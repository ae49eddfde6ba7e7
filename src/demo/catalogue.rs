//! The products, the same for every company.

/// How many there are.
pub(super) const PRODUCTS: usize = 400;

/// Categories, with what goods cost in percent of the list price and the words that name them.
const CATEGORIES: [(&str, i64, [&str; 5]); 8] = [
    (
        "Coffee",
        42,
        [
            "Espresso",
            "Filter roast",
            "Decaf",
            "Cold brew",
            "Single origin",
        ],
    ),
    (
        "Tea",
        38,
        ["Sencha", "Darjeeling", "Rooibos", "Peppermint", "Earl Grey"],
    ),
    (
        "Chocolate",
        45,
        [
            "Dark bar",
            "Praliné box",
            "Drinking chocolate",
            "Nougat",
            "Truffles",
        ],
    ),
    (
        "Tableware",
        52,
        ["Cup", "Saucer", "Teapot", "Bowl", "Carafe"],
    ),
    (
        "Machines",
        61,
        ["Grinder", "Kettle", "Press", "Machine", "Scale"],
    ),
    (
        "Textiles",
        48,
        ["Tea towel", "Apron", "Napkins", "Runner", "Cosy"],
    ),
    (
        "Books",
        55,
        ["Handbook", "Cookbook", "Atlas", "Calendar", "Notebook"],
    ),
    (
        "Gifts",
        40,
        ["Hamper", "Voucher box", "Candle", "Card set", "Sampler"],
    ),
];

/// Ratio of the list prices of neighbours: 400 steps from 0.90 to 900.00.
const STEP: f64 = 1.017_463_403;

/// A product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) number: usize,
    pub(super) list_cents: i64,
    pub(super) cost_cents: i64,
}

impl Product {
    pub(super) fn category(self) -> &'static str {
        CATEGORIES[self.kind()].0
    }

    pub(super) fn name(self) -> String {
        let words = &CATEGORIES[self.kind()].2;
        format!(
            "{} No. {}",
            words[self.number / CATEGORIES.len() % words.len()],
            self.number + 1
        )
    }

    pub(super) fn sku(self) -> String {
        format!("P{:04}", self.number + 1)
    }

    /// A category by number that neighbours in price do not share.
    fn kind(self) -> usize {
        self.number * 5 % CATEGORIES.len()
    }
}

/// All products, ascending by list price.
pub(super) fn products() -> Vec<Product> {
    let mut price = 0.90;
    (0..PRODUCTS)
        .map(|number| {
            // Multiplied up, not raised to a power: the same on every platform.
            let list_cents = (price * 100.0_f64).round() as i64;
            price *= STEP;
            let mut product = Product {
                number,
                list_cents,
                cost_cents: 0,
            };
            product.cost_cents = (list_cents * CATEGORIES[product.kind()].1 + 50) / 100;
            product
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_ascend_and_costs_stay_below_them() {
        let products = products();
        assert_eq!(products.len(), PRODUCTS);
        assert_eq!((products[0].list_cents, products[0].cost_cents), (90, 38));
        assert_eq!(products[PRODUCTS - 1].list_cents, 90_000);
        assert!(
            products
                .windows(2)
                .all(|pair| pair[0].list_cents < pair[1].list_cents)
        );
        assert_eq!(products[9].name(), "Apron No. 10");
    }
}
