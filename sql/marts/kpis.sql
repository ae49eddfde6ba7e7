with purchase_days as (
    select * from int_purchase_days_sequenced
),

orders as (
    select * from int_orders_valued
),

returns as (
    select * from int_returns_valued
),

survey_responses as (
    select * from int_survey_responses_scored
),

marketing_spend as (
    select * from int_marketing_spend_valued
),

lifetimes as (
    select * from customer_lifetimes
),

-- The first of a customer's days in a month is the one whose day before lies in an earlier month,
-- so that customers are counted without a collection a month.
purchases as (
    select
        date_trunc('month', purchase_date) as month,
        count(*) filter (where purchase_number = 1) as new_customers,
        count(*) filter (where is_won_back) as won_back_customers,
        count(*) filter (
            where previous_purchase_date is null
                or previous_purchase_date < date_trunc('month', purchase_date)
        ) as active_customers,
        count(*) filter (
            where previous_purchase_date < date_trunc('month', purchase_date)
                and previous_purchase_date
                >= date_trunc('month', purchase_date) - interval '1 month'
        ) as retained_customers,
        cast(sum(orders) as bigint) as orders,
        case when count(revenue) = count(*) then sum(revenue) end as revenue,
        case when count(cost) = count(*) then sum(cost) end as cost,
        case when count(order_value) = count(*) then sum(order_value) end as order_value
    from purchase_days
    group by date_trunc('month', purchase_date)
),

losses as (
    select
        date_trunc('month', purchase_date + $inactive_after_days) as month,
        count(*) as lost_customers
    from purchase_days
    where purchase_date + $inactive_after_days < $as_of
        and (
            next_purchase_date is null
            or next_purchase_date > purchase_date + $inactive_after_days
        )
    group by date_trunc('month', purchase_date + $inactive_after_days)
),

returned as (
    select
        date_trunc('month', return_date) as month,
        case
            when count(returned_revenue) = count(*) then sum(returned_revenue)
        end as returned_revenue,
        case when count(restocked_cost) = count(*) then sum(restocked_cost) end
            as restocked_cost,
        case when count(returned_value) = count(*) then sum(returned_value) end
            as returned_value
    from returns
    where customer_id is not null
    group by date_trunc('month', return_date)
),

anonymous as (
    select
        date_trunc('month', order_date) as month,
        count(*) as orders,
        case when count(revenue) = count(*) then sum(revenue) end as revenue
    from orders
    where customer_id is null
    group by date_trunc('month', order_date)
),

surveys as (
    select
        date_trunc('month', asked_date) as month,
        count(*) as nps_responses,
        count(*) filter (where nps_group = 'promoter') as promoters,
        count(*) filter (where nps_group = 'detractor') as detractors
    from survey_responses
    where nps_group is not null
        and asked_date < $as_of
    group by date_trunc('month', asked_date)
),

spends as (
    select
        date_trunc('month', spend_date) as month,
        case when count(spend) = count(*) then sum(spend) end as marketing_spend,
        case
            when count(*) filter (where is_acquisition and spend is null) = 0
                then coalesce(sum(spend) filter (where is_acquisition), 0)
        end as acquisition_spend
    from marketing_spend
    where spend_date < $as_of
    group by date_trunc('month', spend_date)
),

-- Doubles are added as decimals, so that the sum does not depend on their order.
predictions as (
    select
        date_trunc('month', $as_of - 1) as month,
        cast(sum(cast(customer_lifetime_value as decimal(18, 4))) as double)
        / cast(nullif(count(customer_lifetime_value), 0) as double) as predicted_lifetime_value
    from lifetimes
),

beginnings as (
    select min(month) as month from purchases
    union all
    select min(month) as month from returned
    union all
    select min(month) as month from anonymous
    union all
    select min(month) as month from surveys
    union all
    select min(month) as month from spends
),

first_months as (
    select cast(min(month) as date) as month from beginnings
),

months as (
    select
        cast(
            unnest(generate_series(month, $as_of - 1, interval '1 month')) as date
        ) as month
    from first_months
    where month is not null
),

joined as (
    select
        months.month,
        months.month + interval '1 month' <= $as_of as is_complete,
        coalesce(purchases.active_customers, 0) as active_customers,
        coalesce(purchases.new_customers, 0) as new_customers,
        coalesce(purchases.won_back_customers, 0) as won_back_customers,
        coalesce(losses.lost_customers, 0) as lost_customers,
        coalesce(purchases.retained_customers, 0) as retained_customers,
        coalesce(purchases.orders, 0) as orders,
        case when purchases.month is null then 0 else purchases.revenue end as revenue,
        case when purchases.month is null then 0 else purchases.cost end as cost,
        case when purchases.month is null then 0 else purchases.order_value end as order_value,
        case
            when returned.month is null then 0 else returned.returned_revenue
        end as returned_revenue,
        case when returned.month is null then 0 else returned.restocked_cost end
            as restocked_cost,
        case when returned.month is null then 0 else returned.returned_value end
            as returned_value,
        coalesce(anonymous.orders, 0) as anonymous_orders,
        case when anonymous.month is null then 0 else anonymous.revenue end
            as anonymous_revenue,
        coalesce(surveys.nps_responses, 0) as nps_responses,
        surveys.promoters,
        surveys.detractors,
        spends.marketing_spend,
        spends.acquisition_spend,
        predictions.predicted_lifetime_value
    from months
    left join purchases on months.month = purchases.month
    left join losses on months.month = losses.month
    left join returned on months.month = returned.month
    left join anonymous on months.month = anonymous.month
    left join surveys on months.month = surveys.month
    left join spends on months.month = spends.month
    left join predictions on months.month = predictions.month
),

valued as (
    select
        *,
        row_number() over (order by month) as month_number,
        revenue - returned_revenue - cost + restocked_cost as margin,
        order_value - returned_value as value,
        sum(new_customers + won_back_customers - lost_customers) over (order by month)
            as customers_at_end
    from joined
),

rated as (
    select
        *,
        customers_at_end - new_customers - won_back_customers + lost_customers
            as customers_at_start,
        cast(nullif(active_customers, 0) as double) as customers,
        cast(orders as double) / cast(nullif(active_customers, 0) as double) as frequency,
        cast(revenue as double) / cast(nullif(orders, 0) as double) as order_amount,
        cast(margin as double) / cast(nullif(revenue, 0) as double) as margin_rate
    from valued
),

compared as (
    select
        *,
        lag(revenue) over months as revenue_before,
        lag(margin) over months as margin_before,
        lag(customers) over months as customers_before,
        lag(frequency) over months as frequency_before,
        lag(order_amount) over months as order_amount_before,
        lag(margin_rate) over months as margin_rate_before
    from rated
    window months as (order by month)
),

middles as (
    select
        *,
        (customers + customers_before) / 2 as customers_middle,
        (frequency + frequency_before) / 2 as frequency_middle,
        (order_amount + order_amount_before) / 2 as order_amount_middle,
        (margin_rate + margin_rate_before) / 2 as margin_rate_middle
    from compared
),

-- The Shapley value of a factor of a product is its change times the mean of the product of the
-- others on the straight way from before to now, which Simpson's rule gives exactly for up to
-- three others.
decomposed as (
    select
        *,
        (customers - customers_before) / 6 * (
            frequency_before * order_amount_before
            + 4 * frequency_middle * order_amount_middle
            + frequency * order_amount
        ) as revenue_from_customers,
        (frequency - frequency_before) / 6 * (
            customers_before * order_amount_before
            + 4 * customers_middle * order_amount_middle
            + customers * order_amount
        ) as revenue_from_frequency,
        (order_amount - order_amount_before) / 6 * (
            customers_before * frequency_before
            + 4 * customers_middle * frequency_middle
            + customers * frequency
        ) as revenue_from_order_value,
        (customers - customers_before) / 6 * (
            frequency_before * order_amount_before * margin_rate_before
            + 4 * frequency_middle * order_amount_middle * margin_rate_middle
            + frequency * order_amount * margin_rate
        ) as margin_from_customers,
        (frequency - frequency_before) / 6 * (
            customers_before * order_amount_before * margin_rate_before
            + 4 * customers_middle * order_amount_middle * margin_rate_middle
            + customers * order_amount * margin_rate
        ) as margin_from_frequency,
        (order_amount - order_amount_before) / 6 * (
            customers_before * frequency_before * margin_rate_before
            + 4 * customers_middle * frequency_middle * margin_rate_middle
            + customers * frequency * margin_rate
        ) as margin_from_order_value,
        (margin_rate - margin_rate_before) / 6 * (
            customers_before * frequency_before * order_amount_before
            + 4 * customers_middle * frequency_middle * order_amount_middle
            + customers * frequency * order_amount
        ) as margin_from_margin_rate
    from middles
),

histories as (
    select
        later.month,
        case when count(earlier.value) = count(*) then sum(earlier.value) end as value,
        sum(earlier.lost_customers) as lost_customers
    from valued as later
    inner join valued as earlier
        on earlier.month_number <= later.month_number
        and earlier.month_number > later.month_number - $lifetime_value_months
    where later.is_complete
        and later.month_number >= $lifetime_value_months
    group by later.month
),

final as (
    select
        decomposed.month,
        $currency as currency,
        decomposed.is_complete,
        decomposed.customers_at_start,
        decomposed.new_customers,
        decomposed.won_back_customers,
        decomposed.lost_customers,
        decomposed.customers_at_end,
        decomposed.active_customers,
        decomposed.orders,
        decomposed.frequency as orders_per_customer,
        cast(decomposed.revenue as decimal(18, 4)) as revenue,
        decomposed.order_amount as average_order_value,
        cast(decomposed.revenue as double) / decomposed.customers as revenue_per_customer,
        cast(decomposed.returned_revenue as decimal(18, 4)) as returned_revenue,
        cast(decomposed.margin as decimal(18, 4)) as margin,
        decomposed.margin_rate,
        1 - cast(decomposed.lost_customers as double)
        / cast(nullif(decomposed.customers_at_start, 0) as double) as retention_rate,
        cast(decomposed.lost_customers as double)
        / cast(nullif(decomposed.customers_at_start, 0) as double) as churn_rate,
        cast(decomposed.retained_customers as double) / decomposed.customers_before
            as repeat_rate,
        decomposed.nps_responses,
        100 * cast(decomposed.promoters - decomposed.detractors as double)
        / cast(nullif(decomposed.nps_responses, 0) as double) as net_promoter_score,
        cast(decomposed.marketing_spend as decimal(18, 4)) as marketing_spend,
        cast(decomposed.acquisition_spend as double)
        / cast(nullif(decomposed.new_customers, 0) as double) as customer_acquisition_cost,
        cast(histories.value as double)
        / cast(nullif(histories.lost_customers, 0) as double) as lifetime_value,
        decomposed.predicted_lifetime_value,
        cast(decomposed.revenue - decomposed.revenue_before as decimal(18, 4))
            as revenue_change,
        decomposed.revenue_from_customers as revenue_change_from_customers,
        decomposed.revenue_from_frequency as revenue_change_from_frequency,
        decomposed.revenue_from_order_value as revenue_change_from_order_value,
        cast(decomposed.margin - decomposed.margin_before as decimal(18, 4))
            as margin_change,
        decomposed.margin_from_customers as margin_change_from_customers,
        decomposed.margin_from_frequency as margin_change_from_frequency,
        decomposed.margin_from_order_value as margin_change_from_order_value,
        decomposed.margin_from_margin_rate as margin_change_from_margin_rate,
        decomposed.anonymous_orders,
        cast(decomposed.anonymous_revenue as decimal(18, 4)) as anonymous_revenue
    from decomposed
    left join histories
        on decomposed.month = histories.month
)

select * from final
