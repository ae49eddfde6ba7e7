with customer_months as (
    select * from int_customer_months_classified
),

month_ends as (
    select * from int_month_ends
),

moves as (
    select
        customer_months.month_number,
        coalesce(customer_months.previous_stage, 'none') as from_stage,
        customer_months.stage as to_stage,
        count(*) as customers,
        case
            when count(*) = count(customer_months.window_value)
                then sum(customer_months.window_value)
        end as value
    from month_ends
    inner join customer_months
        on month_ends.month_number = customer_months.month_number
    where not month_ends.is_opening
    group by
        customer_months.month_number,
        coalesce(customer_months.previous_stage, 'none'),
        customer_months.stage
),

-- Between two rows of a customer the stage stays and nothing is bought.
pauses as (
    select month_number, next_month_number, stage, count(*) as customers
    from customer_months
    where next_month_number > month_number + 1
        or next_month_number is null
    group by month_number, next_month_number, stage
),

stays as (
    select
        month_ends.month_number,
        pauses.stage as from_stage,
        pauses.stage as to_stage,
        pauses.customers,
        0 as value
    from pauses
    inner join month_ends
        on month_ends.month_number > pauses.month_number
        and month_ends.month_number < coalesce(
            pauses.next_month_number, month_ends.month_number + 1
        )
),

transitions as (
    select * from moves
    union all
    select * from stays
),

sums as (
    select
        month_number,
        from_stage,
        to_stage,
        sum(customers) as customers,
        case when count(*) = count(value) then sum(value) end as value
    from transitions
    group by month_number, from_stage, to_stage
),

final as (
    select
        starts.as_of_date as from_date,
        ends.as_of_date as to_date,
        sums.from_stage,
        sums.to_stage,
        sums.customers,
        cast(sums.customers as double)
        / cast(
            sum(sums.customers) over (
                partition by sums.month_number, sums.from_stage
            ) as double
        ) as share_of_from_stage,
        cast(sums.value as decimal(18, 4)) as value
    from sums
    inner join month_ends as ends
        on sums.month_number = ends.month_number
    inner join month_ends as starts
        on sums.month_number = starts.month_number + 1
)

select * from final
