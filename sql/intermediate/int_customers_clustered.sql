with clusters as (
    select * from customer_clusters
),

final as (
    select
        customer_id,
        coalesce(cluster_name, 'not_clustered') as segment
    from clusters
)

select * from final
