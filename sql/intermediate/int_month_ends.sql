with history as (
    select
        12 * date_part('year', $as_of - 1) + date_part('month', $as_of - 1) as last_month
),

months as (
    select
        unnest(generate_series(last_month - $lifecycle_months, cast(last_month as bigint)))
            as month_number,
        last_month - $lifecycle_months as opening_month
    from history
),

-- Months are numbered 12 × year + month, so that a span of months is a difference.
final as (
    select
        month_number,
        month_number = opening_month as is_opening,
        cast(
            least(make_date(month_number / 12, month_number % 12 + 1, 1), $as_of) as date
        ) as as_of_date
    from months
)

select * from final
