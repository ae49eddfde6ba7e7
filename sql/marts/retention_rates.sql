with purchase_days as (
    select * from int_purchase_days_sequenced
),

customers as (
    select * from int_customers_cohorted
),

ranked as (
    select * from int_cohort_values_ranked
),

known_dimensions as (
    select dimension
    from ranked
    group by dimension
    union all
    select 'all' as dimension
),

-- A month's first purchase of a customer tells who bought in it, without a distinct count.
events as (
    select
        customer_id,
        cast(date_trunc('month', purchase_date) as date) as month,
        case when purchase_number = 1 then 1 else 0 end as new_customers,
        case when purchase_number = 2 then 1 else 0 end as second_purchases,
        case when purchase_date > previous_purchase_date + $inactive_after_days then 1 else 0 end
            as won_back_customers,
        0 as lost_customers,
        case
            when previous_purchase_date >= date_trunc('month', purchase_date) then 0
            else 1
        end as buying_customers,
        case
            when previous_purchase_date >= date_trunc('month', purchase_date) then 0
            when purchase_number = 1 then 0
            else 1
        end as returning_customers
    from purchase_days
    union all
    select
        customer_id,
        cast(date_trunc('month', purchase_date + $inactive_after_days) as date) as month,
        0 as new_customers,
        0 as second_purchases,
        0 as won_back_customers,
        1 as lost_customers,
        0 as buying_customers,
        0 as returning_customers
    from purchase_days
    where purchase_date + $inactive_after_days < $as_of
        and (
            next_purchase_date is null
            or next_purchase_date > purchase_date + $inactive_after_days
        )
),

-- By all dimensions at once first, so that only few rows are counted once for each.
combined as (
    select
        events.month,
        customers.acquisition_channel,
        customers.acquisition_campaign,
        customers.first_product,
        customers.first_category,
        sum(events.new_customers) as new_customers,
        sum(events.second_purchases) as second_purchases,
        sum(events.won_back_customers) as won_back_customers,
        sum(events.lost_customers) as lost_customers,
        sum(events.buying_customers) as buying_customers,
        sum(events.returning_customers) as returning_customers
    from events
    inner join customers
        on events.customer_id = customers.customer_id
    group by
        events.month,
        customers.acquisition_channel,
        customers.acquisition_campaign,
        customers.first_product,
        customers.first_category
),

month_sets as (
    select
        month,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        sum(new_customers) as new_customers,
        sum(second_purchases) as second_purchases,
        sum(won_back_customers) as won_back_customers,
        sum(lost_customers) as lost_customers,
        sum(buying_customers) as buying_customers,
        sum(returning_customers) as returning_customers
    from combined
    group by grouping sets (
        (month),
        (month, acquisition_channel),
        (month, acquisition_campaign),
        (month, first_product),
        (month, first_category)
    )
),

named as (
    select
        case
            when acquisition_channel is not null then 'acquisition_channel'
            when acquisition_campaign is not null then 'acquisition_campaign'
            when first_product is not null then 'first_product'
            when first_category is not null then 'first_category'
            else 'all'
        end as dimension,
        coalesce(
            acquisition_channel, acquisition_campaign, first_product, first_category, 'all'
        ) as dimension_value,
        month,
        new_customers,
        second_purchases,
        won_back_customers,
        lost_customers,
        buying_customers,
        returning_customers
    from month_sets
),

beginnings as (
    select
        named.dimension,
        named.dimension_value,
        min(named.month) as first_month
    from named
    inner join known_dimensions
        on named.dimension = known_dimensions.dimension
    group by named.dimension, named.dimension_value
),

months as (
    select
        dimension,
        dimension_value,
        unnest(
            generate_series(first_month, $as_of - interval '1 day', interval '1 month')
        ) as month
    from beginnings
),

counted as (
    select
        months.dimension,
        months.dimension_value,
        cast(months.month as date) as month,
        coalesce(named.new_customers, 0) as new_customers,
        coalesce(named.second_purchases, 0) as second_purchases,
        coalesce(named.won_back_customers, 0) as won_back_customers,
        coalesce(named.lost_customers, 0) as lost_customers,
        coalesce(named.buying_customers, 0) as buying_customers,
        coalesce(named.returning_customers, 0) as returning_customers
    from months
    left join named
        on months.dimension = named.dimension
        and months.dimension_value = named.dimension_value
        and months.month = named.month
),

cumulated as (
    select
        *,
        sum(new_customers) over so_far as customers_to_date,
        sum(second_purchases) over so_far as repeat_customers_to_date,
        sum(new_customers + won_back_customers - lost_customers) over so_far as customers_at_end
    from counted
    window so_far as (
        partition by dimension, dimension_value
        order by month
        rows between unbounded preceding and current row
    )
),

stocked as (
    select
        *,
        customers_at_end - new_customers - won_back_customers + lost_customers
            as customers_at_start
    from cumulated
),

final as (
    select
        dimension,
        dimension_value,
        month,
        month > $as_of - interval '1 month' as is_partial_month,
        customers_at_start,
        new_customers,
        won_back_customers,
        lost_customers,
        customers_at_end,
        cast(lost_customers as double) / cast(nullif(customers_at_start, 0) as double)
            as churn_rate,
        1 - cast(lost_customers as double) / cast(nullif(customers_at_start, 0) as double)
            as retention_rate,
        buying_customers,
        returning_customers,
        cast(returning_customers as double) / cast(nullif(buying_customers, 0) as double)
            as returning_share,
        customers_to_date,
        repeat_customers_to_date,
        cast(repeat_customers_to_date as double) / cast(customers_to_date as double)
            as repeat_purchase_rate
    from stocked
)

select * from final
