with classified as (
    select * from int_customers_classified
),

snapshots as (
    select * from int_customers_snapshotted
),

pairs as (
    select
        customer_id,
        scheme,
        max(segment) filter (where as_of_date = $as_of) as segment,
        max(segment) filter (where as_of_date = $as_of - $comparison_days) as earlier_segment
    from classified
    where as_of_date in ($as_of, $as_of - $comparison_days)
    group by customer_id, scheme
),

known_earlier as (
    select customer_id
    from snapshots
    where as_of_date = $as_of - $comparison_days
),

-- A scheme whose table tells of the as-of day alone cannot say where known customers came from.
final as (
    select
        pairs.customer_id,
        pairs.scheme,
        pairs.segment,
        case
            when pairs.earlier_segment is not null then pairs.earlier_segment
            when known_earlier.customer_id is null then 'not_yet_known'
            else 'not_told'
        end as earlier_segment
    from known_earlier
    right join pairs
        on known_earlier.customer_id = pairs.customer_id
)

select * from final
