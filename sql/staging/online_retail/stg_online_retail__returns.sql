with order_lines as (
    select * from online_retail.order_lines
),

-- A cancellation names no invoice that it cancels, so its order stays unknown.
final as (
    select
        "InvoiceNo" as return_id,
        "_line" as line_number,
        split_part("CustomerID", '.', 1) as customer_id,
        "InvoiceDate" as returned_at,
        "StockCode" as product_id,
        -"Quantity" as quantity,
        cast(-"Quantity" * "UnitPrice" as decimal(18, 4)) as return_amount
    from order_lines
    where left("InvoiceNo", 1) = 'C'
)

select * from final
