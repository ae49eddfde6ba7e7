with scores as (
    select * from int_customers_scored
),

lifetimes as (
    select * from customer_lifetimes
),

final as (
    select
        scores.customer_id,
        $as_of as as_of_date,
        $currency as currency,
        scores.days_since_last_order,
        scores.orders,
        scores.value_to_date,
        scores.recency_score,
        scores.frequency_score,
        scores.monetary_score,
        100 * scores.recency_score
        + 10 * scores.frequency_score
        + scores.monetary_score as rfm_score,
        case
            when scores.monetary_score = 5 then 'high'
            when scores.monetary_score >= 3 then 'middle'
            when scores.monetary_score >= 1 then 'low'
        end as value_tier,
        lifetimes.frequency,
        lifetimes.recency_age,
        lifetimes.customer_age,
        lifetimes.probability_alive,
        lifetimes.probability_alive_low,
        lifetimes.probability_alive_high,
        lifetimes.expected_purchases,
        lifetimes.expected_purchases_low,
        lifetimes.expected_purchases_high,
        lifetimes.purchases_low,
        lifetimes.purchases_high,
        lifetimes.expected_spend,
        lifetimes.expected_spend_low,
        lifetimes.expected_spend_high,
        lifetimes.customer_lifetime_value,
        lifetimes.customer_lifetime_value_low,
        lifetimes.customer_lifetime_value_high,
        lifetimes.model,
        lifetimes.spend_model,
        lifetimes.reason
    from scores
    left join lifetimes
        on scores.customer_id = lifetimes.customer_id
)

select * from final
