with customers as (
    select * from entities.customers
),

orders as (
    select * from entities.orders
),

valued as (
    select * from int_customers_valued
),

acquired as (
    select * from int_customers_acquired
),

first_orders as (
    select * from int_first_orders_described
),

-- What no source tells is left out before the join, so that nothing is joined where nothing is
-- bound.
first_products as (
    select customer_id, first_product, first_category
    from first_orders
    where first_product is not null
),

devices as (
    select
        customer_id,
        first_by(device, local_date(ordered_at, $timezone), order_id) as first_device
    from orders
    where customer_id is not null
        and device is not null
        and local_date(ordered_at, $timezone) < $as_of
    group by customer_id
),

described as (
    select
        *,
        case
            when birth_date < $as_of
                then cast(
                    date_part('year', $as_of) - date_part('year', birth_date) as bigint
                ) - case
                    when to_char($as_of, '%m%d') < to_char(birth_date, '%m%d') then 1
                    else 0
                end
        end as age
    from customers
),

-- A customer counts who is known to any system: bought, returned or merely stands in the customer
-- list.
final as (
    select
        valued.customer_id,
        described.customer_name,
        described.customer_type,
        described.email,
        described.gender,
        described.age,
        described.age_band,
        described.marital_status,
        described.household_size,
        described.household_composition,
        described.children,
        described.home_ownership,
        described.income_band,
        described.industry,
        described.company_size,
        described.language,
        described.country,
        described.region,
        described.city,
        described.postal_code,
        described.has_marketing_consent,
        local_date(described.signed_up_at, $timezone) as signed_up_date,
        acquired.acquisition_date,
        coalesce(acquired.acquisition_channel, 'unknown') as acquisition_channel,
        acquired.acquisition_campaign_id,
        valued.first_channel,
        devices.first_device,
        first_products.first_product,
        first_products.first_category,
        valued.first_order_date,
        valued.last_order_date,
        valued.orders,
        valued.purchase_days,
        valued.returns,
        valued.last_return_date,
        valued.gross_revenue,
        valued.discounts,
        valued.returned_revenue,
        valued.net_revenue,
        valued.cost,
        valued.margin,
        valued.cost_to_serve,
        valued.acquisition_cost,
        valued.profit_to_date
    from valued
    left join described
        on valued.customer_id = described.customer_id
    left join acquired
        on valued.customer_id = acquired.customer_id
    left join first_products
        on valued.customer_id = first_products.customer_id
    left join devices
        on valued.customer_id = devices.customer_id
)

select * from final
