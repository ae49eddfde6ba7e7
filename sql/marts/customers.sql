with customers as (
    select * from entities.customers
),

summaries as (
    select * from int_customers_summarised
),

returns as (
    select * from int_returns_summarised
),

-- A customer counts who is known to any system: bought, returned or merely stands in the customer
-- list.
known as (
    select
        coalesce(customers.customer_id, summaries.customer_id) as customer_id,
        customers.customer_name,
        customers.customer_type,
        customers.email,
        customers.country,
        customers.region,
        customers.city,
        customers.signed_up_at,
        customers.acquisition_channel,
        summaries.first_channel,
        summaries.first_order_date,
        summaries.last_order_date,
        coalesce(summaries.orders, 0) as orders,
        coalesce(summaries.purchase_days, 0) as purchase_days,
        case
            when summaries.customer_id is null then 0
            else summaries.gross_revenue
        end as gross_revenue,
        case
            when summaries.customer_id is null then 0
            else summaries.discounts
        end as discounts,
        summaries.cost
    from customers
    full join summaries
        on customers.customer_id = summaries.customer_id
),

joined as (
    select
        coalesce(known.customer_id, returns.customer_id) as customer_id,
        known.customer_name,
        known.customer_type,
        known.email,
        known.country,
        known.region,
        known.city,
        known.signed_up_at,
        known.acquisition_channel,
        known.first_channel,
        known.first_order_date,
        known.last_order_date,
        coalesce(known.orders, 0) as orders,
        coalesce(known.purchase_days, 0) as purchase_days,
        case when known.customer_id is null then 0 else known.gross_revenue end as gross_revenue,
        case when known.customer_id is null then 0 else known.discounts end as discounts,
        coalesce(returns.returns, 0) as returns,
        returns.last_return_date,
        case
            when returns.customer_id is null then 0
            else returns.returned_revenue
        end as returned_revenue,
        case
            when returns.customer_id is null then 0
            else returns.restocked_cost
        end as restocked_cost,
        known.cost
    from known
    full join returns
        on known.customer_id = returns.customer_id
),

final as (
    select
        customer_id,
        customer_name,
        customer_type,
        email,
        country,
        region,
        city,
        local_date(signed_up_at, $timezone) as signed_up_date,
        acquisition_channel,
        first_channel,
        first_order_date,
        last_order_date,
        orders,
        purchase_days,
        returns,
        last_return_date,
        cast(gross_revenue as decimal(18, 4)) as gross_revenue,
        cast(discounts as decimal(18, 4)) as discounts,
        cast(returned_revenue as decimal(18, 4)) as returned_revenue,
        cast(gross_revenue - discounts - returned_revenue as decimal(18, 4)) as net_revenue,
        cast(cost - restocked_cost as decimal(18, 4)) as cost,
        cast(
            gross_revenue - discounts - returned_revenue - cost + restocked_cost
            as decimal(18, 4)
        ) as margin
    from joined
)

select * from final
