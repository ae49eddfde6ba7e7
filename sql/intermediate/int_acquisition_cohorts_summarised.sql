with customers as (
    select * from int_customers_acquired
),

purchase_days as (
    select * from int_purchase_days_sequenced
),

summaries as (
    select * from int_customers_summarised
),

lifetimes as (
    select * from customer_lifetimes
),

months as (
    select * from int_acquisition_months_valued
),

spend_months as (
    select * from int_marketing_months_summarised
),

buyers as (
    select
        customers.acquisition_channel,
        date_trunc('month', customers.acquisition_date) as acquisition_month,
        customers.acquisition_date <= $as_of - 30 as has_30_days,
        customers.acquisition_date <= $as_of - 90 as has_90_days,
        customers.acquisition_date <= $as_of - 365 as has_365_days,
        purchase_days.next_purchase_date < customers.acquisition_date + 90 as is_back_in_90_days,
        purchase_days.next_purchase_date < customers.acquisition_date + 365
            as is_back_in_365_days,
        summaries.last_order_date >= $as_of - $inactive_after_days as is_active,
        cast(lifetimes.customer_lifetime_value as decimal(18, 4)) as predicted_value
    from customers
    inner join summaries
        on customers.customer_id = summaries.customer_id
    left join purchase_days
        on customers.customer_id = purchase_days.customer_id
        and purchase_days.purchase_number = 1
    left join lifetimes
        on customers.customer_id = lifetimes.customer_id
),

counts as (
    select
        acquisition_channel,
        acquisition_month,
        count(*) as customers,
        sum(case when has_30_days then 1 else 0 end) as customers_30_days,
        sum(case when has_90_days then 1 else 0 end) as customers_90_days,
        sum(case when has_365_days then 1 else 0 end) as customers_365_days,
        sum(case when has_90_days and is_back_in_90_days then 1 else 0 end) as returned_90_days,
        sum(case when has_365_days and is_back_in_365_days then 1 else 0 end) as returned_365_days,
        sum(case when is_active then 1 else 0 end) as active_customers,
        count(predicted_value) as predicted_customers,
        sum(predicted_value) as predicted_value
    from buyers
    group by acquisition_channel, acquisition_month
),

month_sums as (
    select
        acquisition_channel,
        acquisition_month,
        case when count(value) = count(*) then sum(value) end as value_to_date,
        case when count(value_30_days) = count(*) then sum(value_30_days) end as value_30_days,
        case when count(value_90_days) = count(*) then sum(value_90_days) end as value_90_days,
        case when count(value_365_days) = count(*) then sum(value_365_days) end as value_365_days
    from months
    group by acquisition_channel, acquisition_month
),

covered as (
    select min(spend_month) as first_month, max(spend_month) as last_month
    from spend_months
),

billed as (
    select
        coalesce(counts.acquisition_channel, spend_months.channel) as acquisition_channel,
        coalesce(counts.acquisition_month, spend_months.spend_month) as acquisition_month,
        coalesce(counts.customers, 0) as customers,
        coalesce(counts.customers_30_days, 0) as customers_30_days,
        coalesce(counts.customers_90_days, 0) as customers_90_days,
        coalesce(counts.customers_365_days, 0) as customers_365_days,
        coalesce(counts.returned_90_days, 0) as returned_90_days,
        coalesce(counts.returned_365_days, 0) as returned_365_days,
        coalesce(counts.active_customers, 0) as active_customers,
        coalesce(counts.predicted_customers, 0) as predicted_customers,
        counts.predicted_value,
        spend_months.channel is not null as is_billed,
        spend_months.acquisition_spend
    from counts
    full join spend_months
        on counts.acquisition_channel = spend_months.channel
        and counts.acquisition_month = spend_months.spend_month
),

final as (
    select
        billed.acquisition_channel,
        cast(billed.acquisition_month as date) as acquisition_month,
        billed.customers,
        cast(
            case
                when billed.is_billed then billed.acquisition_spend
                when $unbilled_channels_are_free
                    and billed.acquisition_channel <> 'unknown'
                    and billed.acquisition_month between covered.first_month and covered.last_month
                    then 0
            end as decimal(18, 4)
        ) as spend,
        billed.is_billed and billed.acquisition_spend is null as has_unknown_spend,
        billed.customers_30_days,
        billed.customers_90_days,
        billed.customers_365_days,
        cast(
            case when billed.customers = 0 then 0 else month_sums.value_30_days end
            as decimal(18, 4)
        ) as value_30_days,
        cast(
            case when billed.customers = 0 then 0 else month_sums.value_90_days end
            as decimal(18, 4)
        ) as value_90_days,
        cast(
            case when billed.customers = 0 then 0 else month_sums.value_365_days end
            as decimal(18, 4)
        ) as value_365_days,
        cast(
            case when billed.customers = 0 then 0 else month_sums.value_to_date end
            as decimal(18, 4)
        ) as value_to_date,
        billed.returned_90_days,
        billed.returned_365_days,
        billed.active_customers,
        billed.predicted_customers,
        cast(billed.predicted_value as decimal(18, 4)) as predicted_value
    from billed
    left join month_sums
        on billed.acquisition_channel = month_sums.acquisition_channel
        and billed.acquisition_month = month_sums.acquisition_month
    cross join covered
)

select * from final
