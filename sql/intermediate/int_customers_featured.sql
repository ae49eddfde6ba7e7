-- Scores as in int_customers_scored, and shares of buyers and of value above, among the buyers of
-- each day. Only distinct values with their counts are put in order, never the customers themselves;
-- these are then looked up in that, which is the smaller side of each join.
with snapshots as (
    select * from int_customers_snapshotted
),

recency_counts as (
    select as_of_date, last_order_date as amount, count(*) as customers
    from snapshots
    where orders > 0
    group by as_of_date, last_order_date
),

frequency_counts as (
    select as_of_date, orders as amount, count(*) as customers
    from snapshots
    where orders > 0
    group by as_of_date, orders
),

-- Who cost more than they brought takes nothing away from what the others are worth.
monetary_counts as (
    select
        as_of_date,
        value_to_date as amount,
        count(*) as customers,
        sum(case when value_to_date > 0 then value_to_date else 0 end) as worth
    from snapshots
    where orders > 0
        and value_to_date is not null
    group by as_of_date, value_to_date
),

buyer_totals as (
    select as_of_date, sum(customers) as buyers
    from frequency_counts
    group by as_of_date
),

monetary_totals as (
    select as_of_date, sum(customers) as buyers, sum(worth) as worth
    from monetary_counts
    group by as_of_date
),

recency_ranks as (
    select
        as_of_date,
        amount,
        sum(customers) over (partition by as_of_date order by amount) - customers as below
    from recency_counts
),

frequency_ranks as (
    select
        as_of_date,
        amount,
        customers,
        sum(customers) over (partition by as_of_date order by amount) - customers as below
    from frequency_counts
),

monetary_ranks as (
    select
        as_of_date,
        amount,
        customers,
        worth,
        sum(customers) over (partition by as_of_date order by amount) - customers as below,
        sum(worth) over (partition by as_of_date order by amount) - worth as worth_below
    from monetary_counts
),

recency_scores as (
    select
        recency_ranks.as_of_date,
        recency_ranks.amount,
        1 + (5 * recency_ranks.below) / buyer_totals.buyers as score
    from recency_ranks
    inner join buyer_totals
        on recency_ranks.as_of_date = buyer_totals.as_of_date
),

frequency_scores as (
    select
        ranks.as_of_date,
        ranks.amount,
        1 + (5 * ranks.below) / totals.buyers as score,
        cast(totals.buyers - ranks.below - ranks.customers as double)
        / cast(totals.buyers as double) as share_above
    from frequency_ranks as ranks
    inner join buyer_totals as totals
        on ranks.as_of_date = totals.as_of_date
),

-- Doubles hold whole numbers exactly, so that a share that is the bound of a tier is equal to it.
monetary_scores as (
    select
        ranks.as_of_date,
        ranks.amount,
        1 + (5 * ranks.below) / totals.buyers as score,
        cast(totals.buyers - ranks.below - ranks.customers as double)
        / cast(totals.buyers as double) as share_above,
        case
            when totals.worth > 0
                then cast(10000 * (totals.worth - ranks.worth_below - ranks.worth) as double)
                    / cast(10000 * totals.worth as double)
            else cast(1 as double)
        end as worth_share_above
    from monetary_ranks as ranks
    inner join monetary_totals as totals
        on ranks.as_of_date = totals.as_of_date
),

keyed as (
    select
        *,
        case when orders > 0 then value_to_date end as buyer_value
    from snapshots
),

with_recency as (
    select
        keyed.*,
        recency_scores.score as recency_score
    from recency_scores
    right join keyed
        on recency_scores.as_of_date = keyed.as_of_date
        and recency_scores.amount = keyed.last_order_date
),

with_frequency as (
    select
        with_recency.*,
        frequency_scores.score as frequency_score,
        frequency_scores.share_above as buyers_share_with_more_orders
    from frequency_scores
    right join with_recency
        on frequency_scores.as_of_date = with_recency.as_of_date
        and frequency_scores.amount = with_recency.orders
),

with_value as (
    select
        with_frequency.*,
        monetary_scores.score as monetary_score,
        monetary_scores.share_above as buyers_share_with_more_value,
        monetary_scores.worth_share_above as value_share_above
    from monetary_scores
    right join with_frequency
        on monetary_scores.as_of_date = with_frequency.as_of_date
        and monetary_scores.amount = with_frequency.buyer_value
),

final as (
    select
        customer_id,
        as_of_date,
        is_listed,
        has_browsed,
        orders,
        recent_orders,
        purchase_days,
        days_since_last_order,
        value_to_date,
        cast(recency_score as bigint) as recency_score,
        cast(frequency_score as bigint) as frequency_score,
        cast(monetary_score as bigint) as monetary_score,
        buyers_share_with_more_orders,
        buyers_share_with_more_value,
        value_share_above,
        case
            when $value_tier_by = 'value' then value_share_above
            else buyers_share_with_more_value
        end as value_position
    from with_value
)

select * from final
