-- Of the lines of the first day the one with the highest amount tells the first product: the tie is
-- the amount counted backwards, in as many digits as first_by holds without a text of its own.
with customers as (
    select * from int_customers_summarised
),

acquired as (
    select * from int_customers_acquired
),

order_lines as (
    select * from int_order_lines_valued
),

products as (
    select * from entities.products
),

first_lines as (
    select
        customer_id,
        min(order_date) as first_line_date,
        first_by(
            product_id,
            order_date,
            lpad(
                cast(
                    99999999999999
                    - least(
                        cast(100 * greatest(coalesce(revenue, 0), 0) as bigint), 99999999999999
                    ) as varchar
                ),
                14,
                '0'
            )
        ) as product_id
    from order_lines
    where customer_id is not null
        and line_kind = 'sale'
        and has_order
    group by customer_id
),

final as (
    select
        customers.customer_id,
        customers.first_order_date,
        cast(date_trunc('month', customers.first_order_date) as date) as cohort_month,
        cast(date_trunc('month', customers.last_order_date) as date) as last_order_month,
        nullif(acquired.acquisition_channel, 'unknown') as acquisition_channel,
        acquired.acquisition_campaign_id as acquisition_campaign,
        first_lines.product_id as first_product,
        products.category as first_category
    from customers
    left join acquired
        on customers.customer_id = acquired.customer_id
    left join first_lines
        on customers.customer_id = first_lines.customer_id
        and customers.first_order_date = first_lines.first_line_date
    left join products
        on first_lines.product_id = products.product_id
)

select * from final
