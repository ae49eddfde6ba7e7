//! How the raw files of the smallest company that has every row begin.

/// The beginning of each text file, by folder.
pub(super) const BEGINNINGS: [(&str, &str); 13] = [
    (
        "ads/campaigns",
        concat!(
            "campaign_id,title,platform,started\n",
            "SEA-BRAND,\"Search, our name\",google_ads,2022-01-01\n",
        ),
    ),
    (
        "ads/spend",
        concat!(
            "day,platform,campaign_id,cost,currency,impressions,clicks\n",
            "2022-01-01,google_ads,SEA-BRAND,0.07,EUR,11,0\n",
        ),
    ),
    (
        "automation/campaigns",
        "{\"id\":\"EXP-WINBACK\",\"title\":\"We miss you\",\"kind\":\"win-back\",\"goal\":\"Another order within 30 days\",\"channel\":\"post\",\"starts\":\"2024-02-06\",\"ends\":\"2024-03-06\",\"holdout_arm\":\"control\"}\n",
    ),
    (
        "automation/contacts",
        concat!(
            "contact\tcampaign\tcustomer\tsent_at\tarm\tchannel\tholdout\tdelivered\topened_at\tclicked_at\tconverted_at\tunsubscribed_at\torder_no\tcoupon\tcost\n",
            "EXP-WINBACK-C000000002\tEXP-WINBACK\tC000000002\t2024-02-06T04:00:00Z\tletter\tpost\t0\t1\t\t\t\t\t\t\t0.85\n",
        ),
    ),
    (
        "crm/customers",
        concat!(
            "\u{feff}customer_id;name;email;address;country;birth_date;acquisition_channel;marketing_consent;store_credit;created_on;region;gender;household_size;income_band;language;acquisition_campaign\n",
            "C000000000;Grażyna Bianchi;c000000000@example.org;\"Bahnhofstrasse 28\n",
            "8001 Zürich\";CH;08.01.1983;search;no;0,00;20.07.2024;Zürich;male;1;below 30k;de;SEA-BRAND\n",
        ),
    ),
    (
        "helpdesk/tickets",
        concat!(
            "ticket;requester;order;sku;created;first_reply;solved;channel;topic;priority;type;reopens;interactions;handling_minutes;cost\n",
            "T000000000001;C000000000;000000000001;P1275;2024-08-01T11:08:46Z;2024-08-01T12:13:06Z;2024-08-01T16:20:40Z;email;delivery;normal;question;0;1;6;3.10\n",
        ),
    ),
    (
        "shop/orders",
        concat!(
            "order_id,customer_id,ordered_at,channel,status,payment_method,order_total,currency,device,store,coupon,campaign,shipping_charged,shipping_cost,ship_to_country\r\n",
            "000000008192,C000000002,2022-07-11 14:19:42,web,shipped,paypal,53.11,EUR,desktop,,,SEA-BRAND,0.00,4.39,IT\r\n",
            "000000008193,C000000002,2022-07-12 10:16:29,app,shipped,card,110.56,EUR,desktop,,,,0.00,4.62,IT\r\n",
        ),
    ),
    (
        "shop/products",
        "{\"sku\":\"P0001\",\"name\":\"Hausmarke Espresso No. 1\",\"category\":\"Coffee\",\"subcategory\":\"Espresso\",\"brand\":\"Hausmarke\",\"premium\":false,\"list_price\":0.90,\"unit_cost\":0.38,\"tags\":[\"coffee\"]}\n",
    ),
    (
        "shop/returns",
        "{\"return_id\":\"R000000016385-3\",\"order_id\":\"000000016385\",\"line_number\":3,\"sku\":\"P1176\",\"returned_on\":\"2022-05-11\",\"quantity\":1,\"refund\":11.49,\"restocked_cost\":5.80,\"handling_cost\":2.50,\"currency\":\"CHF\",\"reason\":\"changed my mind\"}\n",
    ),
    (
        "shop/reviews",
        "{\"review_id\":\"RV000000016389\",\"order_id\":\"000000016389\",\"customer_id\":\"C000000004\",\"sku\":\"P1488\",\"stars\":5,\"written_at\":\"2023-10-22T16:16:40Z\",\"text\":\"Wonderful! Again and again ☕\"}\n",
    ),
    (
        "social/mentions",
        "{\"id\":\"MC000000010\",\"published\":\"2024-11-24T16:58:48Z\",\"network\":\"reddit\",\"handle\":\"@user10\",\"customer\":\"C000000010\",\"sentiment\":0.4,\"label\":\"positive\",\"reach\":90,\"lang\":\"en\",\"text\":\"nice tea!\"}\n",
    ),
    (
        "surveys/responses",
        concat!(
            "response_id,survey,question,scale,customer,order_no,asked_at,answered_at,score,comment,sent_by\n",
            "S000000000000,order,satisfaction,1-5,C000000000,000000000000,2024-07-24T09:06:48Z,,,,email\n",
        ),
    ),
    (
        "treasury/rates",
        concat!(
            "quoted_on;currency;euros_a_unit\r\n",
            "2021-12-20;CHF;1,03\r\n",
        ),
    ),
];
