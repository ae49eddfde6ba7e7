-- Months are numbered 12 × year + month − 1, so that a span of months is a difference.
with cohort_months as (
    select * from int_cohort_months_summarised
),

cohorts as (
    select
        dimension,
        dimension_value,
        cohort_month,
        cast(
            greatest(
                12 * date_part('year', cohort_month) + date_part('month', cohort_month) - 1,
                12 * date_part('year', $as_of) + date_part('month', $as_of) - 2
            ) as bigint
        ) as last_whole_month,
        cast(
            12 * date_part('year', $as_of - 1) + date_part('month', $as_of - 1) - 1 as bigint
        ) as last_observed_month
    from cohort_months
    where months_since_first_order = 0
),

-- A month that is not over is projected too, since its figures will still grow.
ahead as (
    select
        dimension,
        dimension_value,
        cohort_month,
        last_whole_month,
        unnest(
            generate_series(last_whole_month + 1, last_observed_month + $cohort_projection_months)
        ) as month_number
    from cohorts
),

final as (
    select
        dimension,
        dimension_value,
        cohort_month,
        make_date(month_number / 12, month_number % 12 + 1, 1) as activity_month,
        month_number - last_whole_month as months_ahead
    from ahead
)

select * from final
