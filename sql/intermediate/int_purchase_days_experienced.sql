with orders as (
    select * from int_orders_valued
),

purchase_days as (
    select * from int_purchase_days_sequenced
),

tickets as (
    select * from int_service_tickets_valued
),

responses as (
    select * from int_survey_responses_scored
),

signs as (
    select
        order_id,
        is_complaint,
        reopened_count > 0 as is_reopened,
        cast(null as boolean) as is_poor_answer
    from tickets
    where order_id is not null
    union all
    select
        order_id,
        cast(null as boolean) as is_complaint,
        cast(null as boolean) as is_reopened,
        case
            when nps_group is not null then nps_group = 'detractor'
            else cast(score_share as decimal(18, 12))
                <= cast($poor_answer_share as decimal(18, 12))
        end as is_poor_answer
    from responses
    where order_id is not null and score_share is not null
),

bad_orders as (
    select
        order_id,
        bool_or(is_complaint) as has_complaint,
        bool_or(is_reopened) as has_reopened_ticket,
        bool_or(is_poor_answer) as has_poor_answer
    from signs
    where is_complaint or is_reopened or is_poor_answer
    group by order_id
),

bad_days as (
    select
        orders.customer_id,
        orders.order_date as purchase_date,
        bool_or(bad_orders.has_complaint) as has_complaint,
        bool_or(bad_orders.has_reopened_ticket) as has_reopened_ticket,
        bool_or(bad_orders.has_poor_answer) as has_poor_answer
    from bad_orders
    inner join orders
        on bad_orders.order_id = orders.order_id
    where orders.customer_id is not null
    group by orders.customer_id, orders.order_date
),

-- The rows of each customer are counted backwards: the last purchase has none later.
counted as (
    select
        customer_id,
        purchase_date,
        purchase_number,
        row_number() over (
            partition by customer_id order by purchase_date desc
        ) - 1 as later_purchases
    from purchase_days
),

final as (
    select
        counted.customer_id,
        counted.purchase_date,
        counted.purchase_number,
        cast(counted.later_purchases as bigint) as later_purchases,
        coalesce(bad_days.has_complaint, false) as has_complaint,
        coalesce(bad_days.has_reopened_ticket, false) as has_reopened_ticket,
        coalesce(bad_days.has_poor_answer, false) as has_poor_answer
    from counted
    left join bad_days
        on counted.customer_id = bad_days.customer_id
        and counted.purchase_date = bad_days.purchase_date
)

select * from final
