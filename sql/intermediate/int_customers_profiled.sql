-- Each trait is one text a customer, null where nothing tells it. Those of orders are of the first
-- one, so that being a good customer does not bring them about; the habit of discounts is the
-- exception.
with customers as (
    select * from entities.customers
),

raw_orders as (
    select * from entities.orders
),

valued as (
    select * from int_customers_valued
),

ideal as (
    select * from int_customers_ideal
),

acquired as (
    select * from int_customers_acquired
),

first_orders as (
    select * from int_first_orders_described
),

orders as (
    select * from int_orders_valued
),

moments as (
    select customer_id, min(ordered_at) as first_ordered_at
    from raw_orders
    where customer_id is not null
        and local_date(ordered_at, $timezone) < $as_of
    group by customer_id
),

-- Timestamps are UTC without saying so.
hours as (
    select
        customer_id,
        date_part('hour', (first_ordered_at at time zone 'UTC') at time zone $timezone) as hour,
        date_part('isodow', local_date(first_ordered_at, $timezone)) as weekday
    from moments
),

devices as (
    select
        customer_id,
        first_by(device, local_date(ordered_at, $timezone), order_id) as first_device
    from raw_orders
    where customer_id is not null
        and device is not null
        and local_date(ordered_at, $timezone) < $as_of
    group by customer_id
),

habits as (
    select
        customer_id,
        count(discounts) as orders,
        sum(case when discounts > 0 then 1 else 0 end) as discounted_orders
    from orders
    where customer_id is not null
    group by customer_id
),

described as (
    select
        *,
        case
            when birth_date < $as_of
                then date_part('year', $as_of) - date_part('year', birth_date)
                    - case
                        when to_char($as_of, '%m%d') < to_char(birth_date, '%m%d') then 1
                        else 0
                    end
        end as age
    from customers
),

final as (
    select
        valued.customer_id,
        valued.orders > 0 as is_buyer,
        ideal.is_ideal,
        described.customer_type,
        described.gender,
        case
            when described.age is null then described.age_band
            when described.age < 18 then 'under 18'
            when described.age < 25 then '18-24'
            when described.age < 35 then '25-34'
            when described.age < 45 then '35-44'
            when described.age < 55 then '45-54'
            when described.age < 65 then '55-64'
            else '65 and over'
        end as age_band,
        described.marital_status,
        case
            when described.household_size < 5 then cast(described.household_size as varchar)
            when described.household_size >= 5 then '5 and more'
        end as household_size,
        described.household_composition,
        case
            when described.children < 3 then cast(described.children as varchar)
            when described.children >= 3 then '3 and more'
        end as children,
        described.home_ownership,
        described.income_band,
        described.industry,
        described.company_size,
        described.language,
        described.country,
        described.region,
        cast(described.has_marketing_consent as varchar) as has_marketing_consent,
        nullif(acquired.acquisition_channel, 'unknown') as acquisition_channel,
        acquired.acquisition_campaign_id as acquisition_campaign,
        valued.first_channel,
        devices.first_device,
        first_orders.first_product,
        first_orders.first_category,
        case
            when hours.hour < 6 then '00-05'
            when hours.hour < 12 then '06-11'
            when hours.hour < 18 then '12-17'
            when hours.hour is not null then '18-23'
        end as first_order_hours,
        case
            when hours.weekday = 1 then 'monday'
            when hours.weekday = 2 then 'tuesday'
            when hours.weekday = 3 then 'wednesday'
            when hours.weekday = 4 then 'thursday'
            when hours.weekday = 5 then 'friday'
            when hours.weekday = 6 then 'saturday'
            when hours.weekday = 7 then 'sunday'
        end as first_order_weekday,
        case
            when habits.discounted_orders = 0 and habits.orders > 0 then 'never'
            when 2 * habits.discounted_orders > habits.orders then 'mostly'
            when habits.orders > 0 then 'sometimes'
        end as discount_habit
    from valued
    left join ideal
        on valued.customer_id = ideal.customer_id
    left join described
        on valued.customer_id = described.customer_id
    left join acquired
        on valued.customer_id = acquired.customer_id
    left join first_orders
        on valued.customer_id = first_orders.customer_id
    left join devices
        on valued.customer_id = devices.customer_id
    left join hours
        on valued.customer_id = hours.customer_id
    left join habits
        on valued.customer_id = habits.customer_id
)

select * from final
