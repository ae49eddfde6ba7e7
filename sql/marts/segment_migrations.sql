with segments as (
    select * from int_segments_compared
),

snapshots as (
    select * from int_customers_snapshotted
),

-- An amount that is unknown makes a sum unknown; who was not known yet was worth nothing.
amounts as (
    select
        customer_id,
        max(value_to_date) filter (where as_of_date = $as_of) as value,
        bool_or(value_to_date is null and as_of_date = $as_of) as is_unknown,
        max(value_to_date) filter (where as_of_date < $as_of) as earlier_value,
        bool_or(value_to_date is null and as_of_date < $as_of) as is_earlier_unknown
    from snapshots
    group by customer_id
),

moves as (
    select
        segments.scheme,
        segments.earlier_segment as from_segment,
        coalesce(segments.segment, 'not_told') as to_segment,
        coalesce(amounts.value, 0) as value,
        coalesce(amounts.is_unknown, true) as is_unknown,
        coalesce(amounts.earlier_value, 0) as earlier_value,
        coalesce(amounts.is_earlier_unknown, true) as is_earlier_unknown
    from amounts
    right join segments
        on amounts.customer_id = segments.customer_id
),

sums as (
    select
        scheme,
        from_segment,
        to_segment,
        count(*) as customers,
        case when not bool_or(is_earlier_unknown) then sum(earlier_value) end as value_before,
        case when not bool_or(is_unknown) then sum(value) end as value_after
    from moves
    group by scheme, from_segment, to_segment
),

from_totals as (
    select scheme, from_segment, sum(customers) as customers
    from sums
    group by scheme, from_segment
),

final as (
    select
        sums.scheme,
        sums.from_segment,
        sums.to_segment,
        $as_of - $comparison_days as from_date,
        $as_of as to_date,
        sums.customers,
        cast(sums.customers as double) / cast(from_totals.customers as double) as share_of_from,
        cast(sums.value_before as decimal(18, 4)) as value_before,
        cast(sums.value_after as decimal(18, 4)) as value_after
    from sums
    inner join from_totals
        on sums.scheme = from_totals.scheme
        and sums.from_segment = from_totals.from_segment
)

select * from final
