with customer_months as (
    select * from int_customer_months_classified
),

month_ends as (
    select * from int_month_ends
),

opening as (
    select as_of_date
    from month_ends
    where is_opening
),

changes as (
    select customer_id, as_of_date, stage, previous_stage
    from customer_months
    where previous_stage is null
        or previous_stage <> stage
),

periods as (
    select
        customer_id,
        row_number() over changes as stage_number,
        stage,
        previous_stage,
        lead(stage) over changes as next_stage,
        as_of_date as from_date,
        lead(as_of_date) over changes as to_date
    from changes
    window changes as (partition by customer_id order by as_of_date)
),

final as (
    select
        periods.customer_id,
        cast(periods.stage_number as bigint) as stage_number,
        periods.stage,
        periods.previous_stage,
        periods.next_stage,
        periods.from_date,
        periods.to_date,
        periods.to_date is null as is_current,
        periods.from_date = opening.as_of_date as may_have_begun_earlier,
        cast(coalesce(periods.to_date, $as_of) - periods.from_date as bigint) as days_in_stage
    from opening
    cross join periods
)

select * from final
