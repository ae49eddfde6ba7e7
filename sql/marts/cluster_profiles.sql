-- Averages are of sums of whole numbers and decimals, so that they do not depend on the order of
-- the rows.
with clusters as (
    select * from customer_clusters
),

described as (
    select * from int_customers_described
),

valued as (
    select * from int_customers_valued
),

members as (
    select
        coalesce(clusters.cluster_name, 'not_clustered') as cluster_name,
        valued.orders,
        described.days_since_last_order,
        valued.gross_revenue,
        valued.discounts,
        valued.returned_revenue,
        valued.value_to_date
    from clusters
    inner join valued
        on clusters.customer_id = valued.customer_id
    inner join described
        on clusters.customer_id = described.customer_id
),

sums as (
    select
        cluster_name,
        count(*) as customers,
        sum(orders) as orders,
        sum(days_since_last_order) as days_since_last_order,
        count(days_since_last_order) as customers_with_order,
        case when count(gross_revenue) = count(*) then sum(gross_revenue) end as gross_revenue,
        case when count(discounts) = count(*) then sum(discounts) end as discounts,
        case when count(returned_revenue) = count(*) then sum(returned_revenue) end
            as returned_revenue,
        case when count(value_to_date) = count(*) then sum(value_to_date) end as value_to_date
    from members
    group by cluster_name
),

totals as (
    select
        sum(customers) as customers,
        case when count(value_to_date) = count(*) then sum(value_to_date) end as value_to_date
    from sums
),

final as (
    select
        sums.cluster_name,
        $as_of as as_of_date,
        sums.customers,
        cast(sums.customers as double) / cast(totals.customers as double) as share_of_customers,
        sums.orders,
        cast(sums.value_to_date as decimal(18, 4)) as value_to_date,
        case
            when totals.value_to_date > 0
                then cast(sums.value_to_date as double) / cast(totals.value_to_date as double)
        end as share_of_value,
        cast(sums.value_to_date as double) / cast(sums.customers as double) as value_per_customer,
        cast(sums.orders as double) / cast(sums.customers as double) as orders_per_customer,
        case
            when sums.orders > 0
                then cast(sums.value_to_date as double) / cast(sums.orders as double)
        end as value_per_order,
        case
            when sums.customers_with_order > 0
                then cast(sums.days_since_last_order as double)
                    / cast(sums.customers_with_order as double)
        end as days_since_last_order,
        case
            when sums.gross_revenue > 0
                then cast(sums.discounts as double) / cast(sums.gross_revenue as double)
        end as discount_share,
        case
            when sums.gross_revenue > 0
                then cast(sums.returned_revenue as double) / cast(sums.gross_revenue as double)
        end as return_share
    from sums
    cross join totals
)

select * from final
