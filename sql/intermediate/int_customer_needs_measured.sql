-- Lines are first counted by customer and product, for both days in one pass; what products are is
-- joined to that, and all further steps are groupings of it. Counts are exact, unlike shares of
-- money of which some is unknown.
with snapshots as (
    select * from int_customers_featured
),

order_lines as (
    select * from int_order_lines_valued
),

products as (
    select * from int_products_priced
),

bought as (
    select
        customer_id,
        product_id,
        count(*) as lines,
        count(*) filter (where discounts > 0) as discounted_lines,
        count(*) filter (where order_date < $as_of - $comparison_days) as earlier_lines,
        count(*) filter (
            where discounts > 0
                and order_date < $as_of - $comparison_days
        ) as earlier_discounted_lines
    from order_lines
    where line_kind = 'sale'
        and has_order
        and customer_id is not null
    group by customer_id, product_id
),

days (days_before) as (
    values (0), ($comparison_days)
),

dated as (
    select
        bought.customer_id,
        $as_of - days.days_before as as_of_date,
        bought.product_id,
        case
            when days.days_before = 0 then bought.lines
            else bought.earlier_lines
        end as lines,
        case
            when days.days_before = 0 then bought.discounted_lines
            else bought.earlier_discounted_lines
        end as discounted_lines
    from days
    cross join bought
),

traits as (
    select
        dated.customer_id,
        dated.as_of_date,
        dated.lines,
        dated.discounted_lines,
        case when dated.product_id is null then 0 else 1 end as products,
        case when dated.product_id is null then 0 else dated.lines end as product_lines,
        products.brand,
        products.price_percentile_millionths,
        products.is_premium
    from products
    right join dated
        on products.product_id = dated.product_id
    where dated.lines > 0
),

by_brand as (
    select
        customer_id,
        as_of_date,
        brand,
        sum(lines) as lines,
        sum(discounted_lines) as discounted_lines,
        sum(products) as products,
        sum(product_lines) as product_lines,
        sum(lines) filter (where price_percentile_millionths is not null) as priced_lines,
        sum(lines * price_percentile_millionths) as millionths,
        sum(lines) filter (where is_premium is not null) as rated_lines,
        sum(lines) filter (where is_premium) as premium_lines
    from traits
    group by customer_id, as_of_date, brand
),

by_customer as (
    select
        customer_id,
        as_of_date,
        sum(lines) as lines,
        sum(discounted_lines) as discounted_lines,
        sum(products) as products,
        sum(product_lines) as product_lines,
        sum(priced_lines) as priced_lines,
        sum(millionths) as millionths,
        sum(rated_lines) as rated_lines,
        sum(premium_lines) as premium_lines,
        sum(lines) filter (where brand is not null) as branded_lines,
        max(lines) filter (where brand is not null) as top_brand_lines
    from by_brand
    group by customer_id, as_of_date
),

final as (
    select
        snapshots.customer_id,
        snapshots.as_of_date,
        cast(coalesce(counts.lines, 0) as bigint) as order_lines,
        coalesce(
            cast(counts.discounted_lines as double) / cast(counts.lines as double),
            0
        ) as discount_share,
        cast(counts.millionths as double)
        / cast(1000000 * counts.priced_lines as double) as price_percentile,
        cast(coalesce(counts.premium_lines, 0) as double)
        / cast(counts.rated_lines as double) as premium_share,
        cast(counts.top_brand_lines as double)
        / cast(counts.branded_lines as double) as top_brand_share,
        case
            when counts.product_lines > 0
                then cast(counts.products as double) / cast(counts.product_lines as double)
        end as variety
    from by_customer as counts
    right join snapshots
        on counts.customer_id = snapshots.customer_id
        and counts.as_of_date = snapshots.as_of_date
)

select * from final
