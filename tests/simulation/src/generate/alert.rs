//! Alerts, and the rules that raise them.

use rooms::Command;
use rooms::id::AlertId;
use serde_json::json;

use super::body;
use super::scene::{Asked, Scene};
use crate::{Kind, Random};

/// [`Kind::AcknowledgeAlert`] and [`Kind::ResolveAlert`].
pub fn answer(s: &Scene<'_>, random: &mut Random, kind: Kind) -> Asked {
    let known: Vec<_> = s
        .targets
        .processes
        .iter()
        .flat_map(|(room, p)| p.alerts.keys().map(|id| (*room, *id)))
        .collect();
    let none = (s.home, AlertId(s.fresh));
    let (room, alert_id) = random.pick(&known).copied().unwrap_or(none);
    let command = if kind == Kind::ResolveAlert {
        Command::ResolveAlert { alert_id }
    } else {
        Command::AcknowledgeAlert { alert_id }
    };
    (s.human.clone(), room, command)
}

/// [`Kind::SetAlertRules`].
pub fn set_rules(s: &Scene<'_>, random: &mut Random) -> Asked {
    let items = json!([
        {"metric": "errorRate", "threshold": random.below(120)},
        {"metric": "interventions", "threshold": random.below(3), "severity": "critical"},
        {"metric": "lostLeases", "threshold": 0, "enabled": random.chance(80)},
        {"metric": "overdueInterventions", "threshold": random.below(3) * 60_000},
    ]);
    let set = Command::SetAlertRules(body(json!({"items": items})));
    (s.human.clone(), s.world.space_room, set)
}
