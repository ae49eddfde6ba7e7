with spend as (
    select * from int_marketing_spend_valued
),

months as (
    select
        channel,
        cast(date_trunc('month', spend_date) as date) as spend_month,
        sum(spend) as spend,
        sum(case when is_acquisition then spend end) as acquisition_spend,
        bool_or(spend is null) as has_unvalued_entry,
        bool_or(is_acquisition and spend is null) as has_unvalued_acquisition_entry
    from spend
    group by channel, cast(date_trunc('month', spend_date) as date)
),

channels as (
    select distinct channel
    from months
),

covered as (
    select min(spend_month) as first_month, max(spend_month) as last_month
    from months
),

covered_months as (
    select
        unnest(
            generate_series(first_month, last_month, interval '1 month')
        ) as spend_month
    from covered
    where first_month is not null
),

channel_months as (
    select
        channels.channel,
        cast(covered_months.spend_month as date) as spend_month
    from channels
    cross join covered_months
),

-- A channel that is billed at all has spent nothing in a covered month without an entry of its own.
final as (
    select
        channel_months.channel,
        channel_months.spend_month,
        cast(
            case
                when months.channel is null then 0
                when not months.has_unvalued_entry then months.spend
            end as decimal(18, 4)
        ) as spend,
        cast(
            case
                when months.channel is null then 0
                when not months.has_unvalued_acquisition_entry
                    then coalesce(months.acquisition_spend, 0)
            end as decimal(18, 4)
        ) as acquisition_spend
    from channel_months
    left join months
        on channel_months.channel = months.channel
        and channel_months.spend_month = months.spend_month
)

select * from final
