with first_orders as (
    select * from int_first_orders_described
),

ranked as (
    select * from int_cohort_values_ranked
),

channels as (
    select dimension_value, shown_value from ranked where dimension = 'acquisition_channel'
),

campaigns as (
    select dimension_value, shown_value from ranked where dimension = 'acquisition_campaign'
),

products as (
    select dimension_value, shown_value from ranked where dimension = 'first_product'
),

categories as (
    select dimension_value, shown_value from ranked where dimension = 'first_category'
),

final as (
    select
        first_orders.customer_id,
        first_orders.first_order_date,
        first_orders.cohort_month,
        first_orders.last_order_month,
        coalesce(channels.shown_value, 'unknown') as acquisition_channel,
        coalesce(campaigns.shown_value, 'unknown') as acquisition_campaign,
        coalesce(products.shown_value, 'unknown') as first_product,
        coalesce(categories.shown_value, 'unknown') as first_category
    from first_orders
    left join channels
        on first_orders.acquisition_channel = channels.dimension_value
    left join campaigns
        on first_orders.acquisition_campaign = campaigns.dimension_value
    left join products
        on first_orders.first_product = products.dimension_value
    left join categories
        on first_orders.first_category = categories.dimension_value
)

select * from final
