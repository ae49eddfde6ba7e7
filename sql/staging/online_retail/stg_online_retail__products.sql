with order_lines as (
    select * from online_retail.order_lines
),

-- Descriptions of lines that are no sale are remarks of the warehouse ("damaged", "?"), so only
-- sales name goods.
sales as (
    select *
    from order_lines
    where left("InvoiceNo", 1) not in ('A', 'C')
        and "Quantity" > 0
        and "UnitPrice" > 0
),

final as (
    select
        "StockCode" as product_id,
        first_value(
            trim("Description") order by "InvoiceDate" desc, "InvoiceNo" desc, "_file" desc, "_line" desc
        ) as product_name
    from sales
    group by "StockCode"
)

select * from final
