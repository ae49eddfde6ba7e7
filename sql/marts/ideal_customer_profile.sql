-- Buyers whose value is unknown are neither ideal nor others, and prospects are no buyers: who never
-- had the chance to be ideal would tell nothing of what ideal buyers are like.
with customers as (
    select * from int_customers_profiled
),

traits as (
    select
        is_ideal,
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
    where is_ideal is not null
),

counts as (
    select
        trait,
        trait_value,
        count(*) as customers,
        sum(case when is_ideal then 1 else 0 end) as ideal_customers
    from traits
    where trait_value is not null
    group by trait, trait_value
),

ranked as (
    select
        trait,
        trait_value,
        customers,
        ideal_customers,
        row_number() over (
            partition by trait order by customers desc, trait_value
        ) as value_rank
    from counts
),

bounded as (
    select
        trait,
        case when value_rank <= $profile_values_max then trait_value else 'other' end
            as trait_value,
        sum(customers) as customers,
        sum(ideal_customers) as ideal_customers
    from ranked
    group by
        trait,
        case when value_rank <= $profile_values_max then trait_value else 'other' end
),

known as (
    select
        *,
        sum(customers) over (partition by trait) as customers_known,
        sum(ideal_customers) over (partition by trait) as ideal_customers_known
    from bounded
),

grouped as (
    select
        *,
        customers - ideal_customers as others,
        customers_known - ideal_customers_known as others_known
    from known
),

-- What everybody has in common, or nearly nobody has, is not tested, and so does not make the
-- others less significant.
tested as (
    select
        *,
        case
            when customers >= $profile_minimum_customers
                and customers < customers_known
                and ideal_customers_known > 1
                and others_known > 1
                then proportion_p_value(
                    ideal_customers, ideal_customers_known, others, others_known
                )
        end as p_value
    from grouped
),

placed as (
    select
        *,
        row_number() over (order by p_value nulls last, trait, trait_value) as place,
        count(p_value) over () as tests
    from tested
),

-- Benjamini & Hochberg: p × tests ÷ place, never above that of a larger p.
adjusted as (
    select
        *,
        case
            when p_value is not null
                then least(
                    1,
                    min(p_value * cast(tests as double) / cast(place as double)) over (
                        order by place desc
                        rows between unbounded preceding and current row
                    )
                )
        end as adjusted_p_value
    from placed
),

shared as (
    select
        *,
        case
            when ideal_customers_known > 0
                then cast(ideal_customers as double) / cast(ideal_customers_known as double)
        end as share_of_ideal,
        case
            when others_known > 0
                then cast(others as double) / cast(others_known as double)
        end as share_of_others
    from adjusted
),

final as (
    select
        trait,
        trait_value,
        cast(customers as bigint) as customers,
        cast(ideal_customers as bigint) as ideal_customers,
        cast(customers_known as bigint) as customers_known,
        cast(ideal_customers_known as bigint) as ideal_customers_known,
        share_of_ideal,
        share_of_others,
        case when share_of_others > 0 then share_of_ideal / share_of_others end as lift,
        risk_ratio_low(
            ideal_customers, ideal_customers_known, others, others_known, $profile_confidence
        ) as lift_low,
        risk_ratio_high(
            ideal_customers, ideal_customers_known, others, others_known, $profile_confidence
        ) as lift_high,
        p_value,
        adjusted_p_value,
        coalesce(adjusted_p_value <= $profile_false_discovery_rate, false) as is_significant
    from shared
)

select * from final
