-- GA4 has no identifier of an event and numbers visits for each browser alone.
with events as (
    select * from ga4.events
),

final as (
    select
        user_pseudo_id || '.' || event_timestamp || '.' || event_name as event_id,
        to_timestamp_micros(event_timestamp) as occurred_at,
        case event_name
            when 'view_item' then 'product_view'
            when 'begin_checkout' then 'checkout'
            else event_name
        end as event_name,
        user_pseudo_id as visitor_id,
        user_pseudo_id || '.' || ga_session_id as session_id,
        user_id as customer_id,
        transaction_id as order_id,
        item_id as product_id,
        page_location as page_url,
        collected_traffic_source_manual_source as source,
        collected_traffic_source_manual_medium as medium,
        case collected_traffic_source_manual_medium
            when 'cpc' then 'search'
            when 'paid_social' then 'social'
            when '(none)' then 'direct'
            else collected_traffic_source_manual_medium
        end as channel,
        collected_traffic_source_manual_campaign_name as campaign_id,
        device_category as device,
        case geo_country
            when 'Germany' then 'DE'
            when 'France' then 'FR'
            when 'Netherlands' then 'NL'
            when 'Italy' then 'IT'
            when 'Austria' then 'AT'
            when 'Switzerland' then 'CH'
            else geo_country
        end as country,
        cast(engagement_time_msec as double) / 1000 as engaged_seconds
    from events
)

select * from final
