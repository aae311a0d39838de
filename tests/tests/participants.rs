//! Who takes part in a room: an agent has there what it is given, from when it is given it until it is taken away.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tests::hub::member;
use tests::rest::Rest;
use tests::{Agent, Database, Hub, array, on_both_databases, text};

fn one_step(agent: &str) -> Value {
    json!([{ "key": "only", "name": "Only", "description": "", "assignedAgentId": agent }])
}

/// Who is shown as present in a room.
async fn present(to: &Agent, room: &str) -> Vec<String> {
    let list = to
        .ask("presence:list", json!({ "roomId": room }))
        .await
        .data;
    let participants = array(&list, "/participants").iter();
    let mut ids: Vec<_> = participants.map(|p| text(p, "/id")).collect();
    ids.sort_unstable();
    ids
}

on_both_databases! {
    async fn an_agent_that_is_removed_from_a_room_hears_no_more_of_it(database: Database) {
        let hub = Hub::start(database).await;
        let mut agents = [hub.agent("stays", &[]).await, hub.agent("goes", &[]).await];
        let participant = |id: &str| json!({ "type": "agent", "id": id, "role": "participant" });
        let room = json!({ "name": "Talk", "type": "workspace", "participants": [participant("stays"), participant("goes")] });
        let room = text(&hub.admin.post("/collaboration/rooms", &room).await.expect(201), "/id");
        for agent in &agents {
            let _ = agent.ask("room:join", json!({ "roomId": room })).await;
        }
        let who = json!({ "type": "agent", "id": "goes" });
        let remove = hub.admin.request(Method::DELETE, &format!("/collaboration/rooms/{room}/participants"));
        let _ = hub.admin.send(remove.json(&who)).await.expect(200);
        for agent in &mut agents {
            let left = agent.event("room.participant_left").await;
            assert_eq!(left["data"]["id"], "goes");
        }
        let goes = &agents[1];
        let _ = goes.refused("room:join", json!({ "roomId": room }), "forbidden").await;
        // The subscription is over a moment after the word of it.
        let deadline = Instant::now() + Duration::from_secs(20);
        let typing = json!({ "roomId": room, "typing": true });
        while !text(&goes.refused("typing:set", typing.clone(), "forbidden").await, "/detail").contains("join the room first") {
            assert!(Instant::now() < deadline, "it is still subscribed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for word in ["one", "two"] {
            let path = format!("/collaboration/rooms/{room}/messages");
            let _ = hub.admin.post(&path, &json!({ "body": word })).await.expect(201);
        }
        // Nor is it shown as one that is there, until it has been let in again.
        assert_eq!(present(&agents[0], &room).await, ["stays"]);
        // What went to the one would have gone to the other before; and what is asked last is answered last.
        let [stays, goes] = &mut agents;
        while stays.event("message.posted").await["data"]["body"] != "two" {}
        let _ = goes.ready("goes-1").await;
        assert!(!goes.has_heard("message.posted"), "it still hears the room");
        let _ = hub.admin.post(&format!("/collaboration/rooms/{room}/participants"), &participant("goes")).await.expect(201);
        let _ = goes.ask("room:join", json!({ "roomId": room })).await;
        assert_eq!(present(stays, &room).await, ["goes", "stays"]);
    }

    async fn an_agent_that_comes_after_the_start_takes_part_from_when_it_works(database: Database) {
        let hub = Hub::start(database).await;
        let _first = hub.agent("first", &[]).await;
        let mut late = hub.agent("late", &[]).await;
        let team = hub.team(&[member("first")], json!({})).await;
        let step = json!([{ "key": "only", "name": "Only", "description": "", "requiredCapabilities": ["rare"] }]);
        let process = hub.process(&team, step).await;
        let history = json!({ "roomId": process.room });
        let _ = late.refused("room:history", history.clone(), "forbidden").await;

        let mut joining = member("late");
        joining["capabilities"] = json!(["rare"]);
        let change = json!({ "agents": [member("first"), joining] });
        let _ = hub.admin.put(&format!("/teams/{team}"), &change).await.expect(200);
        let work = late.take().await;
        let _ = late.ask("room:history", history).await;
        let _ = late.ask("message:send", json!({ "roomId": process.room, "body": "I am here." })).await;
        late.complete(&work, json!(1)).await;
    }

    async fn the_work_of_an_agent_that_is_removed_goes_to_others_at_once(database: Database) {
        let hub = Hub::start(database).await;
        let mut goes = hub.agent("goes", &["dig"]).await;
        // Its lease would last longer than the test.
        let slow = json!({ "timeoutSettings": { "leaseMs": 3_600_000 } });
        let team = hub.team(&[member("goes"), member("stays")], slow).await;
        let step = json!([{ "key": "only", "name": "Only", "description": "", "requiredCapabilities": ["dig"] }]);
        let process = hub.process(&team, step).await;
        let work = goes.take().await;
        // What the connection of an operator does is what REST does.
        let operator = hub.person().await;
        let removed = operator.ask("agent:remove", json!({ "agentId": "goes" })).await.data;
        assert_eq!(removed["archived"], true);
        let mut stays = hub.agent("stays", &["dig"]).await;
        let again = stays.take().await;
        assert_eq!(again.offer["step"]["id"], work.offer["step"]["id"]);
        assert_eq!(again.offer["step"]["lostLeases"], 0);
        let log = hub.events(&process.room).await;
        let released: Vec<_> = log.iter().filter(|e| e["type"] == "assignment.released").collect();
        assert_eq!(released.len(), 1);
        assert_eq!(released[0]["data"]["reason"], "the agent was removed");
        stays.complete(&again, json!(1)).await;
        // Its keys are gone with it, and nothing is started for it any more.
        let named = json!({ "name": "More", "teamId": team, "steps": one_step("goes") });
        let refused = hub.admin.post("/processes", &named).await.refused(400, "invalid_request");
        assert_eq!(refused["errors"][0]["path"], "steps[0].assignedAgentId");
        let template = json!({ "name": "For whom", "steps": one_step("stays") });
        let template = text(&hub.admin.post("/templates", &template).await.expect(201), "/id");
        let start = json!({ "name": "More", "teamId": team, "templateId": template });
        let _ = hub.admin.post("/processes", &start).await.expect(201);
        let _ = hub.admin.delete("/agents/stays").await.expect(200);
        let refused = hub.admin.post("/processes", &start).await.refused(400, "invalid_request");
        assert_eq!(refused["errors"][0]["path"], "steps[0].assignedAgentId");
        let _ = hub.admin.delete("/agents/stays").await.refused(404, "not_found");
    }

    async fn all_that_is_wrong_with_a_configuration_is_named_by_its_path(database: Database) {
        let hub = Hub::start(database).await;
        let configuration = json!({
            "maxConcurrentTasks": "five", "handoffStrategy": "fair", "colour": 1,
            "timeoutSettings": { "leaseMs": -1, "taskTimeout": null },
            "escalationRules": [{ "id": "r", "condition": "true", "action": "shout" }],
        });
        let team = json!({ "name": "Team", "agents": [member("one")], "configuration": configuration });
        let refused = hub.admin.post("/teams", &team).await.refused(400, "invalid_request");
        let errors = refused["errors"].as_array().cloned().unwrap_or_default();
        let mut paths: Vec<_> = errors.iter().map(|e| text(e, "/path")).collect();
        paths.sort_unstable();
        let of = |name: &str| format!("configuration.{name}");
        let wrong = ["colour", "escalationRules[0].action", "handoffStrategy", "maxConcurrentTasks", "timeoutSettings.leaseMs"];
        assert_eq!(paths, wrong.map(of));
    }

    async fn what_is_not_kept_comes_in_a_whole_envelope_and_once_for_each_command_id(database: Database) {
        let hub = Hub::start(database).await;
        let room = text(&hub.admin.post("/collaboration/rooms", &json!({ "name": "Talk", "type": "workspace" })).await.expect(201), "/id");
        let mut listener = hub.person().await;
        let _ = listener.ask("room:join", json!({ "roomId": room })).await;
        let speaker = hub.person().await;
        let say = |name: &str| json!({ "roomId": room, "name": name, "data": 1, "ephemeral": true });
        let mut once = say("once");
        once["commandId"] = json!(uuid::Uuid::now_v7());
        for _ in 0..2 {
            let _ = speaker.ask("event:broadcast", once.clone()).await;
        }
        let _ = speaker.ask("event:broadcast", say("end")).await;
        let came = listener.event("custom.once").await;
        let _ = listener.event("custom.end").await;
        assert!(!listener.has_heard("custom.once"), "the same command has no second effect");
        assert_eq!((&came["roomId"], &came["type"], &came["data"]), (&json!(room), &json!("custom.once"), &json!(1)));
        assert_eq!((&came["workspaceId"], &came["channel"]), (&json!("default"), &json!("general")));
        assert_eq!(came["actor"]["id"], "admin");
        for name in ["id", "at"] {
            assert!(came[name].is_string(), "{came}");
        }
        assert!(came.get("seq").is_none());
    }

    async fn what_one_agent_tells_another_is_read_by_those_who_may_read_the_room(database: Database) {
        let hub = Hub::start(database).await;
        let mut one = hub.agent("one", &[]).await;
        let _two = hub.agent("two", &[]).await;
        let outside = hub.register("outside", &[]).await;
        let team = hub.team(&[member("one"), member("two")], json!({})).await;
        let process = hub.process(&team, one_step("one")).await;
        let work = one.take().await;
        let say = json!({ "processId": process.id, "toAgentId": "two", "message": "between us", "type": "update", "priority": "low" });
        let sent = one.ask("communication:send", say).await.data;
        let outside = Rest::new(&hub.server.url(), &outside);
        let rooms = outside.get("/collaboration/rooms").await.expect(200);
        assert_eq!(rooms["items"], json!([]), "it takes part in none");
        for path in [format!("/processes/{}/communications", process.id), format!("/communications/{}", text(&sent, "/id"))] {
            let _ = outside.get(&path).await.refused(403, "forbidden");
            let _ = hub.admin.get(&path).await.expect(200);
        }
        one.complete(&work, json!(1)).await;
    }

    async fn another_copy_of_an_agent_writes_nothing_for_the_one_that_holds_the_step(database: Database) {
        let hub = Hub::start(database).await;
        let key = hub.register("worker", &[]).await;
        let mut holder = hub.connect("worker", &key, "new").await;
        let _ = holder.ready("new").await;
        let _other = hub.agent("other", &[]).await;
        let team = hub.team(&[member("worker"), member("other")], json!({})).await;
        let process = hub.process(&team, one_step("worker")).await;
        let work = holder.take().await;

        let stale = hub.connect("worker", &key, "old").await;
        let handoff = json!({ "processId": process.id, "fromStepId": "only", "toAgentId": "other", "reason": "I think it is mine" });
        let _ = stale.refused("handoff:request", handoff.clone(), "stale_lease").await;
        let question = json!({ "processId": process.id, "stepId": "only", "type": "input", "description": "Which?", "mode": "suspend" });
        let _ = stale.refused("intervention:request", question, "stale_lease").await;
        // Whoever names its attempt says with which epoch.
        let attempt = work.payload(&json!({}));
        let unfenced = json!({ "attemptId": attempt["attemptId"], "toAgentId": "other", "reason": "no epoch" });
        let _ = holder.refused("handoff:request", unfenced, "invalid_request").await;
        holder.complete(&work, json!(1)).await;
    }
}
