with responses as (
    select * from int_survey_responses_scored
),

-- The last answer is the first counted backwards: first_by holds less a group than a window would.
-- Its value is one of few texts: score, place on the scale and group.
answers as (
    select
        customer_id,
        question_kind,
        is_solicited,
        given_score,
        responded_date,
        score,
        scale_minimum,
        scale_maximum,
        is_high_good,
        cast(score_share as decimal(18, 12)) as score_share,
        case
            when score is not null
                then concat_ws(
                    '|',
                    cast(score as varchar),
                    cast(cast(score_share as decimal(18, 12)) as varchar),
                    coalesce(nps_group, '')
                )
        end as told_score,
        case
            when score is not null
                then cast('1970-01-01T00:00:00' as timestamp)
                    + (cast($as_of as timestamp) - responded_at)
        end as told_before,
        response_id
    from responses
    where customer_id is not null
),

kinds as (
    select
        customer_id,
        question_kind,
        count(*) filter (where is_solicited) as asked,
        count(given_score) filter (where is_solicited) as answered,
        count(given_score) as given_answers,
        count(score) as answers,
        max(responded_date) as last_answer_date,
        max(case when score is not null then responded_date end) as last_usable_date,
        first_by(told_score, told_before, response_id) as last_told,
        sum(cast(score as decimal(18, 4))) as score_sum,
        min(scale_minimum) filter (where score is not null)
        = max(scale_minimum) filter (where score is not null)
        and min(scale_maximum) filter (where score is not null)
        = max(scale_maximum) filter (where score is not null)
        and bool_and(is_high_good) filter (where score is not null)
        = bool_or(is_high_good) filter (where score is not null) as has_one_scale,
        sum(score_share) as share_sum
    from answers
    group by customer_id, question_kind
),

unpacked as (
    select
        *,
        answers - 1 as earlier_answers,
        cast(split_part(last_told, '|', 1) as double) as last_score,
        cast(split_part(last_told, '|', 2) as decimal(18, 12)) as last_share,
        nullif(split_part(last_told, '|', 3), '') as last_nps_group,
        share_sum - cast(split_part(last_told, '|', 2) as decimal(18, 12)) as earlier_share_sum
    from kinds
),

-- An answer long ago warns of nothing any more. Both sides are multiplied by the number of earlier
-- answers: decimals compare exactly where a quotient would not.
judged as (
    select
        *,
        case
            when has_one_scale then cast(score_sum as double) / cast(answers as double)
        end as mean_score,
        case
            when earlier_answers >= $falling_score_min_earlier
                and last_usable_date >= $as_of - $experience_days
                then earlier_share_sum - earlier_answers * last_share
                    >= earlier_answers * cast($falling_score_drop as decimal(18, 12))
        end as is_falling,
        case
            when last_usable_date < $as_of - $experience_days then null
            when last_nps_group is not null then last_nps_group = 'detractor'
            else last_share <= cast($poor_answer_share as decimal(18, 12))
        end as is_poor
    from unpacked
),

told as (
    select
        *,
        case
            when is_falling
                then question_kind || ' fell from '
                    || cast(
                        cast(
                            round(
                                100 * cast(earlier_share_sum as double)
                                / cast(earlier_answers as double)
                            ) as bigint
                        ) as varchar
                    )
                    || ' to '
                    || cast(cast(round(100 * cast(last_share as double)) as bigint) as varchar)
                    || ' % of its scale on '
                    || cast(last_usable_date as varchar)
        end as fall,
        case
            when is_poor and is_falling is distinct from true
                then question_kind || ' at '
                    || cast(cast(round(100 * cast(last_share as double)) as bigint) as varchar)
                    || ' % of its scale on '
                    || cast(last_usable_date as varchar)
        end as low_answer
    from judged
),

final as (
    select
        customer_id,
        sum(asked) as asked,
        sum(answered) as answered,
        sum(given_answers) - sum(answers) as unusable_answers,
        max(last_answer_date) as last_answer_date,
        max(last_score) filter (where question_kind = 'nps') as last_nps_score,
        max(mean_score) filter (where question_kind = 'nps') as mean_nps_score,
        max(last_nps_group) filter (where question_kind = 'nps') as nps_group,
        max(last_score) filter (where question_kind = 'csat') as last_csat_score,
        max(mean_score) filter (where question_kind = 'csat') as mean_csat_score,
        max(last_score) filter (where question_kind = 'ces') as last_effort_score,
        max(mean_score) filter (where question_kind = 'ces') as mean_effort_score,
        max(last_score) filter (where question_kind = 'review') as last_review_score,
        max(mean_score) filter (where question_kind = 'review') as mean_review_score,
        cast(sum(share_sum) as double) / cast(sum(answers) as double) as mean_score_share,
        bool_or(is_falling) as is_score_falling,
        bool_or(is_poor) as is_last_answer_poor,
        min(fall) as score_fall,
        min(low_answer) as low_answer
    from told
    group by customer_id
)

select * from final
