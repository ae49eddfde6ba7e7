//! The products, the same for every company.

/// How many there are.
pub(super) const PRODUCTS: usize = 3_200;

/// A category of goods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Category {
    pub(super) name: &'static str,
    /// What goods cost in percent of the list price.
    cost_percent: i64,
    /// The probability that a line of it comes back.
    pub(super) return_rate: f64,
    /// Its subcategories, which name its products too.
    kinds: [&'static str; 5],
}

/// Every category. The same words as in the shop's navigation.
pub(super) const CATEGORIES: [Category; 8] = [
    category(
        "Coffee",
        42,
        0.015,
        [
            "Espresso",
            "Filter roast",
            "Decaf",
            "Cold brew",
            "Single origin",
        ],
    ),
    category(
        "Tea",
        38,
        0.015,
        ["Sencha", "Darjeeling", "Rooibos", "Peppermint", "Earl Grey"],
    ),
    category(
        "Chocolate",
        45,
        0.01,
        [
            "Dark bar",
            "Praliné box",
            "Drinking chocolate",
            "Nougat",
            "Truffles",
        ],
    ),
    category(
        "Tableware",
        52,
        0.04,
        ["Cup", "Saucer", "Teapot", "Bowl", "Carafe"],
    ),
    category(
        "Machines",
        61,
        0.07,
        ["Grinder", "Kettle", "Press", "Machine", "Scale"],
    ),
    category(
        "Textiles",
        48,
        0.06,
        ["Tea towel", "Apron", "Napkins", "Runner", "Cosy"],
    ),
    category(
        "Books",
        55,
        0.02,
        ["Handbook", "Cookbook", "Atlas", "Calendar", "Notebook"],
    ),
    category(
        "Gifts",
        40,
        0.03,
        ["Hamper", "Voucher box", "Candle", "Card set", "Sampler"],
    ),
];

const fn category(
    name: &'static str,
    cost_percent: i64,
    return_rate: f64,
    kinds: [&'static str; 5],
) -> Category {
    Category {
        name,
        cost_percent,
        return_rate,
        kinds,
    }
}

/// The category that customers of high value began with more often than others: machines.
pub(super) const IDEAL_FIRST_CATEGORY: usize = 4;

/// Brands. The first is the company's own, the last [`PREMIUM_BRANDS`] are premium.
pub(super) const BRANDS: [&str; 8] = [
    "Hausmarke",
    "Alba",
    "Brio",
    "Corso",
    "Delft",
    "Estrella",
    "Fontane",
    "Grandezza",
];

/// How many of [`BRANDS`], from the end, are premium.
pub(super) const PREMIUM_BRANDS: usize = 2;

/// Ratio of the list prices of neighbours: 3,200 steps from 0.90 to 900.00.
const STEP: f64 = 1.002_161_681_4;

/// A product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) number: usize,
    pub(super) list_cents: i64,
    pub(super) cost_cents: i64,
}

impl Product {
    /// Index into [`CATEGORIES`]; neighbours in price do not share it.
    pub(super) fn category(self) -> usize {
        self.number * 5 % CATEGORIES.len()
    }

    /// Index into [`BRANDS`]; of any 64 neighbours in price each has another category or brand.
    pub(super) fn brand(self) -> usize {
        (self.number + self.number / BRANDS.len()) % BRANDS.len()
    }

    pub(super) fn is_premium(self) -> bool {
        self.brand() >= BRANDS.len() - PREMIUM_BRANDS
    }

    pub(super) fn category_name(self) -> &'static str {
        CATEGORIES[self.category()].name
    }

    pub(super) fn subcategory(self) -> &'static str {
        let kinds = &CATEGORIES[self.category()].kinds;
        kinds[self.number / CATEGORIES.len() % kinds.len()]
    }

    pub(super) fn name(self) -> String {
        format!(
            "{} {} No. {}",
            BRANDS[self.brand()],
            self.subcategory(),
            self.number + 1
        )
    }

    pub(super) fn sku(self) -> String {
        format!("P{:04}", self.number + 1)
    }
}

/// Product numbers of this remainder by 64 are those of a category and brand.
pub(super) fn remainder(category: usize, brand: usize) -> usize {
    // 5 is its own inverse modulo 8.
    let low = category * 5 % 8;
    let high = (brand + 8 - low) % 8;
    high * 8 + low
}

/// All products, ascending by list price; the cheapest differ by less than a cent.
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
            product.cost_cents =
                (list_cents * CATEGORIES[product.category()].cost_percent + 50) / 100;
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
        assert!(products.is_sorted_by_key(|product| product.list_cents));
        assert!(
            products
                .iter()
                .all(|product| product.cost_cents < product.list_cents)
        );
        assert_eq!(products[9].name(), "Brio Apron No. 10");
    }

    #[test]
    fn a_remainder_is_a_category_and_brand() {
        for product in products() {
            assert_eq!(
                remainder(product.category(), product.brand()),
                product.number % 64
            );
        }
    }
}
