with returns as (
    select * from int_returns_valued
),

return_sums as (
    select
        customer_id,
        return_id,
        max(return_date) as return_date,
        sum(returned_revenue) as returned_revenue,
        sum(restocked_cost) as restocked_cost,
        sum(returned_value) as returned_value,
        coalesce(sum(handling_cost), $handling_cost_per_return) as handling_cost,
        bool_or(returned_revenue is null) as has_unvalued_line
    from returns
    where customer_id is not null
    group by customer_id, return_id
),

sums as (
    select
        customer_id,
        max(return_date) as last_return_date,
        count(*) as returns,
        sum(returned_revenue) as returned_revenue,
        sum(restocked_cost) as restocked_cost,
        sum(returned_value) as returned_value,
        sum(handling_cost) as handling_cost,
        bool_or(has_unvalued_line) as has_unvalued_line
    from return_sums
    group by customer_id
),

-- A sum over returns of which one is unknown is unknown.
final as (
    select
        customer_id,
        last_return_date,
        returns,
        cast(
            case when not has_unvalued_line then returned_revenue end as decimal(18, 4)
        ) as returned_revenue,
        cast(
            case when not has_unvalued_line then restocked_cost end as decimal(18, 4)
        ) as restocked_cost,
        cast(
            case when not has_unvalued_line then returned_value end as decimal(18, 4)
        ) as returned_value,
        cast(
            case when not has_unvalued_line then handling_cost end as decimal(18, 4)
        ) as handling_cost
    from sums
)

select * from final
