with responses as (
    select * from int_survey_responses_scored
),

-- A month is that in which a question was put, so that who answered is part of who was asked; what
-- nobody asked for has that in which it was said.
months as (
    select
        date_trunc('month', asked_date) as month,
        question_kind,
        count(*) filter (where is_solicited) as asked,
        count(given_score) filter (where is_solicited) as answered,
        count(score) as usable_answers,
        count(*) filter (where answer_status = 'out_of_scale') as out_of_scale,
        count(*) filter (where answer_status = 'unknown_scale') as unknown_scale,
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
    where asked_date is not null
    group by date_trunc('month', asked_date), question_kind
),

judged as (
    select
        *,
        scale_minimum = highest_scale_minimum
        and scale_maximum = lowest_scale_maximum
        and is_always_high_good = is_ever_high_good as has_one_scale,
        promoters + passives + detractors as grouped_answers,
        promoters - detractors as net_promoters
    from months
),

-- The standard error is 100 √((p + d − (p − d)²) ÷ n), here from whole numbers.
scored as (
    select
        *,
        case
            when grouped_answers > 0
                then 100 * cast(net_promoters as double) / cast(grouped_answers as double)
        end as nps,
        case
            when grouped_answers > 0
                then 100 * sqrt(
                    cast(
                        grouped_answers * (promoters + detractors) - net_promoters * net_promoters
                        as double
                    ) / cast(grouped_answers as double)
                ) / cast(grouped_answers as double)
        end as nps_standard_error
    from judged
),

final as (
    select
        cast(month as date) as month,
        question_kind,
        month > $as_of - interval '1 month' as is_partial_month,
        asked,
        answered,
        cast(answered as double) / cast(nullif(asked, 0) as double) as response_rate,
        usable_answers,
        out_of_scale,
        unknown_scale,
        case when has_one_scale then scale_minimum end as scale_minimum,
        case when has_one_scale then scale_maximum end as scale_maximum,
        case
            when has_one_scale then cast(score_sum as double) / cast(usable_answers as double)
        end as mean_score,
        case
            when usable_answers > 0
                then cast(score_share_sum as double) / cast(usable_answers as double)
        end as mean_score_share,
        case when question_kind = 'nps' then promoters end as promoters,
        case when question_kind = 'nps' then passives end as passives,
        case when question_kind = 'nps' then detractors end as detractors,
        nps,
        nps_standard_error,
        case
            when nps is not null
                then greatest(nps - $nps_interval_deviations * nps_standard_error, -100)
        end as nps_low,
        case
            when nps is not null
                then least(nps + $nps_interval_deviations * nps_standard_error, 100)
        end as nps_high,
        case
            when question_kind <> 'nps' or grouped_answers = usable_answers and grouped_answers > 0
                then null
            when usable_answers = 0 then 'no_usable_answer'
            when grouped_answers = 0 then 'no_rule_for_scale'
            else 'some_answers_without_rule'
        end as nps_reason,
        case when question_kind = 'csat' then satisfied_answers end as satisfied_answers,
        case
            when judged_answers > 0
                then cast(satisfied_answers as double) / cast(judged_answers as double)
        end as csat
    from scored
)

select * from final
