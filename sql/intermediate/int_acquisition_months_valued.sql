with customers as (
    select * from int_customers_acquired
),

orders as (
    select * from int_orders_valued
),

returns as (
    select * from int_returns_valued
),

buyers as (
    select
        customer_id,
        acquisition_channel,
        acquisition_date,
        date_trunc('month', acquisition_date) as acquisition_month,
        acquisition_date <= $as_of - 30 as has_30_days,
        acquisition_date <= $as_of - 90 as has_90_days,
        acquisition_date <= $as_of - 365 as has_365_days
    from customers
    where is_buyer
),

movements as (
    select customer_id, order_date as movement_date, order_value as movement_value
    from orders
    where customer_id is not null
    union all
    select customer_id, return_date as movement_date, -returned_value as movement_value
    from returns
    where customer_id is not null
),

-- What came back before the first order that is known belongs to orders before it, and is taken
-- off the first month.
aged as (
    select
        buyers.acquisition_channel,
        buyers.acquisition_month,
        buyers.has_30_days
        and movements.movement_date < buyers.acquisition_date + 30 as is_in_30_days,
        buyers.has_90_days
        and movements.movement_date < buyers.acquisition_date + 90 as is_in_90_days,
        buyers.has_365_days
        and movements.movement_date < buyers.acquisition_date + 365 as is_in_365_days,
        greatest(
            cast(
                12 * (
                    date_part('year', movements.movement_date)
                    - date_part('year', buyers.acquisition_date)
                )
                + date_part('month', movements.movement_date)
                - date_part('month', buyers.acquisition_date) as bigint
            ),
            0
        ) as months_since_acquisition,
        movements.movement_value
    from movements
    inner join buyers
        on movements.customer_id = buyers.customer_id
),

sums as (
    select
        acquisition_channel,
        acquisition_month,
        months_since_acquisition,
        sum(movement_value) as value,
        sum(case when is_in_30_days then movement_value else 0 end) as value_30_days,
        sum(case when is_in_90_days then movement_value else 0 end) as value_90_days,
        sum(case when is_in_365_days then movement_value else 0 end) as value_365_days,
        bool_or(movement_value is null) as has_unknown,
        bool_or(movement_value is null and is_in_30_days) as has_unknown_30_days,
        bool_or(movement_value is null and is_in_90_days) as has_unknown_90_days,
        bool_or(movement_value is null and is_in_365_days) as has_unknown_365_days
    from aged
    group by acquisition_channel, acquisition_month, months_since_acquisition
),

final as (
    select
        acquisition_channel,
        cast(acquisition_month as date) as acquisition_month,
        months_since_acquisition,
        cast(case when not has_unknown then value end as decimal(18, 4)) as value,
        cast(
            case when not has_unknown_30_days then value_30_days end as decimal(18, 4)
        ) as value_30_days,
        cast(
            case when not has_unknown_90_days then value_90_days end as decimal(18, 4)
        ) as value_90_days,
        cast(
            case when not has_unknown_365_days then value_365_days end as decimal(18, 4)
        ) as value_365_days
    from sums
)

select * from final
