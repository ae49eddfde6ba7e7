-- Each customer weighs by their lines. What is a share of the customer's own lines is made decimal
-- again, so that sums are the same in any order.
with classified as (
    select * from int_customers_classified
),

needs as (
    select * from int_customer_needs_measured
),

members as (
    select customer_id, scheme, segment
    from classified
    where as_of_date = $as_of
),

baskets as (
    select
        customer_id,
        order_lines,
        cast(round(discount_share * order_lines) as bigint) as discounted_lines,
        case when premium_share is not null then order_lines end as rated_lines,
        cast(premium_share * order_lines as decimal(18, 6)) as premium_lines,
        case when top_brand_share is not null then order_lines end as branded_lines,
        cast(top_brand_share * order_lines as decimal(18, 6)) as top_brand_lines,
        case when price_percentile is not null then order_lines end as priced_lines,
        cast(price_percentile * order_lines as decimal(18, 6)) as price_percentiles,
        case when variety is not null then order_lines end as product_lines,
        cast(variety * order_lines as decimal(18, 6)) as products
    from needs
    where as_of_date = $as_of
),

summed as (
    select
        members.scheme,
        members.segment,
        count(*) as customers,
        count(*) filter (where baskets.order_lines > 0) as buyers,
        coalesce(sum(baskets.order_lines), 0) as order_lines,
        sum(baskets.discounted_lines) as discounted_lines,
        sum(baskets.rated_lines) as rated_lines,
        sum(baskets.premium_lines) as premium_lines,
        sum(baskets.branded_lines) as branded_lines,
        sum(baskets.top_brand_lines) as top_brand_lines,
        sum(baskets.priced_lines) as priced_lines,
        sum(baskets.price_percentiles) as price_percentiles,
        sum(baskets.product_lines) as product_lines,
        sum(baskets.products) as products
    from members
    left join baskets
        on members.customer_id = baskets.customer_id
    group by members.scheme, members.segment
),

final as (
    select
        scheme,
        segment,
        customers,
        buyers,
        cast(order_lines as bigint) as order_lines,
        cast(order_lines as double) / cast(nullif(buyers, 0) as double) as lines_per_buyer,
        cast(discounted_lines as double)
        / cast(nullif(order_lines, 0) as double) as discount_share,
        cast(premium_lines as double) / cast(nullif(rated_lines, 0) as double) as premium_share,
        cast(top_brand_lines as double)
        / cast(nullif(branded_lines, 0) as double) as top_brand_share,
        cast(price_percentiles as double)
        / cast(nullif(priced_lines, 0) as double) as price_percentile,
        cast(products as double) / cast(nullif(product_lines, 0) as double) as variety
    from summed
)

select * from final
