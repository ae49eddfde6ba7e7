with scores as (
    select * from int_customers_scored
),

valued as (
    select * from int_customers_valued
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
        valued.gross_revenue,
        valued.discounts,
        valued.returned_revenue,
        valued.net_revenue,
        valued.cost,
        valued.margin,
        valued.ticket_cost,
        valued.contact_cost,
        valued.net_shipping_cost,
        valued.return_handling_cost,
        valued.cost_to_serve,
        valued.contribution_margin,
        valued.acquisition_cost,
        valued.profit_to_date,
        coalesce(
            valued.profit_to_date, valued.contribution_margin, scores.value_to_date
        ) < 0 as is_unprofitable,
        case
            when valued.profit_to_date is not null then 'profit_to_date'
            when valued.contribution_margin is not null then 'contribution_margin'
            when scores.value_to_date is not null then 'value_to_date'
        end as profit_basis,
        $measure as value_measure,
        scores.value_to_date,
        scores.recency_score,
        scores.frequency_score,
        scores.monetary_score,
        100 * scores.recency_score
        + 10 * scores.frequency_score
        + scores.monetary_score as rfm_score,
        scores.value_tier,
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
    inner join valued
        on scores.customer_id = valued.customer_id
    left join lifetimes
        on scores.customer_id = lifetimes.customer_id
)

select * from final
