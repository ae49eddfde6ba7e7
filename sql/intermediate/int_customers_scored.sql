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
    from valued
    group by last_order_date
),

frequency_counts as (
    select orders as amount, count(*) as customers
    from valued
    group by orders
),

monetary_counts as (
    select value_to_date as amount, count(*) as customers
    from valued
    where value_to_date is not null
    group by value_to_date
),

recency_ranks as (
    select
        amount,
        sum(customers) over (order by amount) - customers as below,
        sum(customers) over () as customers
    from recency_counts
),

frequency_ranks as (
    select
        amount,
        sum(customers) over (order by amount) - customers as below,
        sum(customers) over () as customers
    from frequency_counts
),

monetary_ranks as (
    select
        amount,
        sum(customers) over (order by amount) - customers as below,
        sum(customers) over () as customers
    from monetary_counts
),

recency_cuts as (
    select
        min(amount) filter (where 5 * below >= customers) as cut_2,
        min(amount) filter (where 5 * below >= 2 * customers) as cut_3,
        min(amount) filter (where 5 * below >= 3 * customers) as cut_4,
        min(amount) filter (where 5 * below >= 4 * customers) as cut_5
    from recency_ranks
),

frequency_cuts as (
    select
        min(amount) filter (where 5 * below >= customers) as cut_2,
        min(amount) filter (where 5 * below >= 2 * customers) as cut_3,
        min(amount) filter (where 5 * below >= 3 * customers) as cut_4,
        min(amount) filter (where 5 * below >= 4 * customers) as cut_5
    from frequency_ranks
),

monetary_cuts as (
    select
        min(amount) filter (where 5 * below >= customers) as cut_2,
        min(amount) filter (where 5 * below >= 2 * customers) as cut_3,
        min(amount) filter (where 5 * below >= 3 * customers) as cut_4,
        min(amount) filter (where 5 * below >= 4 * customers) as cut_5
    from monetary_ranks
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
        end as monetary_score
    from valued
    cross join recency_cuts
    cross join frequency_cuts
    cross join monetary_cuts
)

select * from final
