with marketing_spend as (
    select * from entities.marketing_spend
),

campaigns as (
    select * from entities.campaigns
),

exchange_rates as (
    select * from entities.exchange_rates
),

rates as (
    select rate_date, currency, rate
    from exchange_rates
    where target_currency = $currency
),

seen as (
    select
        spend_id,
        spend_date,
        channel,
        campaign_id,
        coalesce(currency, $currency) as currency,
        spend_amount,
        impressions,
        clicks
    from marketing_spend
    where spend_date < $as_of
),

final as (
    select
        seen.spend_id,
        seen.spend_date,
        seen.channel,
        seen.campaign_id,
        $acquisition_spend = 'all'
        or campaigns.campaign_kind is null
        or lower(campaigns.campaign_kind) not in ('retention', 'win-back', 'winback')
            as is_acquisition,
        seen.impressions,
        seen.clicks,
        case
            when seen.currency = $currency then seen.spend_amount
            else cast(seen.spend_amount * rates.rate as decimal(18, 4))
        end as spend
    from seen
    left join campaigns
        on seen.campaign_id = campaigns.campaign_id
    left join rates
        on seen.currency = rates.currency
        and seen.spend_date = rates.rate_date
)

select * from final
