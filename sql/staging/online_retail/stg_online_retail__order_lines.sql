-- Every line that is not a cancellation is kept, with its kind, so that no line of the file is
-- lost.
with order_lines as (
    select * from online_retail.order_lines
),

final as (
    select
        "InvoiceNo" as order_id,
        "_line" as line_number,
        case
            when left("InvoiceNo", 1) = 'A' then 'adjustment'
            when "Quantity" <= 0 then 'stock_correction'
            when "UnitPrice" <= 0 then 'free_item'
            else 'sale'
        end as line_kind,
        split_part("CustomerID", '.', 1) as customer_id,
        "InvoiceDate" as ordered_at,
        "StockCode" as product_id,
        "Quantity" as quantity,
        "UnitPrice" as unit_price,
        cast("Quantity" * "UnitPrice" as decimal(18, 4)) as line_amount
    from order_lines
    where left("InvoiceNo", 1) <> 'C'
)

select * from final
