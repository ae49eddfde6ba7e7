-- Every order, line and return of the sources is counted here once, so that what the customer
-- tables leave out can be read off instead of searched for.
with orders as (
    select * from entities.orders
),

order_lines as (
    select * from entities.order_lines
),

returns as (
    select * from entities.returns
),

valued_orders as (
    select * from int_orders_valued
),

valued_lines as (
    select * from int_order_lines_valued
),

valued_returns as (
    select * from int_returns_valued
),

seen as (
    select
        'order' as record_type,
        'sale' as record_kind,
        customer_id is not null as has_customer,
        true as is_sale,
        revenue as amount
    from valued_orders
    union all
    select
        'order_line' as record_type,
        line_kind as record_kind,
        customer_id is not null as has_customer,
        line_kind = 'sale' and has_order as is_sale,
        revenue as amount
    from valued_lines
    union all
    select
        'return_line' as record_type,
        'return' as record_kind,
        customer_id is not null as has_customer,
        true as is_sale,
        returned_revenue as amount
    from valued_returns
),

-- What lies at or past the as-of day is counted but not valued: for this run it has not happened.
unseen as (
    select
        'order' as record_type,
        'sale' as record_kind,
        customer_id is not null as has_customer
    from orders
    where local_date(ordered_at, $timezone) >= $as_of
    union all
    select
        'order_line' as record_type,
        coalesce(order_lines.line_kind, 'sale') as record_kind,
        coalesce(order_lines.customer_id, orders.customer_id) is not null as has_customer
    from order_lines
    left join orders
        on order_lines.order_id = orders.order_id
    where local_date(coalesce(orders.ordered_at, order_lines.ordered_at), $timezone) >= $as_of
    union all
    select
        'return_line' as record_type,
        'return' as record_kind,
        coalesce(returns.customer_id, orders.customer_id) is not null as has_customer
    from returns
    left join orders
        on returns.order_id = orders.order_id
    where local_date(returns.returned_at, $timezone) >= $as_of
),

treated as (
    select
        record_type,
        record_kind,
        has_customer,
        case
            when not is_sale then 'no_sale'
            when not has_customer then 'no_customer'
            else 'counted'
        end as treatment,
        amount
    from seen
    union all
    select
        record_type,
        record_kind,
        has_customer,
        'not_yet' as treatment,
        null as amount
    from unseen
),

final as (
    select
        record_type,
        record_kind,
        has_customer,
        treatment,
        count(*) as records,
        cast(
            case when count(amount) = count(*) then sum(amount) end as decimal(18, 4)
        ) as amount
    from treated
    group by record_type, record_kind, has_customer, treatment
)

select * from final
