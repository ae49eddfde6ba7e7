with classified as (
    select * from int_customers_classified
),

responses as (
    select * from int_survey_responses_scored
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

experiences as (
    select * from customer_experience
),

members as (
    select customer_id, scheme, segment
    from classified
    where as_of_date = $as_of
),

sizes as (
    select
        members.scheme,
        members.segment,
        count(*) as customers,
        count(*) filter (where experiences.is_early_warning) as early_warnings
    from members
    left join experiences
        on members.customer_id = experiences.customer_id
    group by members.scheme, members.segment
),

-- One row a scheme would be read for every answer: the answers of a customer are summed up first.
customer_kinds as (
    select
        customer_id,
        question_kind,
        count(*) filter (where is_solicited) as asked,
        count(given_score) filter (where is_solicited) as answered,
        count(score) as usable_answers,
        min(scale_minimum) filter (where score is not null) as scale_minimum,
        max(scale_minimum) filter (where score is not null) as highest_scale_minimum,
        max(scale_maximum) filter (where score is not null) as scale_maximum,
        min(scale_maximum) filter (where score is not null) as lowest_scale_maximum,
        bool_and(is_high_good) filter (where score is not null) as is_always_high_good,
        bool_or(is_high_good) filter (where score is not null) as is_ever_high_good,
        sum(cast(score as decimal(18, 4))) as score_sum,
        sum(cast(score_share as decimal(18, 12))) as score_share_sum,
        count(*) filter (where nps_group = 'promoter') as promoters,
        count(*) filter (where nps_group = 'passive') as passives,
        count(*) filter (where nps_group = 'detractor') as detractors,
        count(is_satisfied) as judged_answers,
        count(*) filter (where is_satisfied) as satisfied_answers
    from responses
    where customer_id is not null
        and asked_date >= $as_of - $experience_days
    group by customer_id, question_kind
),

kinds as (
    select
        members.scheme,
        members.segment,
        customer_kinds.question_kind,
        sum(customer_kinds.asked) as asked,
        sum(customer_kinds.answered) as answered,
        sum(customer_kinds.usable_answers) as usable_answers,
        min(customer_kinds.scale_minimum) = max(customer_kinds.highest_scale_minimum)
        and max(customer_kinds.scale_maximum) = min(customer_kinds.lowest_scale_maximum)
        and bool_and(customer_kinds.is_always_high_good)
        = bool_or(customer_kinds.is_ever_high_good) as has_one_scale,
        sum(customer_kinds.score_sum) as score_sum,
        sum(customer_kinds.score_share_sum) as score_share_sum,
        sum(customer_kinds.promoters) as promoters,
        sum(customer_kinds.passives) as passives,
        sum(customer_kinds.detractors) as detractors,
        sum(customer_kinds.judged_answers) as judged_answers,
        sum(customer_kinds.satisfied_answers) as satisfied_answers
    from members
    inner join customer_kinds
        on members.customer_id = customer_kinds.customer_id
    group by members.scheme, members.segment, customer_kinds.question_kind
),

scored as (
    select
        *,
        case
            when has_one_scale then cast(score_sum as double) / cast(usable_answers as double)
        end as mean_score,
        case
            when usable_answers > 0
                then cast(score_share_sum as double) / cast(usable_answers as double)
        end as mean_score_share,
        case
            when judged_answers > 0
                then cast(satisfied_answers as double) / cast(judged_answers as double)
        end as csat
    from kinds
),

surveyed as (
    select
        scheme,
        segment,
        sum(asked) as asked,
        sum(answered) as answered,
        coalesce(max(promoters) filter (where question_kind = 'nps'), 0) as promoters,
        coalesce(max(passives) filter (where question_kind = 'nps'), 0) as passives,
        coalesce(max(detractors) filter (where question_kind = 'nps'), 0) as detractors,
        max(usable_answers) filter (where question_kind = 'csat') as csat_answers,
        max(csat) filter (where question_kind = 'csat') as csat,
        max(mean_score) filter (where question_kind = 'csat') as csat_mean_score,
        max(usable_answers) filter (where question_kind = 'ces') as effort_answers,
        max(mean_score) filter (where question_kind = 'ces') as effort_mean_score,
        max(mean_score_share) filter (where question_kind = 'ces') as effort_mean_share,
        max(usable_answers) filter (where question_kind = 'review') as reviews,
        max(mean_score) filter (where question_kind = 'review') as review_mean_score
    from scored
    group by scheme, segment
),

netted as (
    select
        *,
        promoters + passives + detractors as nps_answers,
        promoters - detractors as net_promoters
    from surveyed
),

promoted as (
    select
        *,
        case
            when nps_answers > 0
                then 100 * cast(net_promoters as double) / cast(nps_answers as double)
        end as nps,
        case
            when nps_answers > 0
                then 100 * sqrt(
                    cast(
                        nps_answers * (promoters + detractors) - net_promoters * net_promoters
                        as double
                    ) / cast(nps_answers as double)
                ) / cast(nps_answers as double)
        end as nps_standard_error
    from netted
),

customer_tickets as (
    select
        customer_id,
        count(*) as tickets,
        count(*) filter (where not is_resolved) as open_tickets,
        count(reopened_count) as tickets_that_tell,
        count(*) filter (where reopened_count > 0) as reopened_tickets,
        count(is_complaint) as tickets_of_known_kind,
        count(*) filter (where is_complaint) as complaints,
        sum(seconds_to_first_reply) as reply_seconds,
        count(seconds_to_first_reply) as replied_tickets,
        sum(seconds_to_resolve) as resolve_seconds,
        count(seconds_to_resolve) as timed_tickets
    from tickets
    where customer_id is not null
        and opened_date >= $as_of - $experience_days
    group by customer_id
),

helped as (
    select
        members.scheme,
        members.segment,
        sum(customer_tickets.tickets) as tickets,
        sum(customer_tickets.open_tickets) as open_tickets,
        sum(customer_tickets.tickets_that_tell) as tickets_that_tell,
        sum(customer_tickets.reopened_tickets) as reopened_tickets,
        sum(customer_tickets.tickets_of_known_kind) as tickets_of_known_kind,
        sum(customer_tickets.complaints) as complaints,
        sum(customer_tickets.reply_seconds) as reply_seconds,
        sum(customer_tickets.replied_tickets) as replied_tickets,
        sum(customer_tickets.resolve_seconds) as resolve_seconds,
        sum(customer_tickets.timed_tickets) as timed_tickets
    from members
    inner join customer_tickets
        on members.customer_id = customer_tickets.customer_id
    group by members.scheme, members.segment
),

customer_orders as (
    select customer_id, count(*) as orders
    from orders
    where customer_id is not null
        and order_date >= $as_of - $experience_days
    group by customer_id
),

customer_returns as (
    select customer_id, count(*) as returned_orders
    from returned_orders
    where customer_id is not null
        and order_date >= $as_of - $experience_days
    group by customer_id
),

bought as (
    select
        members.scheme,
        members.segment,
        sum(customer_orders.orders) as orders,
        coalesce(sum(customer_returns.returned_orders), 0) as returned_orders
    from members
    inner join customer_orders
        on members.customer_id = customer_orders.customer_id
    left join customer_returns
        on members.customer_id = customer_returns.customer_id
    group by members.scheme, members.segment
),

customer_mentions as (
    select
        customer_id,
        count(*) as mentions,
        count(*) filter (where sentiment_label = 'negative') as negative_mentions,
        sum(sentiment) as sentiment_sum,
        count(sentiment) as scored_mentions
    from mentions
    where customer_id is not null
        and mentioned_date >= $as_of - $experience_days
    group by customer_id
),

mentioned as (
    select
        members.scheme,
        members.segment,
        sum(customer_mentions.mentions) as mentions,
        sum(customer_mentions.negative_mentions) as negative_mentions,
        sum(customer_mentions.sentiment_sum) as sentiment_sum,
        sum(customer_mentions.scored_mentions) as scored_mentions
    from members
    inner join customer_mentions
        on members.customer_id = customer_mentions.customer_id
    group by members.scheme, members.segment
),

final as (
    select
        sizes.scheme,
        sizes.segment,
        sizes.customers,
        sizes.early_warnings,
        coalesce(promoted.asked, 0) as asked,
        coalesce(promoted.answered, 0) as answered,
        cast(promoted.answered as double)
        / cast(nullif(promoted.asked, 0) as double) as response_rate,
        coalesce(promoted.nps_answers, 0) as nps_answers,
        coalesce(promoted.promoters, 0) as promoters,
        coalesce(promoted.passives, 0) as passives,
        coalesce(promoted.detractors, 0) as detractors,
        promoted.nps,
        promoted.nps_standard_error,
        case
            when promoted.nps is not null
                then greatest(
                    promoted.nps - $nps_interval_deviations * promoted.nps_standard_error, -100
                )
        end as nps_low,
        case
            when promoted.nps is not null
                then least(
                    promoted.nps + $nps_interval_deviations * promoted.nps_standard_error, 100
                )
        end as nps_high,
        coalesce(promoted.csat_answers, 0) as csat_answers,
        promoted.csat,
        promoted.csat_mean_score,
        coalesce(promoted.effort_answers, 0) as effort_answers,
        promoted.effort_mean_score,
        promoted.effort_mean_share,
        coalesce(promoted.reviews, 0) as reviews,
        promoted.review_mean_score,
        coalesce(helped.tickets, 0) as tickets,
        cast(coalesce(helped.tickets, 0) as double) / cast(sizes.customers as double)
            as tickets_per_customer,
        coalesce(helped.open_tickets, 0) as open_tickets,
        case
            when helped.scheme is null then 0
            when helped.tickets_that_tell = helped.tickets then helped.reopened_tickets
        end as reopened_tickets,
        case
            when helped.tickets_that_tell > 0
                then cast(helped.reopened_tickets as double)
                    / cast(helped.tickets_that_tell as double)
        end as reopened_share,
        case
            when helped.scheme is null then 0
            when helped.tickets_of_known_kind = helped.tickets then helped.complaints
        end as complaints,
        cast(helped.reply_seconds as double) / cast(3600 * helped.replied_tickets as double)
            as mean_hours_to_first_reply,
        cast(helped.resolve_seconds as double) / cast(3600 * helped.timed_tickets as double)
            as mean_hours_to_resolve,
        coalesce(bought.orders, 0) as orders,
        coalesce(bought.returned_orders, 0) as returned_orders,
        cast(bought.returned_orders as double) / cast(bought.orders as double) as return_rate,
        coalesce(mentioned.mentions, 0) as mentions,
        coalesce(mentioned.negative_mentions, 0) as negative_mentions,
        cast(mentioned.sentiment_sum as double) / cast(mentioned.scored_mentions as double)
            as mean_sentiment
    from sizes
    left join promoted
        on sizes.scheme = promoted.scheme
        and sizes.segment = promoted.segment
    left join helped
        on sizes.scheme = helped.scheme
        and sizes.segment = helped.segment
    left join bought
        on sizes.scheme = bought.scheme
        and sizes.segment = bought.segment
    left join mentioned
        on sizes.scheme = mentioned.scheme
        and sizes.segment = mentioned.segment
)

select * from final
