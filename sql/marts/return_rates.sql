with lines as (
    select * from int_order_lines_valued
),

returns as (
    select * from int_returns_valued
),

products as (
    select * from entities.products
),

responses as (
    select * from int_survey_responses_scored
),

returned_orders as (
    select * from int_orders_returned
),

-- A return does not tell which of two lines of one order with the same product it is of. Lines of
-- orders that are not known, such as cancelled ones, were not sold.
sold as (
    select
        order_id,
        product_id,
        count(*) as lines,
        sum(quantity) as quantity,
        sum(revenue) as revenue,
        count(revenue) = count(*) as has_revenue,
        max(order_date) + cast($return_days as int) < $as_of as is_old
    from lines
    where line_kind = 'sale' and has_order and (revenue is null or revenue <> 0)
    group by 1, 2
),

came_back as (
    select
        order_id,
        product_id,
        count(*) as lines
    from returns
    where order_id is not null and product_id is not null
    group by 1, 2
),

sold_by_product as (
    select
        sold.product_id,
        sum(sold.lines) as lines,
        sum(sold.quantity) as quantity,
        sum(sold.revenue) as revenue,
        bool_and(sold.has_revenue) as has_revenue,
        sum(case when sold.is_old then sold.lines else 0 end) as old_lines,
        sum(
            case when sold.is_old then least(sold.lines, coalesce(came_back.lines, 0)) end
        ) as old_returned
    from sold
    left join came_back
        on sold.order_id = came_back.order_id
        and sold.product_id = came_back.product_id
    group by sold.product_id
),

returned_by_product as (
    select
        product_id,
        count(*) as lines,
        count(order_id) as lines_of_orders,
        sum(quantity) as quantity,
        sum(returned_revenue) as revenue,
        count(returned_revenue) = count(*) as has_revenue
    from returns
    group by product_id
),

-- A review may be of the order and name no product, so that a return of anything in it counts.
-- Places on scales have twelve decimals, so that their sums are the same in any order.
reviewed as (
    select
        responses.product_id,
        returned_orders.order_id is not null as is_returned,
        count(*) as reviews,
        sum(cast(responses.score_share as decimal(18, 12))) as share_sum
    from responses
    left join returned_orders
        on responses.order_id = returned_orders.order_id
    where responses.question_kind = 'review'
        and responses.score_share is not null
        and responses.order_id is not null
    group by 1, 2
),

by_product as (
    select
        product_id,
        lines,
        quantity,
        revenue,
        has_revenue,
        old_lines,
        coalesce(old_returned, 0) as old_returned,
        0 as returned_lines,
        0 as returned_of_orders,
        0 as returned_quantity,
        cast(0 as decimal(18, 4)) as returned_revenue,
        true as has_returned_revenue,
        cast(null as boolean) as is_returned,
        0 as reviews,
        cast(0 as decimal(38, 12)) as share_sum
    from sold_by_product
    union all
    select
        product_id,
        0 as lines,
        cast(null as bigint) as quantity,
        cast(0 as decimal(18, 4)) as revenue,
        true as has_revenue,
        0 as old_lines,
        0 as old_returned,
        lines as returned_lines,
        lines_of_orders as returned_of_orders,
        coalesce(quantity, 0) as returned_quantity,
        coalesce(revenue, 0) as returned_revenue,
        has_revenue as has_returned_revenue,
        cast(null as boolean) as is_returned,
        0 as reviews,
        cast(0 as decimal(38, 12)) as share_sum
    from returned_by_product
    union all
    select
        product_id,
        0 as lines,
        cast(null as bigint) as quantity,
        cast(0 as decimal(18, 4)) as revenue,
        true as has_revenue,
        0 as old_lines,
        0 as old_returned,
        0 as returned_lines,
        0 as returned_of_orders,
        0 as returned_quantity,
        cast(0 as decimal(18, 4)) as returned_revenue,
        true as has_returned_revenue,
        is_returned,
        reviews,
        share_sum
    from reviewed
),

by_category as (
    select
        by_product.*,
        coalesce(products.category, 'unknown') as category
    from by_product
    left join products
        on by_product.product_id = products.product_id
),

placed as (
    select
        'category' as dimension,
        category as dimension_value,
        by_category.*
    from by_category
    union all
    select
        'all' as dimension,
        'all' as dimension_value,
        by_category.*
    from by_category
),

summed as (
    select
        dimension,
        dimension_value,
        cast(sum(lines) as bigint) as lines,
        cast(sum(quantity) as bigint) as quantity,
        case when bool_and(has_revenue) then sum(revenue) end as revenue,
        cast(sum(returned_lines) as bigint) as returned_lines,
        cast(sum(returned_of_orders) as bigint) as returned_of_orders,
        cast(sum(returned_quantity) as bigint) as returned_quantity,
        case when bool_and(has_returned_revenue) then sum(returned_revenue) end as returned_revenue,
        cast(sum(old_lines) as bigint) as old_lines,
        cast(sum(old_returned) as bigint) as old_returned,
        cast(sum(case when not is_returned then reviews else 0 end) as bigint) as kept_reviews,
        sum(share_sum) filter (where not is_returned) as kept_share_sum,
        cast(sum(case when is_returned then reviews else 0 end) as bigint) as returned_reviews,
        sum(share_sum) filter (where is_returned) as returned_share_sum
    from placed
    group by 1, 2
),

-- Of a source whose returns name no orders nobody knows which of the old lines came back.
told as (
    select
        *,
        returned_lines = 0 or returned_of_orders > 0 as has_orders_of_returns
    from summed
),

rated as (
    select
        *,
        case
            when old_lines > 0 and has_orders_of_returns
                then cast(old_returned as double) / old_lines
        end as return_rate
    from told
),

final as (
    select
        dimension,
        dimension_value,
        lines,
        quantity,
        cast(revenue as decimal(18, 4)) as revenue,
        returned_lines,
        returned_quantity,
        cast(returned_revenue as decimal(18, 4)) as returned_revenue,
        case
            when revenue > 0 then cast(returned_revenue as double) / cast(revenue as double)
        end as returned_revenue_share,
        old_lines as measured_lines,
        case when return_rate is not null then old_returned end as measured_returned_lines,
        return_rate,
        case
            when return_rate is not null
                then sqrt(return_rate * (1 - return_rate) / old_lines)
        end as return_rate_standard_error,
        case when has_orders_of_returns then kept_reviews end as kept_reviews,
        case
            when has_orders_of_returns and kept_reviews > 0
                then cast(kept_share_sum as double) / cast(kept_reviews as double)
        end as kept_review_mean_share,
        case when has_orders_of_returns then returned_reviews end as returned_reviews,
        case
            when has_orders_of_returns and returned_reviews > 0
                then cast(returned_share_sum as double) / cast(returned_reviews as double)
        end as returned_review_mean_share
    from rated
    where lines > 0
        or returned_lines > 0
)

select * from final
