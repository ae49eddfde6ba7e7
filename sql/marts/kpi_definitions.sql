-- The words tell the parameters that were in force.
with definitions (kpi, unit, definition, source_tables) as (
    values
        (
            'customers_at_start',
            'customers',
            'Customers when the month began who had ordered and whose last order was at most '
            || cast($inactive_after_days as varchar)
            || ' days old.',
            'int_purchase_days_sequenced'
        ),
        (
            'new_customers',
            'customers',
            'Customers whose first order fell into the month.',
            'int_purchase_days_sequenced'
        ),
        (
            'won_back_customers',
            'customers',
            'How often a customer ordered again after more than '
            || cast($inactive_after_days as varchar)
            || ' days without an order.',
            'int_purchase_days_sequenced'
        ),
        (
            'lost_customers',
            'customers',
            'How often the last order of a customer became more than '
            || cast($inactive_after_days as varchar)
            || ' days old.',
            'int_purchase_days_sequenced'
        ),
        (
            'customers_at_end',
            'customers',
            'customers_at_start + new_customers + won_back_customers − lost_customers.',
            'int_purchase_days_sequenced'
        ),
        (
            'active_customers',
            'customers',
            'Customers with an order in the month.',
            'int_purchase_days_sequenced'
        ),
        (
            'orders',
            'orders',
            'Orders of known customers.',
            'int_purchase_days_sequenced'
        ),
        (
            'orders_per_customer',
            'orders a customer',
            'orders ÷ active_customers.',
            'int_purchase_days_sequenced'
        ),
        (
            'revenue',
            'currency',
            'Charged for the orders of known customers after discounts and before returns.',
            'int_purchase_days_sequenced'
        ),
        (
            'average_order_value',
            'currency an order',
            'revenue ÷ orders.',
            'int_purchase_days_sequenced'
        ),
        (
            'revenue_per_customer',
            'currency a customer',
            'revenue ÷ active_customers.',
            'int_purchase_days_sequenced'
        ),
        (
            'returned_revenue',
            'currency',
            'Credited in the month to known customers for returns.',
            'int_returns_valued'
        ),
        (
            'margin',
            'currency',
            'revenue − returned_revenue − cost of the goods + cost of returned goods that went '
            || 'back into stock.',
            'int_purchase_days_sequenced, int_returns_valued'
        ),
        (
            'margin_rate',
            'share',
            'margin ÷ revenue.',
            'int_purchase_days_sequenced, int_returns_valued'
        ),
        (
            'churn_rate',
            'share',
            'lost_customers ÷ customers_at_start.',
            'int_purchase_days_sequenced'
        ),
        (
            'retention_rate',
            'share',
            '1 − churn_rate.',
            'int_purchase_days_sequenced'
        ),
        (
            'repeat_rate',
            'share',
            'Customers with an order in this month and in the one before ÷ customers with an '
            || 'order in the one before.',
            'int_purchase_days_sequenced'
        ),
        (
            'nps_responses',
            'answers',
            'Answers to the question whether one would recommend the organisation'
            || ' that was put in the month.',
            'int_survey_responses_scored'
        ),
        (
            'net_promoter_score',
            'points',
            '100 × (promoters − detractors) ÷ nps_responses, by the month of the question.',
            'int_survey_responses_scored'
        ),
        (
            'marketing_spend',
            'currency',
            'Spent on marketing in the month; unknown where no spend is recorded.',
            'int_marketing_spend_valued'
        ),
        (
            'customer_acquisition_cost',
            'currency a customer',
            'What of marketing_spend counts as winning customers ÷ new_customers of the same month.',
            'int_marketing_spend_valued, int_purchase_days_sequenced'
        ),
        (
            'lifetime_value',
            'currency a customer',
            'Orders less returns in the declared measure ('
            || $measure
            || ') over the last '
            || cast($lifetime_value_months as varchar)
            || ' months ÷ customers lost in them: value a customer and month '
            || '÷ monthly churn rate.',
            'int_purchase_days_sequenced, int_returns_valued'
        ),
        (
            'predicted_lifetime_value',
            'currency a customer',
            'Mean over customers of the expected value of the next '
            || cast($horizon_days as varchar)
            || ' days in the declared measure ('
            || $measure
            || ') discounted to the as-of day.',
            'customer_lifetimes'
        ),
        (
            'revenue_change',
            'currency',
            'revenue − revenue of the month before.',
            'int_purchase_days_sequenced'
        ),
        (
            'revenue_change_from_customers',
            'currency',
            'Shapley value of active_customers in revenue = active_customers × '
            || 'orders_per_customer × average_order_value.',
            'int_purchase_days_sequenced'
        ),
        (
            'revenue_change_from_frequency',
            'currency',
            'Shapley value of orders_per_customer in the same product.',
            'int_purchase_days_sequenced'
        ),
        (
            'revenue_change_from_order_value',
            'currency',
            'Shapley value of average_order_value in the same product.',
            'int_purchase_days_sequenced'
        ),
        (
            'margin_change',
            'currency',
            'margin − margin of the month before.',
            'int_purchase_days_sequenced, int_returns_valued'
        ),
        (
            'margin_change_from_customers',
            'currency',
            'Shapley value of active_customers in margin = active_customers × '
            || 'orders_per_customer × average_order_value × margin_rate.',
            'int_purchase_days_sequenced, int_returns_valued'
        ),
        (
            'margin_change_from_frequency',
            'currency',
            'Shapley value of orders_per_customer in the same product.',
            'int_purchase_days_sequenced, int_returns_valued'
        ),
        (
            'margin_change_from_order_value',
            'currency',
            'Shapley value of average_order_value in the same product.',
            'int_purchase_days_sequenced, int_returns_valued'
        ),
        (
            'margin_change_from_margin_rate',
            'currency',
            'Shapley value of margin_rate in the same product.',
            'int_purchase_days_sequenced, int_returns_valued'
        ),
        (
            'anonymous_orders',
            'orders',
            'Orders of nobody known; in no other figure.',
            'int_orders_valued'
        ),
        (
            'anonymous_revenue',
            'currency',
            'Charged for the orders of nobody known after discounts.',
            'int_orders_valued'
        )
),

final as (
    select
        kpi,
        case
            when unit = 'currency' then $currency
            when left(unit, 9) = 'currency ' then $currency || substr(unit, 9)
            else unit
        end as unit,
        definition,
        source_tables
    from definitions
)

select * from final
