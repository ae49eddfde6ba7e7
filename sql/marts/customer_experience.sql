with customers as (
    select customer_id from entities.customers
),

orders as (
    select * from int_customer_orders_judged
),

returns as (
    select * from int_returns_summarised
),

answers as (
    select * from int_customer_answers_judged
),

tickets as (
    select * from int_customer_tickets_judged
),

mentions as (
    select * from int_customer_mentions_judged
),

-- Each source is read once: a list of all customers beside them would read each twice.
buyers as (
    select
        coalesce(customers.customer_id, orders.customer_id) as customer_id,
        orders.* exclude (customer_id)
    from customers
    full join orders
        on customers.customer_id = orders.customer_id
),

returners as (
    select
        coalesce(buyers.customer_id, returns.customer_id) as customer_id,
        buyers.* exclude (customer_id),
        returns.customer_id is not null as has_returned,
        returns.returned_revenue,
        returns.last_return_date
    from buyers
    full join returns
        on buyers.customer_id = returns.customer_id
),

respondents as (
    select
        coalesce(returners.customer_id, answers.customer_id) as customer_id,
        returners.* exclude (customer_id),
        answers.* exclude (customer_id)
    from returners
    full join answers
        on returners.customer_id = answers.customer_id
),

helped as (
    select
        coalesce(respondents.customer_id, tickets.customer_id) as customer_id,
        respondents.* exclude (customer_id),
        tickets.* exclude (customer_id)
    from respondents
    full join tickets
        on respondents.customer_id = tickets.customer_id
),

everybody as (
    select
        coalesce(helped.customer_id, mentions.customer_id) as customer_id,
        helped.* exclude (customer_id),
        mentions.* exclude (customer_id)
    from helped
    full join mentions
        on helped.customer_id = mentions.customer_id
),

joined as (
    select
        customer_id,
        coalesce(asked, 0) as asked,
        coalesce(answered, 0) as answered,
        coalesce(unusable_answers, 0) as unusable_answers,
        cast(answered as double) / cast(nullif(asked, 0) as double) as response_rate,
        last_answer_date,
        last_nps_score,
        mean_nps_score,
        nps_group,
        last_csat_score,
        mean_csat_score,
        last_effort_score,
        mean_effort_score,
        last_review_score,
        mean_review_score,
        mean_score_share,
        coalesce(orders, 0) as orders,
        last_order_date,
        coalesce(recent_orders, 0) as recent_orders,
        coalesce(earlier_orders, 0) as earlier_orders,
        coalesce(returned_orders, 0) as returned_orders,
        cast(returned_orders as double) / cast(orders as double) as return_rate,
        case
            when has_returned then returned_revenue
            else cast(0 as decimal(18, 4))
        end as returned_revenue,
        revenue,
        last_return_date,
        coalesce(tickets, 0) as tickets,
        coalesce(open_tickets, 0) as open_tickets,
        case when tickets is null then 0 else reopened_tickets end as reopened_tickets,
        case when tickets is null then 0 else complaints end as complaints,
        mean_hours_to_first_reply,
        mean_hours_to_resolve,
        last_ticket_date,
        coalesce(mentions, 0) as mentions,
        coalesce(negative_mentions, 0) as negative_mentions,
        mean_sentiment,
        last_mention_date,
        is_score_falling,
        is_last_answer_poor,
        is_frequency_falling,
        has_ticket_trouble,
        has_complained,
        is_returning_often,
        has_spoken_ill,
        score_fall,
        low_answer,
        frequency_fall,
        orders_of_late,
        returned_of_late,
        troubled_tickets,
        complaints_of_late,
        negative_of_late
    from everybody
),

-- One bad answer is not two warnings for being both poor and a fall, nor is a complaint that had to
-- be reopened.
sided as (
    select
        *,
        coalesce(is_score_falling or is_last_answer_poor, is_score_falling, is_last_answer_poor)
            as answers_warn,
        coalesce(has_ticket_trouble or has_complained, has_ticket_trouble, has_complained)
            as service_warns
    from joined
),

counted as (
    select
        *,
        cast(answers_warn is not null as bigint)
        + cast(is_frequency_falling is not null as bigint)
        + cast(service_warns is not null as bigint)
        + cast(is_returning_often is not null as bigint)
        + cast(has_spoken_ill is not null as bigint) as sides_known,
        cast(coalesce(answers_warn, false) as bigint)
        + cast(coalesce(is_frequency_falling, false) as bigint)
        + cast(coalesce(service_warns, false) as bigint)
        + cast(coalesce(is_returning_often, false) as bigint)
        + cast(coalesce(has_spoken_ill, false) as bigint) as sides_warning
    from sided
),

warned as (
    select
        *,
        case when sides_known > 0 then sides_warning end as warnings,
        nullif(
            concat_ws(
                '; ',
                case when is_score_falling then score_fall end,
                case when is_last_answer_poor then low_answer end,
                case when is_frequency_falling then frequency_fall end,
                case
                    when has_ticket_trouble
                        then 'tickets reopened or long open: ' || cast(troubled_tickets as varchar)
                end,
                case
                    when has_complained
                        then 'complaints: ' || cast(complaints_of_late as varchar)
                end,
                case
                    when is_returning_often
                        then 'orders returned: ' || cast(returned_of_late as varchar)
                            || ' of ' || cast(orders_of_late as varchar)
                end,
                case
                    when has_spoken_ill
                        then 'negative mentions: ' || cast(negative_of_late as varchar)
                end
            ),
            ''
        ) as warning_reason
    from counted
),

final as (
    select
        customer_id,
        asked,
        answered,
        unusable_answers,
        response_rate,
        last_answer_date,
        last_nps_score,
        mean_nps_score,
        nps_group,
        last_csat_score,
        mean_csat_score,
        last_effort_score,
        mean_effort_score,
        last_review_score,
        mean_review_score,
        mean_score_share,
        orders,
        recent_orders,
        earlier_orders,
        returned_orders,
        return_rate,
        returned_revenue,
        case
            when revenue > 0 then cast(returned_revenue as double) / cast(revenue as double)
        end as returned_revenue_share,
        tickets,
        open_tickets,
        reopened_tickets,
        complaints,
        mean_hours_to_first_reply,
        mean_hours_to_resolve,
        mentions,
        negative_mentions,
        mean_sentiment,
        greatest(
            last_answer_date, last_order_date, last_return_date, last_ticket_date, last_mention_date
        ) as last_contact_date,
        is_score_falling,
        is_last_answer_poor,
        is_frequency_falling,
        has_ticket_trouble,
        has_complained,
        is_returning_often,
        has_spoken_ill,
        sides_known,
        warnings,
        warnings >= $early_warning_sides as is_early_warning,
        case
            when warnings = 0 then 'none'
            when warnings >= $alarm_sides then 'alarm'
            when warnings >= $early_warning_sides then 'warning'
            when warnings > 0 then 'watch'
        end as warning_level,
        warning_reason
    from warned
)

select * from final
