with first_orders as (
    select * from int_first_orders_described
),

-- By all dimensions at once first, so that only few rows are counted once for each.
combined as (
    select
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        count(*) as customers
    from first_orders
    group by acquisition_channel, acquisition_campaign, first_product, first_category
),

counted as (
    select
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        sum(customers) as customers
    from combined
    group by grouping sets (
        (acquisition_channel), (acquisition_campaign), (first_product), (first_category)
    )
),

named as (
    select
        case
            when acquisition_channel is not null then 'acquisition_channel'
            when acquisition_campaign is not null then 'acquisition_campaign'
            when first_product is not null then 'first_product'
            when first_category is not null then 'first_category'
        end as dimension,
        coalesce(acquisition_channel, acquisition_campaign, first_product, first_category)
            as dimension_value,
        customers
    from counted
),

ranked as (
    select
        dimension,
        dimension_value,
        customers,
        row_number() over (
            partition by dimension order by customers desc, dimension_value
        ) as value_rank
    from named
    where dimension is not null
),

final as (
    select
        dimension,
        dimension_value,
        customers,
        cast(value_rank as bigint) as value_rank,
        case when value_rank <= $cohort_values_max then dimension_value else 'other' end
            as shown_value
    from ranked
)

select * from final
