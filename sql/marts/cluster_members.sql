with clusters as (
    select * from customer_clusters
),

final as (
    select
        customer_id,
        $as_of as as_of_date,
        cluster_name,
        distance,
        reason
    from clusters
)

select * from final
