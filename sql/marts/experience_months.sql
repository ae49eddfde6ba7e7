with survey_months as (
    select * from survey_months
),

tickets as (
    select * from int_service_tickets_valued
),

orders as (
    select * from int_orders_valued
),

returned_orders as (
    select * from int_orders_returned
),

mentions as (
    select * from int_social_mentions_dated
),

surveyed as (
    select
        month,
        sum(asked) as asked,
        sum(answered) as answered,
        max(case when question_kind = 'nps' then promoters + passives + detractors end)
            as nps_answers,
        max(case when question_kind = 'nps' then promoters end) as promoters,
        max(case when question_kind = 'nps' then passives end) as passives,
        max(case when question_kind = 'nps' then detractors end) as detractors,
        max(case when question_kind = 'nps' then nps end) as nps,
        max(case when question_kind = 'nps' then nps_standard_error end) as nps_standard_error,
        max(case when question_kind = 'nps' then nps_low end) as nps_low,
        max(case when question_kind = 'nps' then nps_high end) as nps_high,
        max(case when question_kind = 'nps' then nps_reason end) as nps_reason,
        max(case when question_kind = 'csat' then usable_answers end) as csat_answers,
        max(case when question_kind = 'csat' then csat end) as csat,
        max(case when question_kind = 'csat' then mean_score end) as csat_mean_score,
        max(case when question_kind = 'ces' then usable_answers end) as effort_answers,
        max(case when question_kind = 'ces' then mean_score end) as effort_mean_score,
        max(case when question_kind = 'ces' then mean_score_share end) as effort_mean_share,
        max(case when question_kind = 'review' then usable_answers end) as reviews,
        max(case when question_kind = 'review' then mean_score end) as review_mean_score
    from survey_months
    group by month
),

opened as (
    select
        cast(date_trunc('month', opened_date) as date) as month,
        count(*) as tickets_opened,
        sum(seconds_to_first_reply) as reply_seconds,
        count(seconds_to_first_reply) as replied_tickets,
        count(reopened_count) as tickets_that_tell,
        count(*) filter (where reopened_count > 0) as reopened_tickets,
        count(is_complaint) as tickets_of_known_kind,
        count(*) filter (where is_complaint) as complaints
    from tickets
    group by date_trunc('month', opened_date)
),

ranked as (
    select
        date_trunc('month', resolved_date) as month,
        seconds_to_resolve,
        row_number() over (
            partition by date_trunc('month', resolved_date)
            order by seconds_to_resolve asc nulls last
        ) as place,
        count(seconds_to_resolve) over (
            partition by date_trunc('month', resolved_date)
        ) as places
    from tickets
    where is_resolved
),

-- The median is the middle time, or the mean of the two in the middle.
resolved as (
    select
        cast(month as date) as month,
        count(*) as tickets_resolved,
        sum(seconds_to_resolve) as resolve_seconds,
        count(seconds_to_resolve) as timed_tickets,
        sum(seconds_to_resolve) filter (
            where 2 * place >= places and 2 * place <= places + 2
        ) as middle_seconds,
        count(seconds_to_resolve) filter (
            where 2 * place >= places and 2 * place <= places + 2
        ) as middle_tickets
    from ranked
    group by month
),

ordered as (
    select
        cast(date_trunc('month', order_date) as date) as month,
        count(*) as orders
    from orders
    group by date_trunc('month', order_date)
),

returned as (
    select
        cast(date_trunc('month', order_date) as date) as month,
        count(*) as returned_orders
    from returned_orders
    group by date_trunc('month', order_date)
),

mentioned as (
    select
        cast(date_trunc('month', mentioned_date) as date) as month,
        count(*) as mentions,
        count(*) filter (where sentiment_label = 'negative') as negative_mentions,
        sum(sentiment) as sentiment_sum,
        count(sentiment) as scored_mentions
    from mentions
    group by date_trunc('month', mentioned_date)
),

months as (
    select month from surveyed
    union
    select month from opened
    union
    select month from resolved
    union
    select month from ordered
    union
    select month from mentioned
),

final as (
    select
        months.month,
        months.month > $as_of - interval '1 month' as is_partial_month,
        coalesce(surveyed.asked, 0) as asked,
        coalesce(surveyed.answered, 0) as answered,
        cast(surveyed.answered as double)
        / cast(nullif(surveyed.asked, 0) as double) as response_rate,
        coalesce(surveyed.nps_answers, 0) as nps_answers,
        coalesce(surveyed.promoters, 0) as promoters,
        coalesce(surveyed.passives, 0) as passives,
        coalesce(surveyed.detractors, 0) as detractors,
        surveyed.nps,
        surveyed.nps_standard_error,
        surveyed.nps_low,
        surveyed.nps_high,
        surveyed.nps_reason,
        coalesce(surveyed.csat_answers, 0) as csat_answers,
        surveyed.csat,
        surveyed.csat_mean_score,
        coalesce(surveyed.effort_answers, 0) as effort_answers,
        surveyed.effort_mean_score,
        surveyed.effort_mean_share,
        coalesce(surveyed.reviews, 0) as reviews,
        surveyed.review_mean_score,
        coalesce(opened.tickets_opened, 0) as tickets_opened,
        cast(opened.reply_seconds as double) / cast(3600 * opened.replied_tickets as double)
            as mean_hours_to_first_reply,
        case
            when opened.month is null then 0
            when opened.tickets_that_tell = opened.tickets_opened then opened.reopened_tickets
        end as reopened_tickets,
        case
            when opened.tickets_that_tell > 0
                then cast(opened.reopened_tickets as double)
                    / cast(opened.tickets_that_tell as double)
        end as reopened_share,
        case
            when opened.month is null then 0
            when opened.tickets_of_known_kind = opened.tickets_opened then opened.complaints
        end as complaints,
        coalesce(resolved.tickets_resolved, 0) as tickets_resolved,
        cast(resolved.resolve_seconds as double) / cast(3600 * resolved.timed_tickets as double)
            as mean_hours_to_resolve,
        cast(resolved.middle_seconds as double) / cast(3600 * resolved.middle_tickets as double)
            as median_hours_to_resolve,
        coalesce(ordered.orders, 0) as orders,
        coalesce(returned.returned_orders, 0) as returned_orders,
        cast(coalesce(returned.returned_orders, 0) as double) / cast(ordered.orders as double)
            as return_rate,
        coalesce(mentioned.mentions, 0) as mentions,
        coalesce(mentioned.negative_mentions, 0) as negative_mentions,
        cast(mentioned.sentiment_sum as double) / cast(mentioned.scored_mentions as double)
            as mean_sentiment
    from months
    left join surveyed
        on months.month = surveyed.month
    left join opened
        on months.month = opened.month
    left join resolved
        on months.month = resolved.month
    left join ordered
        on months.month = ordered.month
    left join returned
        on months.month = returned.month
    left join mentioned
        on months.month = mentioned.month
)

select * from final
