-- Only distinct values with their counts are put in order, never the buyers themselves.
with customers as (
    select * from int_customers_valued
),

lifetimes as (
    select * from customer_lifetimes
),

measured as (
    select
        customers.customer_id,
        case
            when $ideal_by = 'customer_lifetime_value'
                then cast(lifetimes.customer_lifetime_value as decimal(18, 4))
            else customers.value_to_date
        end as ideal_value
    from customers
    left join lifetimes
        on customers.customer_id = lifetimes.customer_id
    where customers.orders > 0
),

counts as (
    select ideal_value, count(*) as customers
    from measured
    where ideal_value is not null
    group by ideal_value
),

ranked as (
    select
        ideal_value,
        sum(customers) over (order by ideal_value desc) - customers as above
    from counts
),

total as (
    select sum(customers) as customers
    from counts
),

cut as (
    select min(ranked.ideal_value) as least
    from ranked
    cross join total
    where ranked.above < cast($ideal_share as decimal(9, 8)) * total.customers
        and ranked.ideal_value > 0
),

final as (
    select
        measured.customer_id,
        cast(measured.ideal_value as decimal(18, 4)) as ideal_value,
        cut.least is not null and measured.ideal_value >= cut.least as is_ideal
    from measured
    cross join cut
    where measured.ideal_value is not null
)

select * from final
