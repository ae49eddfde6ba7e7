-- Only distinct values with their counts are put in order, never the customers themselves.
with valued as (
    select * from int_customers_valued
),

lifetimes as (
    select * from customer_lifetimes
),

buyers as (
    select net_revenue, margin, profit_to_date
    from valued
    where orders > 0
),

customer_measures as (
    select 'net_revenue' as measure, net_revenue as amount
    from buyers
    union all
    select 'margin' as measure, margin as amount
    from buyers
    union all
    select 'profit_to_date' as measure, profit_to_date as amount
    from buyers
    union all
    select
        'customer_lifetime_value' as measure,
        cast(customer_lifetime_value as decimal(18, 4)) as amount
    from lifetimes
),

totals as (
    select
        measure,
        count(amount) as customers,
        count(*) - count(amount) as customers_of_unknown_value
    from customer_measures
    group by measure
),

amounts as (
    select
        measure,
        amount,
        count(*) as customers
    from customer_measures
    where amount is not null
    group by measure, amount
),

ranks as (
    select
        measure,
        amount,
        customers,
        sum(customers) over (
            partition by measure
            order by amount desc
            rows between unbounded preceding and current row
        ) - customers as customers_above
    from amounts
),

-- The Gini coefficient is Σ v (2 b + c − n) c ÷ (n Σ v c) over the distinct values v, which c of n
-- customers have and b stand below.
placed as (
    select
        ranks.measure,
        ranks.amount,
        ranks.customers,
        cast(10 * ranks.customers_above / totals.customers as bigint) + 1 as decile,
        cast(
            (totals.customers - ranks.customers - 2 * ranks.customers_above) * ranks.customers
            as decimal(19, 0)
        ) as gini_weight
    from ranks
    inner join totals
        on ranks.measure = totals.measure
),

decile_sums as (
    select
        measure,
        decile,
        sum(customers) as customers,
        sum(amount * customers) as amount,
        sum(greatest(amount, 0) * customers) as positive_amount,
        sum(cast(greatest(amount, 0) as decimal(18, 4)) * gini_weight) as weighted_amount,
        min(amount) as lowest_amount,
        max(amount) as highest_amount
    from placed
    group by measure, decile
),

deciles (decile) as (
    values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)
),

-- The declared measure has a name of its own, so that a report need not know which it is.
labels (measure, label) as (
    values
    ('net_revenue', 'net_revenue'),
    ('margin', 'margin'),
    ('profit_to_date', 'profit_to_date'),
    ('customer_lifetime_value', 'customer_lifetime_value'),
    (case when $measure = 'margin' then 'margin' else 'net_revenue' end, 'value_to_date')
),

-- A decile that ties leave empty is a row too, so that a curve can be drawn.
filled as (
    select
        labels.label as measure,
        deciles.decile,
        totals.customers as all_customers,
        totals.customers_of_unknown_value,
        coalesce(decile_sums.customers, 0) as customers,
        coalesce(decile_sums.amount, 0) as amount,
        decile_sums.positive_amount,
        decile_sums.weighted_amount,
        decile_sums.lowest_amount,
        decile_sums.highest_amount
    from totals
    inner join labels
        on totals.measure = labels.measure
    cross join deciles
    left join decile_sums
        on totals.measure = decile_sums.measure
        and deciles.decile = decile_sums.decile
    where totals.customers > 0
),

cumulated as (
    select
        *,
        sum(customers) over up_to_here as cumulative_customers,
        sum(amount) over up_to_here as cumulative_amount,
        sum(amount) over (partition by measure) as total,
        sum(positive_amount) over (partition by measure) as positive_total,
        sum(weighted_amount) over (partition by measure) as weighted_total
    from filled
    window up_to_here as (
        partition by measure
        order by decile
        rows between unbounded preceding and current row
    )
),

final as (
    select
        measure,
        cast(decile as bigint) as decile,
        $as_of as as_of_date,
        $currency as currency,
        cast(customers as bigint) as customers,
        cast(amount as decimal(18, 4)) as value,
        lowest_amount as lowest_value,
        highest_amount as highest_value,
        case when total > 0 then cast(amount as double) / cast(total as double) end
            as share_of_value,
        cast(cumulative_customers as double) / cast(all_customers as double)
            as cumulative_share_of_customers,
        case when total > 0 then cast(cumulative_amount as double) / cast(total as double) end
            as cumulative_share_of_value,
        case
            when positive_total > 0
                then cast(weighted_total as double)
                    / (cast(all_customers as double) * cast(positive_total as double))
        end as gini,
        customers_of_unknown_value
    from cumulated
)

select * from final
