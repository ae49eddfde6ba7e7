with segments as (
    select * from int_segments_compared
),

final as (
    select
        customer_id,
        scheme,
        segment,
        $as_of as as_of_date,
        earlier_segment,
        $as_of - $comparison_days as earlier_date,
        segment <> earlier_segment
        and earlier_segment not in ('not_yet_known', 'not_told') as has_moved
    from segments
    where segment is not null
)

select * from final
