-- A sale is a line of an invoice that is neither a cancellation (C…) nor a bad-debt adjustment
-- (A…) and has both a quantity and a price. Exact duplicates of a line are kept: the file does not
-- number its lines, so nothing tells a repeated scan from an error.
with order_lines as (
    select * from online_retail.order_lines
),

sales as (
    select
        "InvoiceNo" as order_id,
        split_part("CustomerID", '.', 1) as customer_id,
        "InvoiceDate" as ordered_at,
        "Quantity" as units,
        cast("Quantity" * "UnitPrice" as decimal(18, 4)) as line_amount
    from order_lines
    where left("InvoiceNo", 1) not in ('A', 'C')
        and "Quantity" > 0
        and "UnitPrice" > 0
),

-- The lines of 43 invoices were recorded minutes apart; the first time is the order's.
final as (
    select
        order_id,
        max(customer_id) as customer_id,
        min(ordered_at) as ordered_at,
        cast(sum(line_amount) as decimal(18, 4)) as order_amount,
        sum(units) as units
    from sales
    group by order_id
)

select * from final
