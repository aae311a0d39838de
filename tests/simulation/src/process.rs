//! Random teams and processes: graphs with every feature a step can have, and now and then one that must be refused.

use serde_json::{Value, json};

use crate::{Random, World};

/// The agents of every world.
pub const AGENTS: [&str; 6] = ["ann", "ben", "cis", "dan", "eve", "fay"];
/// What they can do.
const SKILLS: [&str; 4] = ["dig", "sing", "count", "rest"];
const ROLES: [&str; 3] = ["leader", "specialist", "support"];

fn some<'a>(random: &mut Random, all: &[&'a str], percent: u64) -> Vec<&'a str> {
    all.iter()
        .filter(|_| random.chance(percent))
        .copied()
        .collect()
}

/// Capabilities of an agent.
pub fn skills(random: &mut Random) -> Vec<&'static str> {
    some(random, &SKILLS, 50)
}

/// Members of a team: at least one.
pub fn members(random: &mut Random) -> Vec<Value> {
    let mut agents = some(random, &AGENTS, 60);
    if agents.is_empty() {
        agents.push(AGENTS[0]);
    }
    let mut members = Vec::new();
    for agent in agents {
        let mut member = json!({
            "agentId": agent,
            "role": random.pick(&ROLES),
            "capabilities": some(random, &SKILLS, 25),
            "isActive": !random.chance(5),
        });
        if random.chance(30) {
            member["priority"] = random.below(5).into();
        }
        members.push(member);
    }
    members
}

/// What differs from the defaults in a team's configuration.
pub fn configuration(random: &mut Random) -> Value {
    let mut timeouts = json!({
        "leaseMs": 1_000 + random.below(5_000),
        "offerMs": 500 + random.below(2_000),
        "handoffTimeout": 500 + random.below(5_000),
        "humanResponseTimeout": 1_000 + random.below(20_000),
    });
    if random.chance(40) {
        timeouts["taskTimeout"] = (2_000 + random.below(20_000)).into();
        timeouts["processTimeout"] = (10_000 + random.below(100_000)).into();
    }
    let mut configuration = json!({
        "maxConcurrentTasks": 1 + random.below(5),
        "humanApprovalRequired": random.chance(15),
        "timeoutSettings": timeouts,
        "handoffStrategy": random.pick(&["sequential", "parallel", "conditional"]),
    });
    if random.chance(40) {
        configuration["escalationRules"] = Value::Array(escalation_rules(random));
    }
    if random.chance(40) {
        configuration["collaborationRules"] = Value::Array(collaboration_rules(random));
    }
    if random.chance(3) {
        configuration["maxConcurrentTasks"] = 0.into();
    }
    configuration
}

fn escalation_rules(random: &mut Random) -> Vec<Value> {
    let conditions = [
        "attempts > 1",
        "error != null",
        "sharedData.alarm == true",
        "true",
        "1 +",
        "nothing.at.all",
    ];
    let actions = [
        "notify_human",
        "reassign_agent",
        "pause_process",
        "abort_process",
    ];
    (0..=random.below(2))
        .map(|n| {
            json!({
                "id": format!("e{n}"),
                "condition": random.pick(&conditions[..4 + usize::from(random.clone().chance(20)) * 2]),
                "action": random.pick(&actions),
                "parameters": {},
            })
        })
        .collect()
}

fn collaboration_rules(random: &mut Random) -> Vec<Value> {
    let conditions = [
        "attempts > 0",
        "error != null",
        "sharedData.help == true",
        "true",
    ];
    let kinds = ["consultation", "handoff", "parallel_work", "review"];
    (0..=random.below(2))
        .map(|n| {
            json!({
                "id": format!("c{n}"),
                "triggerCondition": random.pick(&conditions),
                "collaborationType": random.pick(&kinds),
                "targetAgents": some(random, &AGENTS, 40),
                "parameters": {},
            })
        })
        .collect()
}

/// A process to start with this team.
pub fn process(random: &mut Random, team: &str, world: &World) -> Value {
    let n = 1 + random.below(5);
    let named = random.chance(70);
    let key = |i: u64| {
        if named {
            format!("s{i}")
        } else {
            format!("step_{}", i + 1)
        }
    };
    let mut steps = Vec::new();
    for i in 0..n {
        let mut one = step(random, i, n, &key);
        if named {
            one["key"] = key(i).into();
        }
        steps.push(one);
    }
    if let Some(((id, version), _)) = world
        .templates
        .iter()
        .next_back()
        .filter(|_| random.chance(25))
    {
        // One step's work is a process of its own.
        let one = usize::try_from(random.below(n)).unwrap_or(0);
        for field in ["assignedAgentId", "requiredCapabilities", "role"] {
            if let Some(step) = steps[one].as_object_mut() {
                step.remove(field);
            }
        }
        steps[one]["process"] = json!({"templateId": id});
        if random.chance(30) {
            steps[one]["process"]["templateVersion"] = json!(version);
        }
    }
    let mut process = json!({
        "name": format!("Process {}", random.below(1_000)),
        "teamId": team,
        "steps": steps,
        "failFast": random.chance(60),
        "priority": random.pick(&["low", "medium", "high", "urgent"]),
        "context": {
            "sharedData": {"limit": 3, "name": "x", "alarm": random.chance(20), "help": random.chance(20)},
            "variables": {"v": 1},
        },
    });
    if let Some(((id, _), _)) = world.templates.iter().next().filter(|_| random.chance(15)) {
        return json!({"name": "From a template", "teamId": team, "templateId": id, "inputs": {"a": 1}});
    }
    match random.below(60) {
        0 => process["steps"] = json!([]),
        1 => process["name"] = "".into(),
        2 => process["steps"][0]["dependencies"] = json!(["nowhere"]),
        3 => process["steps"][0]["dependencies"] = json!([key(0)]),
        4 => process["steps"][0]["assignedAgentId"] = "nobody".into(),
        5 => {
            process["steps"][0]["conditions"] =
                json!([{"type": "custom", "condition": "1 +", "action": "skip"}])
        }
        6 if n > 1 => {
            process["steps"][0]["dependencies"] = json!([key(1)]);
            process["steps"][1]["dependencies"] = json!([key(0)]);
        }
        7 if n > 1 => process["steps"][1]["key"] = process["steps"][0]["key"].clone(),
        8 => process["teamId"] = world.space_room.to_string().into(),
        _ => {}
    }
    process
}

fn step(random: &mut Random, i: u64, n: u64, key: &impl Fn(u64) -> String) -> Value {
    let before: Vec<String> = (0..i).filter(|_| random.chance(45)).map(key).collect();
    let mut step = json!({
        "name": format!("Step {i}"),
        "description": "Something to do",
        "dependencies": before,
        "triggerRule": random.weighted(&[(6, "all_succeeded"), (2, "all_done"), (1, "any_succeeded"), (2, "any_failed")]),
        "maxAttempts": 1 + random.below(3),
        "backoffMs": random.below(800),
        "maxLostLeases": 1 + random.below(4),
        "requiresApproval": random.chance(12),
        "continueOnFailure": random.chance(15),
        "mergeOutputs": random.chance(30),
    });
    match random.below(4) {
        0 => step["assignedAgentId"] = json!(random.pick(&AGENTS)),
        1 => step["requiredCapabilities"] = json!(some(random, &SKILLS, 30)),
        2 => step["role"] = json!(random.pick(&ROLES)),
        _ => {}
    }
    if random.chance(20) {
        step["timeoutMs"] = (500 + random.below(10_000)).into();
    }
    if random.chance(30) {
        let source = [
            "sharedData.limit + 1",
            "variables.v",
            "name",
            "sharedData.steps",
            "nothing.there",
        ];
        step["inputs"] = json!({"given": 1, "deep": [{"value": {"$from": random.pick(&source[..4 + usize::from(random.clone().chance(25))])}}]});
    }
    if random.chance(45) {
        let conditions: Vec<Value> = (0..=random.below(2))
            .map(|_| condition(random, n, key))
            .collect();
        step["conditions"] = Value::Array(conditions);
    }
    step
}

fn condition(random: &mut Random, n: u64, key: &impl Fn(u64) -> String) -> Value {
    let texts = [
        "",
        "true",
        "false",
        "outputs.score > 5",
        "sharedData.limit === 3",
        "error != null && error.retryable",
        "variables.v == 1",
        "attempts >= 1",
        "outputs.nothing.at.all",
        "'text'",
    ];
    let mut condition = json!({
        "type": random.pick(&["success", "failure", "timeout", "custom"]),
        "condition": random.pick(&texts[..8 + usize::from(random.clone().chance(15)) * 2]),
        "action": random.weighted(&[(5, "continue"), (3, "retry"), (2, "skip"), (3, "escalate"), (1, "abort")]),
    });
    if random.chance(30) {
        condition["nextStepId"] = key(random.below(n)).into();
    }
    condition
}
