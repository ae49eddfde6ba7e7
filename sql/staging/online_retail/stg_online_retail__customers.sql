with order_lines as (
    select * from online_retail.order_lines
),

-- Eight customers appear with two countries; the country of the latest line is taken.
final as (
    select
        split_part("CustomerID", '.', 1) as customer_id,
        first_value(
            "Country" order by "InvoiceDate" desc, "InvoiceNo" desc, "_file" desc, "_line" desc
        ) as country
    from order_lines
    where "CustomerID" is not null
    group by split_part("CustomerID", '.', 1)
)

select * from final
