with survey_responses as (
    select * from entities.survey_responses
),

dated as (
    select
        response_id,
        survey_id,
        lower(trim(question_kind)) as question_kind,
        customer_id,
        order_id,
        product_id,
        channel,
        coalesce(is_solicited, true) as is_solicited,
        local_date(coalesce(asked_at, responded_at), $timezone) as asked_date,
        case when score is not null then coalesce(responded_at, asked_at) end as responded_at,
        case
            when score is not null then local_date(coalesce(responded_at, asked_at), $timezone)
        end as responded_date,
        score as given_score,
        scale_minimum,
        scale_maximum,
        coalesce(is_high_good, true) as is_high_good
    from survey_responses
),

-- A question that was put before the as-of day and answered on or after it is unanswered so far.
seen as (
    select
        response_id,
        survey_id,
        question_kind,
        customer_id,
        order_id,
        product_id,
        channel,
        is_solicited,
        coalesce(least(asked_date, responded_date), responded_date, asked_date) as asked_date,
        case when responded_date < $as_of then responded_at end as responded_at,
        case when responded_date < $as_of then responded_date end as responded_date,
        case when responded_date >= $as_of then null else given_score end as given_score,
        scale_minimum,
        scale_maximum,
        case question_kind
            when 'nps' then $nps_scale_minimum
            when 'csat' then $csat_scale_minimum
            when 'ces' then $ces_scale_minimum
            when 'review' then $review_scale_minimum
        end as default_minimum,
        case question_kind
            when 'nps' then $nps_scale_maximum
            when 'csat' then $csat_scale_maximum
            when 'ces' then $ces_scale_maximum
            when 'review' then $review_scale_maximum
        end as default_maximum,
        is_high_good
    from dated
    where asked_date < $as_of
        or responded_date < $as_of
        or (asked_date is null and responded_date is null)
),

-- Half a scale is completed by the kind's default only where its one bound is the default's too:
-- a recommend question of at most 5 is not one of 0 to 5.
scaled as (
    select
        *,
        case
            when scale_minimum is not null and scale_maximum is not null then scale_minimum
            when coalesce(scale_minimum, default_minimum) = default_minimum
                and coalesce(scale_maximum, default_maximum) = default_maximum
                then default_minimum
        end as minimum,
        case
            when scale_minimum is not null and scale_maximum is not null then scale_maximum
            when coalesce(scale_minimum, default_minimum) = default_minimum
                and coalesce(scale_maximum, default_maximum) = default_maximum
                then default_maximum
        end as maximum
    from seen
),

judged as (
    select
        *,
        case
            when given_score is null then 'unanswered'
            when responded_date is null then 'undated'
            when minimum is null or maximum is null or minimum >= maximum then 'unknown_scale'
            when given_score < minimum or given_score > maximum then 'out_of_scale'
            else 'answered'
        end as answer_status
    from scaled
),

-- Four decimals, so that sums of scores are exact whatever their order.
valid as (
    select
        *,
        case
            when answer_status = 'answered'
                then cast(try_cast(given_score as decimal(18, 4)) as double)
        end as score,
        case
            when answer_status <> 'answered' then null
            when is_high_good then given_score
            else minimum + maximum - given_score
        end as good_score
    from judged
),

final as (
    select
        response_id,
        survey_id,
        question_kind,
        customer_id,
        order_id,
        product_id,
        channel,
        is_solicited,
        asked_date,
        responded_at,
        responded_date,
        answer_status,
        given_score,
        score,
        minimum as scale_minimum,
        maximum as scale_maximum,
        is_high_good,
        (good_score - minimum) / (maximum - minimum) as score_share,
        case
            when question_kind <> 'nps' or good_score is null then null
            when minimum in (0, 1) and maximum = 10 then case
                when good_score >= $nps_promoter_from then 'promoter'
                when good_score >= $nps_passive_from then 'passive'
                else 'detractor'
            end
            when $nps_other_scales = 'top_box' then case
                when good_score >= maximum then 'promoter'
                when good_score >= maximum - 1 then 'passive'
                else 'detractor'
            end
        end as nps_group,
        case
            when question_kind = 'csat' and maximum - minimum <= 10
                then good_score > maximum - $csat_top_boxes
        end as is_satisfied
    from valid
)

select * from final
