-- A naive Bayes score: the logarithms of the lifts of a customer's traits are added up as if traits
-- were independent of one another. Only values that tell ideal customers apart with significance
-- weigh, those of few customers less than they seem, and none more than the declared limit. Weights
-- are decimals, so that their sum does not depend on its order.
with customers as (
    select * from int_customers_profiled
),

valued as (
    select * from int_customers_valued
),

profile as (
    select * from ideal_customer_profile
),

counted as (
    select
        trait,
        trait_value,
        is_significant,
        cast(ideal_customers as double) as ideal_customers,
        cast(ideal_customers_known as double) as ideal_known,
        cast(customers - ideal_customers as double) as others,
        cast(customers_known - ideal_customers_known as double) as others_known,
        $lookalike_shrinkage * cast(customers as double) / cast(customers_known as double)
            as added
    from profile
),

weights as (
    select
        trait,
        trait_value,
        case
            when is_significant
                then cast(
                    least(
                        ln($lookalike_lift_max),
                        greatest(
                            -ln($lookalike_lift_max),
                            ln(
                                (ideal_customers + added) / (ideal_known + $lookalike_shrinkage)
                                * (others_known + $lookalike_shrinkage) / (others + added)
                            )
                        )
                    ) as decimal(18, 6)
                )
            else 0
        end as weight
    from counted
),

candidates as (
    select
        customer_id,
        unnest(make_array(
            'acquisition_campaign', 'acquisition_channel', 'age_band', 'children', 'company_size',
            'country', 'customer_type', 'discount_habit', 'first_category', 'first_channel',
            'first_device', 'first_order_hours', 'first_order_weekday', 'first_product', 'gender',
            'has_marketing_consent', 'home_ownership', 'household_composition', 'household_size',
            'income_band', 'industry', 'language', 'marital_status', 'region'
        )) as trait,
        unnest(make_array(
            acquisition_campaign, acquisition_channel, age_band, children, company_size,
            country, customer_type, discount_habit, first_category, first_channel,
            first_device, first_order_hours, first_order_weekday, first_product, gender,
            has_marketing_consent, home_ownership, household_composition, household_size,
            income_band, industry, language, marital_status, region
        )) as trait_value
    from customers
    where not coalesce(is_ideal, false)
),

weighed as (
    select
        candidates.customer_id,
        candidates.trait,
        candidates.trait_value,
        coalesce(listed.weight, rest.weight) as weight
    from candidates
    left join weights as listed
        on candidates.trait = listed.trait
        and candidates.trait_value = listed.trait_value
    left join weights as rest
        on candidates.trait = rest.trait
        and rest.trait_value = 'other'
    where candidates.trait_value is not null
        and coalesce(listed.weight, rest.weight) <> 0
),

scored as (
    select customer_id, sum(weight) as likeness, count(*) as traits
    from weighed
    group by customer_id
),

-- Of customers who are equally alike those come first who already are worth most.
chosen as (
    select
        scored.customer_id,
        scored.likeness,
        scored.traits,
        valued.orders,
        valued.value_to_date,
        valued.last_order_date
    from scored
    inner join valued
        on scored.customer_id = valued.customer_id
    where scored.likeness > 0
    order by scored.likeness desc, valued.value_to_date desc nulls last, scored.customer_id
    limit $lookalikes_max
),

reasons as (
    select
        weighed.customer_id,
        concat(weighed.trait, '=', weighed.trait_value) as reason,
        row_number() over (
            partition by weighed.customer_id order by weighed.weight desc, weighed.trait
        ) as place
    from weighed
    inner join chosen
        on weighed.customer_id = chosen.customer_id
    where weighed.weight > 0
),

strongest as (
    select
        customer_id,
        max(case when place = 1 then reason end) as reason_1,
        max(case when place = 2 then reason end) as reason_2,
        max(case when place = 3 then reason end) as reason_3
    from reasons
    where place <= 3
    group by customer_id
),

final as (
    select
        chosen.customer_id,
        cast(
            row_number() over (
                order by
                    chosen.likeness desc,
                    chosen.value_to_date desc nulls last,
                    chosen.customer_id
            ) as bigint
        ) as likeness_rank,
        cast(chosen.likeness as double) as likeness,
        exp(cast(chosen.likeness as double)) as lift,
        cast(chosen.traits as bigint) as traits,
        strongest.reason_1,
        strongest.reason_2,
        strongest.reason_3,
        chosen.orders = 0 as is_prospect,
        cast(chosen.orders as bigint) as orders,
        cast(chosen.value_to_date as decimal(18, 4)) as value_to_date,
        chosen.last_order_date
    from chosen
    inner join strongest
        on chosen.customer_id = strongest.customer_id
)

select * from final
