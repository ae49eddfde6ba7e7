//! What is true of the synthetic company, for people: channels, campaigns, needs.

use super::summary;
use crate::demo::{Figure, Truths};

/// Three small tables; the rest lies in `truth/`.
pub(super) fn of(truths: &Truths) -> String {
    format!(
        "What is true of its channels\n\n{}\n\n\
         What its campaigns do: the share who buy within 30 days\n\n{}\n\n\
         What its customers look for, and whether they recommend it\n\n{}\n\n",
        channels(truths),
        campaigns(truths),
        needs(truths),
    )
}

fn percent(figure: &Figure) -> String {
    format!("{:.1} %", 100.0 * figure.truth)
}

fn channels(truths: &Truths) -> comfy_table::Table {
    let mut table = summary::table(&[
        "channel",
        "customers",
        "share",
        "cost a customer",
        "spend a purchase day",
        "leave after a purchase",
        "visitors who buy",
    ]);
    for channel in &truths.channels {
        table.add_row([
            channel.channel.clone(),
            channel.customers.to_string(),
            percent(&channel.share),
            format!("{:.2}", channel.cost_per_customer.truth),
            format!("{:.2}", channel.mean_spend.truth),
            percent(&channel.dropout_probability),
            channel.conversion.as_ref().map(percent).unwrap_or_default(),
        ]);
    }
    summary::align(&mut table, 1);
    table
}

fn campaigns(truths: &Truths) -> comfy_table::Table {
    let mut table = summary::table(&["campaign", "arm", "customers", "true rate", "true lift"]);
    for campaign in &truths.experiments {
        for arm in &campaign.arms {
            let lift = arm.lift.as_ref();
            table.add_row([
                campaign.campaign_id.clone(),
                arm.arm.clone(),
                arm.contacts.to_string(),
                percent(&arm.purchase_rate),
                lift.map(|lift| format!("{:+.1} points", 100.0 * lift.truth))
                    .unwrap_or_default(),
            ]);
        }
    }
    summary::align(&mut table, 2);
    table
}

fn needs(truths: &Truths) -> comfy_table::Table {
    let mut table = summary::table(&["need", "customers", "on discount", "premium", "NPS"]);
    for (need, recommend) in truths.needs.iter().zip(&truths.experience.recommend) {
        table.add_row([
            need.need_segment.clone(),
            percent(&need.customers),
            percent(&need.on_discount),
            percent(&need.premium),
            format!("{:+.0}", recommend.nps.truth),
        ]);
    }
    summary::align(&mut table, 1);
    table
}
