with customers as (
    select * from int_customers_cohorted
),

customer_months as (
    select * from int_customer_months_ordered
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

-- A month that is not over tells nothing by an order that has not come.
active_months as (
    select
        customer_id,
        count(*) as months,
        max(activity_month) as last_month
    from customer_months
    where activity_month < date_trunc('month', $as_of)
    group by customer_id
),

histories as (
    select
        customers.cohort_month,
        customers.acquisition_channel,
        customers.acquisition_campaign,
        customers.first_product,
        customers.first_category,
        coalesce(active_months.months - 1, 0) as frequency,
        coalesce(
            12 * (
                date_part('year', active_months.last_month)
                - date_part('year', customers.cohort_month)
            )
            + date_part('month', active_months.last_month)
            - date_part('month', customers.cohort_month),
            0
        ) as recency_age
    from customers
    left join active_months
        on customers.customer_id = active_months.customer_id
),

-- By all dimensions at once first, so that only few rows are counted once for each.
combined as (
    select
        cohort_month,
        frequency,
        recency_age,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        count(*) as customers
    from histories
    group by
        cohort_month,
        frequency,
        recency_age,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category
),

history_sets as (
    select
        cohort_month,
        frequency,
        recency_age,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        sum(customers) as customers
    from combined
    group by grouping sets (
        (cohort_month, frequency, recency_age),
        (cohort_month, frequency, recency_age, acquisition_channel),
        (cohort_month, frequency, recency_age, acquisition_campaign),
        (cohort_month, frequency, recency_age, first_product),
        (cohort_month, frequency, recency_age, first_category)
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
        cohort_month,
        frequency,
        recency_age,
        customers
    from history_sets
),

final as (
    select
        named.dimension,
        named.dimension_value,
        named.cohort_month,
        named.frequency,
        cast(named.recency_age as bigint) as recency_age,
        cast(
            greatest(
                12 * (date_part('year', $as_of) - date_part('year', named.cohort_month))
                + date_part('month', $as_of)
                - date_part('month', named.cohort_month)
                - 1,
                0
            ) as bigint
        ) as opportunities,
        named.customers
    from named
    inner join known_dimensions
        on named.dimension = known_dimensions.dimension
)

select * from final
