-- Lost is who had no order for $inactive_after_days days for the first time, on the last of them;
-- everybody else was still there on the last observed day. Who comes back later stays lost here.
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
    select unnest(['all', 'first_order_year']) as dimension
),

losses as (
    select
        customer_id,
        min(
            case
                when purchase_date + $inactive_after_days < $as_of
                    and (
                        next_purchase_date is null
                        or next_purchase_date > purchase_date + $inactive_after_days
                    )
                    then purchase_date + $inactive_after_days
            end
        ) as lost_date
    from purchase_days
    group by customer_id
),

tenures as (
    select
        customers.acquisition_channel,
        customers.acquisition_campaign,
        customers.first_product,
        customers.first_category,
        cast(date_part('year', customers.first_order_date) as varchar) as first_order_year,
        losses.lost_date is not null as is_lost,
        cast(coalesce(losses.lost_date, $as_of - 1) - customers.first_order_date as bigint)
            as tenure
    from customers
    inner join losses
        on customers.customer_id = losses.customer_id
),

-- By all dimensions at once first, so that only few rows are counted once for each.
combined as (
    select
        tenure,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        first_order_year,
        count(*) filter (where is_lost) as lost_customers,
        count(*) filter (where not is_lost) as censored_customers
    from tenures
    group by
        tenure,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        first_order_year
),

tenure_sets as (
    select
        tenure,
        acquisition_channel,
        acquisition_campaign,
        first_product,
        first_category,
        first_order_year,
        sum(lost_customers) as lost_customers,
        sum(censored_customers) as censored_customers
    from combined
    group by grouping sets (
        (tenure),
        (tenure, acquisition_channel),
        (tenure, acquisition_campaign),
        (tenure, first_product),
        (tenure, first_category),
        (tenure, first_order_year)
    )
),

named as (
    select
        case
            when acquisition_channel is not null then 'acquisition_channel'
            when acquisition_campaign is not null then 'acquisition_campaign'
            when first_product is not null then 'first_product'
            when first_category is not null then 'first_category'
            when first_order_year is not null then 'first_order_year'
            else 'all'
        end as dimension,
        coalesce(
            acquisition_channel,
            acquisition_campaign,
            first_product,
            first_category,
            first_order_year,
            'all'
        ) as dimension_value,
        tenure,
        lost_customers,
        censored_customers
    from tenure_sets
),

final as (
    select
        named.dimension,
        named.dimension_value,
        named.tenure,
        named.lost_customers,
        named.censored_customers
    from named
    inner join known_dimensions
        on named.dimension = known_dimensions.dimension
)

select * from final
