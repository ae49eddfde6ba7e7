-- Rates are fixed on working days: a weekend and a holiday have the last before them, and so have
-- ten days from the last one on.
with exchange_rates as (
    select * from treasury.exchange_rates
),

quoted as (
    select
        quoted_on,
        currency,
        euros_a_unit,
        coalesce(
            lead(quoted_on) over (partition by currency order by quoted_on),
            quoted_on + 10
        ) as next_quoted_on
    from exchange_rates
),

final as (
    select
        unnest(generate_series(quoted_on, next_quoted_on - 1, interval '1 day')) as rate_date,
        currency,
        'EUR' as target_currency,
        euros_a_unit as rate
    from quoted
)

select * from final
