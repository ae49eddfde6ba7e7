with returns as (
    select * from shop.returns
),

-- The shop knows the day alone. Noon UTC is on that day in every time zone of Europe.
final as (
    select
        return_id,
        line_number,
        order_id,
        cast(returned_on as timestamp) + interval '12 hours' as returned_at,
        sku as product_id,
        quantity,
        refund as return_amount,
        restocked_cost as restocked_cost_amount,
        handling_cost as handling_cost_amount,
        currency,
        reason
    from returns
)

select * from final
