-- The survey was one wave. It tells no day on which it was put to whom: all were asked when it
-- opened, on the day of its first answer.
with responses as (
    select * from r_community_survey.responses
),

final as (
    select
        concat('line-', cast("_line" as varchar)) as response_id,
        'learning-r-2018' as survey_id,
        'nps' as question_kind,
        cast(null as varchar) as customer_id,
        cast('2018-12-06T00:00:00' as timestamp) as asked_at,
        case when "Qrecommend" is not null then "Qtime" end as responded_at,
        "Qrecommend" as score,
        cast(0 as double) as scale_minimum,
        cast(10 as double) as scale_maximum,
        'web' as channel
    from responses
)

select * from final
