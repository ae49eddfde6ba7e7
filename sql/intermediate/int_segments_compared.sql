with classified as (
    select * from int_customers_classified
),

snapshots as (
    select * from int_customers_snapshotted
),

-- A customer has one segment a scheme and day: first_by holds it as one of few texts, where max
-- holds a text of its own a group.
pairs as (
    select
        customer_id,
        scheme,
        first_by(segment, case when as_of_date = $as_of then as_of_date end) as segment,
        first_by(segment, case when as_of_date < $as_of then as_of_date end) as earlier_segment
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
