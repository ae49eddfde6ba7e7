-- A score is one more than the number of fifths of all customers that stand strictly below: equal
-- values get equal scores. Only distinct values with their counts are put in order, never the
-- customers themselves.
with summaries as (
    select * from int_customers_summarised
),

returns as (
    select * from int_returns_summarised
),

valued as (
    select
        summaries.customer_id,
        summaries.last_order_date,
        summaries.orders,
        case
            when returns.customer_id is null then summaries.order_value
            else summaries.order_value - returns.returned_value
        end as value_to_date
    from summaries
    left join returns
        on summaries.customer_id = returns.customer_id
),

recency_counts as (
    select last_order_date as amount, count(*) as customers
    from summaries
    group by last_order_date
),

frequency_counts as (
    select orders as amount, count(*) as customers
    from summaries
    group by orders
),

monetary_counts as (
    select value_to_date as amount, count(*) as customers
    from valued
    where value_to_date is not null
    group by value_to_date
),

-- What a customer weighs in the shares of the tiers: one, or the value where there is any.
weights as (
    select
        amount,
        customers,
        case
            when $value_tier_by = 'value' then greatest(amount, 0) * customers
            else cast(customers as decimal(38, 4))
        end as weight
    from monetary_counts
),

buyers as (
    select count(*) as customers
    from summaries
),

totals as (
    select
        count(value_to_date) as customers,
        case
            when $value_tier_by = 'value' then sum(greatest(value_to_date, 0))
            else cast(count(value_to_date) as decimal(38, 4))
        end as weight
    from valued
),

-- Exact shares: 0.1 + 0.2 is 0.3 here.
tiers as (
    select
        customers,
        weight,
        cast($high_value_share as decimal(10, 9)) * weight as high_weight,
        (
            cast($high_value_share as decimal(10, 9))
            + cast($middle_value_share as decimal(10, 9))
        ) * weight as high_and_middle_weight
    from totals
),

recency_ranks as (
    select
        amount,
        sum(customers) over (
            order by amount rows between unbounded preceding and current row
        ) - customers as below
    from recency_counts
),

frequency_ranks as (
    select
        amount,
        sum(customers) over (
            order by amount rows between unbounded preceding and current row
        ) - customers as below
    from frequency_counts
),

monetary_ranks as (
    select
        amount,
        sum(customers) over (
            order by amount rows between unbounded preceding and current row
        ) - customers as below,
        sum(weight) over (
            order by amount rows between unbounded preceding and current row
        ) as weight_up_to
    from weights
),

recency_cuts as (
    select
        min(ranks.amount) filter (where 5 * ranks.below >= buyers.customers) as cut_2,
        min(ranks.amount) filter (where 5 * ranks.below >= 2 * buyers.customers) as cut_3,
        min(ranks.amount) filter (where 5 * ranks.below >= 3 * buyers.customers) as cut_4,
        min(ranks.amount) filter (where 5 * ranks.below >= 4 * buyers.customers) as cut_5
    from recency_ranks as ranks
    cross join buyers
),

frequency_cuts as (
    select
        min(ranks.amount) filter (where 5 * ranks.below >= buyers.customers) as cut_2,
        min(ranks.amount) filter (where 5 * ranks.below >= 2 * buyers.customers) as cut_3,
        min(ranks.amount) filter (where 5 * ranks.below >= 3 * buyers.customers) as cut_4,
        min(ranks.amount) filter (where 5 * ranks.below >= 4 * buyers.customers) as cut_5
    from frequency_ranks as ranks
    cross join buyers
),

monetary_cuts as (
    select
        min(ranks.amount) filter (where 5 * ranks.below >= tiers.customers) as cut_2,
        min(ranks.amount) filter (where 5 * ranks.below >= 2 * tiers.customers) as cut_3,
        min(ranks.amount) filter (where 5 * ranks.below >= 3 * tiers.customers) as cut_4,
        min(ranks.amount) filter (where 5 * ranks.below >= 4 * tiers.customers) as cut_5,
        min(ranks.amount) filter (
            where tiers.weight - ranks.weight_up_to < tiers.high_weight
        ) as high_cut,
        min(ranks.amount) filter (
            where tiers.weight - ranks.weight_up_to < tiers.high_and_middle_weight
        ) as middle_cut
    from monetary_ranks as ranks
    cross join tiers
),

final as (
    select
        valued.customer_id,
        cast($as_of - valued.last_order_date as bigint) as days_since_last_order,
        valued.orders,
        cast(valued.value_to_date as decimal(18, 4)) as value_to_date,
        case
            when valued.last_order_date >= recency_cuts.cut_5 then 5
            when valued.last_order_date >= recency_cuts.cut_4 then 4
            when valued.last_order_date >= recency_cuts.cut_3 then 3
            when valued.last_order_date >= recency_cuts.cut_2 then 2
            else 1
        end as recency_score,
        case
            when valued.orders >= frequency_cuts.cut_5 then 5
            when valued.orders >= frequency_cuts.cut_4 then 4
            when valued.orders >= frequency_cuts.cut_3 then 3
            when valued.orders >= frequency_cuts.cut_2 then 2
            else 1
        end as frequency_score,
        case
            when valued.value_to_date is null then null
            when valued.value_to_date >= monetary_cuts.cut_5 then 5
            when valued.value_to_date >= monetary_cuts.cut_4 then 4
            when valued.value_to_date >= monetary_cuts.cut_3 then 3
            when valued.value_to_date >= monetary_cuts.cut_2 then 2
            else 1
        end as monetary_score,
        case
            when valued.value_to_date is null then null
            when valued.value_to_date >= monetary_cuts.high_cut then 'high'
            when valued.value_to_date >= monetary_cuts.middle_cut then 'middle'
            else 'low'
        end as value_tier
    from valued
    cross join recency_cuts
    cross join frequency_cuts
    cross join monetary_cuts
)

select * from final
