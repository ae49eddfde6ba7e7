with responses as (
    select * from surveys.responses
),

final as (
    select
        response_id,
        survey as survey_id,
        case question
            when 'recommend' then 'nps'
            when 'satisfaction' then 'csat'
            when 'effort' then 'ces'
            else question
        end as question_kind,
        customer as customer_id,
        order_no as order_id,
        asked_at,
        answered_at as responded_at,
        cast(score as double) as score,
        cast(split_part(scale, '-', 1) as double) as scale_minimum,
        cast(split_part(scale, '-', 2) as double) as scale_maximum,
        question <> 'effort' as is_high_good,
        comment,
        sent_by as channel
    from responses
)

select * from final
