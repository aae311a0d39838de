//! The typed client against the real server, which is killed while it is used.

use std::path::Path;

use serde_json::{Value, json};
use tests::hub::{member, step};
use tests::script::{Language, Script};
use tests::server::ADMIN_KEY;
use tests::{Database, Hub, Process, check, number, on_both_databases, text};

fn script(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Script {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("clients/typed")
        .join(name);
    Script::start(Language::JavaScript, &file, arguments, environment)
}

/// A running copy of the agent that asks.
async fn asker(hub: &Hub, key: &str, instance: &str, replaces: &str, mode: &str) -> Script {
    let url = hub.server.url();
    let environment = [
        ("BATON_URL", url.as_str()),
        ("BATON_KEY", key),
        ("BATON_INSTANCE", instance),
        ("BATON_REPLACES", replaces),
        ("BATON_MODE", mode),
    ];
    let mut asker = script("agent.mjs", &[], &environment);
    asker.says("ready asker").await;
    asker
}

/// A process with one step, for the agent that asks; a lease of it lasts long.
async fn question(hub: &Hub) -> Process {
    let patient = json!({ "timeoutSettings": { "leaseMs": 600_000 } });
    let team = hub.team(&[member("asker")], patient).await;
    let steps = json!([{ "key": "count", "name": "Count", "assignedAgentId": "asker" }]);
    hub.process(&team, steps).await
}

async fn was_asked_once(hub: &Hub, process: &Process) -> Value {
    let ended = hub.ends(process, "completed").await;
    assert_eq!(
        step(&ended, "count")["outputs"],
        json!({ "count": 7 }),
        "{ended:#}"
    );
    assert_eq!(number(&ended, "/metrics/humanInterventionCount"), 1);
    check::verify(hub).await;
    ended
}

on_both_databases! {
    async fn a_room_has_every_message_once_and_in_order_though_the_server_is_killed(database: Database) {
        let mut hub = Hub::start(database).await;
        let team = hub.team(&[member("nobody")], json!({})).await;
        let room = json!({ "name": "Talk", "type": "team", "teamId": team, "participants": [] });
        let room = text(&hub.admin.post("/collaboration/rooms", &room).await.expect(201), "/id");
        let url = hub.server.url();
        let mut client = script("room.mjs", &[&url, ADMIN_KEY, &room, "120"], &[]);
        for posted in [20, 60, 80] {
            client.says(&format!("posted {posted}")).await;
            hub.server.crash().await;
        }
        client.says("seen all 120").await;
        client.succeeds().await;
        check::verify(&hub).await;
    }

    async fn an_agent_that_dies_while_a_human_thinks_has_the_answer_when_it_is_back(database: Database) {
        let hub = Hub::start(database).await;
        let key = hub.register("asker", &[]).await;
        let first = asker(&hub, &key, "asker-1", "", "hold").await;
        let process = question(&hub).await;
        let asked = hub.open_intervention(&process).await;
        first.kill().await;
        hub.answer(&asked, &json!({ "action": "answer", "value": 7 })).await;
        let mut again = asker(&hub, &key, "asker-1", "", "hold").await;
        assert_eq!(again.says("answer").await, "answer 7");
        let ended = was_asked_once(&hub, &process).await;
        assert_eq!(number(step(&ended, "count"), "/lostLeases"), 0, "it went on with its lease");
        again.terminate().await;
        again.succeeds().await;
    }

    async fn another_copy_takes_over_at_once_from_the_one_that_it_replaces(database: Database) {
        let hub = Hub::start(database).await;
        let key = hub.register("asker", &[]).await;
        let first = asker(&hub, &key, "asker-1", "", "hold").await;
        let process = question(&hub).await;
        let asked = hub.open_intervention(&process).await;
        first.kill().await;
        // The lease would last ten more minutes.
        let mut second = asker(&hub, &key, "asker-2", "asker-1", "hold").await;
        hub.answer(&asked, &json!({ "action": "answer", "value": 7 })).await;
        assert_eq!(second.says("answer").await, "answer 7");
        was_asked_once(&hub, &process).await;
        second.terminate().await;
        second.succeeds().await;
    }

    async fn a_suspended_step_comes_back_with_its_answer(database: Database) {
        let mut hub = Hub::start(database).await;
        let key = hub.register("asker", &[]).await;
        let mut agent = asker(&hub, &key, "asker-1", "", "suspend").await;
        let process = question(&hub).await;
        let asked = hub.open_intervention(&process).await;
        agent.says("lost suspended").await;
        hub.server.crash().await;
        hub.answer(&asked, &json!({ "action": "answer", "value": 7 })).await;
        agent.says("began count").await;
        assert_eq!(agent.says("answer").await, "answer 7");
        was_asked_once(&hub, &process).await;
        agent.terminate().await;
        agent.succeeds().await;
    }
}
