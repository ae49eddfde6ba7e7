-- What is said of a product comes before what its sales tell. A percentile is told among the lines
-- sold, so that customers as a whole buy at one half: what is cheap in a category sells most. It
-- counts half of the lines of the same price.
with products as (
    select * from entities.products
),

order_lines as (
    select * from int_order_lines_valued
),

sold as (
    select
        product_id,
        count(*) as lines,
        sum(revenue + discounts) filter (where revenue is not null and quantity > 0) as amount,
        sum(quantity) filter (where revenue is not null and quantity > 0) as quantity
    from order_lines
    where line_kind = 'sale'
        and product_id is not null
    group by product_id
),

priced as (
    select
        products.product_id,
        products.category,
        products.brand,
        products.is_premium,
        coalesce(sold.lines, 0) as lines,
        case
            when products.list_price is not null then products.list_price
            when sold.quantity > 0
                then cast(
                    round(cast(sold.amount as double) / cast(sold.quantity as double), 4)
                    as decimal(18, 4)
                )
        end as price
    from products
    left join sold
        on products.product_id = sold.product_id
),

price_counts as (
    select category, price, sum(lines) as lines
    from priced
    where category is not null
        and price is not null
        and lines > 0
    group by category, price
),

category_totals as (
    select category, sum(lines) as lines
    from price_counts
    group by category
),

price_ranks as (
    select
        category,
        price,
        lines,
        sum(lines) over (partition by category order by price) - lines as below
    from price_counts
),

percentiles as (
    select
        ranks.category,
        ranks.price,
        (1000000 * (2 * ranks.below + ranks.lines)) / (2 * totals.lines) as millionths
    from price_ranks as ranks
    inner join category_totals as totals
        on ranks.category = totals.category
),

final as (
    select
        priced.product_id,
        priced.category,
        priced.brand,
        priced.price,
        cast(percentiles.millionths as bigint) as price_percentile_millionths,
        coalesce(
            priced.is_premium,
            cast(percentiles.millionths as double) >= 1000000 * $premium_percentile
        ) as is_premium
    from priced
    left join percentiles
        on priced.category = percentiles.category
        and priced.price = percentiles.price
)

select * from final
