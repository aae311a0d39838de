//! The ten scenarios that Baton is there for, each against the real binary, on both databases.

use serde_json::{Value, json};
use tests::hub::{member, step};
use tests::{Database, Hub, array, check, number, on_both_databases, text};

on_both_databases! {
    async fn a_team_of_three_roles_is_kept_in_order(database: Database) {
        let hub = Hub::start(database).await;
        for agent in ["lead", "analyst", "scribe"] {
            hub.register(agent, &[]).await;
        }
        let team = json!({
            "name": "Research desk", "description": "Answers questions",
            "agents": [
                { "agentId": "lead", "role": "leader", "specialization": "planning" },
                { "agentId": "analyst", "role": "specialist", "specialization": "figures", "capabilities": ["sql"] },
                { "agentId": "scribe", "role": "support", "specialization": "writing", "priority": 7 },
            ],
            "configuration": { "maxConcurrentTasks": 2, "timeoutSettings": { "leaseMs": 20000 } },
        });
        let created = hub.admin.post("/teams", &team).await;
        let location = created.headers["location"].to_str().unwrap().to_owned();
        let created = created.expect(201);
        assert!(location.ends_with(&text(&created, "/id")), "{location}");

        let read = hub.admin.get(&format!("/teams/{}", text(&created, "/id"))).await.expect(200);
        assert_eq!(read, created);
        let members: Vec<(String, String, u64)> = array(&read, "/agents")
            .iter()
            .map(|member| (text(member, "/agentId"), text(member, "/role"), number(member, "/priority")))
            .collect();
        let expected = [("lead", "leader", 1), ("analyst", "specialist", 2), ("scribe", "support", 7)];
        assert_eq!(members, expected.map(|(id, role, priority)| (id.to_owned(), role.to_owned(), priority)));
        assert_eq!(text(&read, "/status"), "active");
        assert_eq!(text(&read, "/workspaceId"), "default");
        // What was given replaces the defaults, leaf by leaf.
        assert_eq!(number(&read, "/configuration/maxConcurrentTasks"), 2);
        assert_eq!(number(&read, "/configuration/timeoutSettings/leaseMs"), 20_000);
        assert_eq!(number(&read, "/configuration/timeoutSettings/offerMs"), 10_000);
        assert_eq!(text(&read, "/configuration/handoffStrategy"), "sequential");
    }

    async fn three_steps_by_two_agents_complete_in_order(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let mut bob = hub.agent("bob", &[]).await;
        let team = hub.team(&[member("ada"), member("bob")], json!({})).await;
        let process = hub
            .process(&team, json!([
                { "key": "collect", "name": "Collect", "description": "", "assignedAgentId": "ada" },
                { "key": "weigh", "name": "Weigh", "description": "", "assignedAgentId": "bob", "dependencies": ["collect"],
                  "inputs": { "count": { "$from": "sharedData.steps.collect.count" } } },
                { "key": "report", "name": "Report", "description": "", "assignedAgentId": "ada", "dependencies": ["weigh"] },
            ]))
            .await;

        let collect = ada.take().await;
        ada.complete(&collect, json!({ "count": 3 })).await;
        let weigh = bob.take().await;
        assert_eq!(number(&weigh.offer, "/step/inputs/count"), 3);
        bob.complete(&weigh, json!({ "weight": 1.5 })).await;
        let report = ada.take().await;
        ada.complete(&report, json!({ "text": "done" })).await;

        let ended = hub.ends(&process, "completed").await;
        assert_eq!(number(&ended, "/totalSteps"), 3);
        assert_eq!(
            ended["context"]["sharedData"]["steps"],
            json!({ "collect": { "count": 3 }, "weigh": { "weight": 1.5 }, "report": { "text": "done" } })
        );
        for key in ["collect", "weigh", "report"] {
            assert_eq!(text(step(&ended, key), "/status"), "completed");
        }
        let events = hub.events(&process.room).await;
        check::contiguous(&events);
        let completed: Vec<String> = events
            .iter()
            .filter(|event| event["type"] == "step.completed")
            .map(|event| text(event, "/stepId"))
            .collect();
        assert_eq!(completed, ["collect", "weigh", "report"].map(|key| process.step(key)));
        assert_eq!(check::kinds(&events, "process."), ["process.created", "process.started", "process.completed"]);
        check::verify(&hub).await;
    }

    async fn a_handoff_preserves_the_context_exactly(database: Database) {
        let hub = Hub::start(database).await;
        let mut first = hub.agent("first", &[]).await;
        let mut second = hub.agent("second", &[]).await;
        let team = hub.team(&[member("first"), member("second")], json!({})).await;
        let process = hub
            .process(&team, json!([{ "key": "write", "name": "Write", "description": "", "assignedAgentId": "first" }]))
            .await;
        let held = first.take().await;
        let context = json!({
            "goal": "Ένα γράμμα 🎼",
            "summary": "Half is written.\n\ttabs, \"quotes\", \\ and \u{2028}",
            "conversationHistory": [{ "role": "user", "content": "please" }, { "role": "agent", "content": "" }],
            "taskContext": { "nested": { "list": [1, 2.5, -0.001, 1e21, null, true, {}, []] }, "big": 9_007_199_254_740_993_u64 },
            "decisions": ["formal"], "recommendations": ["short"],
            "artifacts": [{ "name": "draft.md", "content": "# Draft" }],
            "metadata": { "z": 1, "a": 2 },
        });
        let asked = first
            .ask("handoff:request", held.payload(&json!({
                "toAgentId": "second", "reason": "You write better", "priority": "high", "context": context,
            })))
            .await;
        assert_eq!(text(&asked.data, "/handoff/status"), "pending");
        let handoff = text(&asked.data, "/handoff/id");

        let told = second.event("work.handoff_requested").await;
        assert_eq!(text(&told, "/handoff/id"), handoff);
        let taken = second.ask("handoff:accept", json!({ "handoffId": handoff })).await.data;
        for (field, given) in context.as_object().unwrap() {
            assert_eq!(&taken["context"][field], given, "{field} as the receiver gets it");
        }
        assert!(!text(&taken, "/context/hash").is_empty());
        assert_eq!(text(&taken, "/step/key"), "write");
        let stored = hub.admin.get(&format!("/handoffs/{handoff}")).await.expect(200);
        assert_eq!(stored["context"], taken["context"]);

        // The lease went over: the sender's last write is refused and says who holds the step now.
        let resolved = first.event("work.handoff_resolved").await;
        assert_eq!(text(&resolved, "/handoff/status"), "accepted");
        let late = held.payload(&json!({ "outputs": { "by": "first" } }));
        let problem = first.refused("attempt:complete", late, "stale_lease").await;
        assert!(problem["context"]["holder"].to_string().contains("second"), "{problem:#}");

        let work = tests::Work::from_offer(taken);
        assert!(work.epoch > held.epoch);
        second.complete(&work, json!({ "by": "second" })).await;
        let ended = hub.ends(&process, "completed").await;
        assert_eq!(ended["context"]["sharedData"]["steps"]["write"], json!({ "by": "second" }));
        assert_eq!(number(&ended, "/metrics/handoffCount"), 1);
        hub.until(&format!("/handoffs/{handoff}"), |handoff| handoff["status"] == "completed").await;
        check::verify(&hub).await;
    }

    async fn an_agent_asks_another_and_gets_its_response(database: Database) {
        let hub = Hub::start(database).await;
        let mut asker = hub.agent("asker", &[]).await;
        let mut expert = hub.agent("expert", &[]).await;
        let team = hub.team(&[member("asker"), member("expert")], json!({})).await;
        let process = hub
            .process(&team, json!([{ "key": "ask", "name": "Ask", "description": "", "assignedAgentId": "asker" }]))
            .await;
        let work = asker.take().await;
        asker
            .ask("communication:send", json!({
                "processId": process.id, "toAgentId": "expert", "message": "How many?", "type": "question",
                "priority": "high", "metadata": { "unit": "pieces" }, "responseTimeoutMs": 60000,
            }))
            .await;
        let told = expert.event("work.message").await;
        assert_eq!(text(&told, "/communication/message"), "How many?");
        assert_eq!(text(&told, "/communication/fromAgentId"), "asker");
        assert_eq!(told["communication"]["metadata"], json!({ "unit": "pieces" }));
        let id = text(&told, "/communication/id");
        expert.ask("communication:respond", json!({ "communicationId": id, "message": "Twelve" })).await;

        let path = format!("/processes/{}/communications", process.id);
        let list = hub.until(&path, |list| list["items"][0]["response"].is_object()).await;
        assert_eq!(array(&list, "/items").len(), 1);
        assert_eq!(text(&list, "/items/0/response/message"), "Twelve");
        assert_eq!(text(&list, "/items/0/type"), "question");
        // The room saw both, in this order.
        let events = hub.events(&process.room).await;
        assert_eq!(check::kinds(&events, "communication."), ["communication.sent", "communication.responded"]);
        // Somebody else may not answer for the expert.
        let again = json!({ "communicationId": id, "message": "Thirteen" });
        assert!(asker.client.command("communication:respond", again).await.is_err());
        asker.complete(&work, json!({})).await;
        hub.ends(&process, "completed").await;
        check::verify(&hub).await;
    }

    async fn an_approval_is_requested_and_approved(database: Database) {
        let hub = Hub::start(database).await;
        let mut agent = hub.agent("writer", &[]).await;
        let team = hub.team(&[member("writer")], json!({})).await;
        let process = hub
            .process(&team, json!([{ "key": "publish", "name": "Publish", "description": "", "assignedAgentId": "writer" }]))
            .await;
        let work = agent.take().await;
        let question = json!({
            "type": "approval", "description": "May this go out?", "subject": { "text": "Hello" },
            "priority": "high", "mode": "hold",
        });
        let asked = agent.request(&work, &question).await;
        assert_eq!(text(&asked, "/status"), "pending");
        // The same question again is the same question.
        assert_eq!(text(&agent.request(&work, &question).await, "/id"), text(&asked, "/id"));

        let open = hub.open_intervention(&process).await;
        assert_eq!(text(&open, "/id"), text(&asked, "/id"));
        let waiting = hub.read(&process).await;
        assert_eq!(text(&waiting, "/status"), "running", "waiting for a person is no pause");
        assert_eq!(array(&waiting, "/waitingOn").len(), 1);
        assert_eq!(text(step(&waiting, "publish"), "/phase"), "awaiting_input");

        let decided = hub.answer(&open, &json!({ "action": "approve", "comments": "Go" })).await;
        assert_eq!(text(&decided, "/status"), "completed");
        assert_eq!(text(&decided, "/outcome"), "approved");
        let told = agent.event("work.answered").await;
        assert_eq!(text(&told, "/response/action"), "approve");
        assert_eq!(text(&told, "/response/comments"), "Go");
        assert!(text(&told, "/response/providedBy").contains("admin"));
        agent.complete(&work, json!({ "published": true })).await;
        let ended = hub.ends(&process, "completed").await;
        assert_eq!(number(&ended, "/metrics/humanInterventionCount"), 1);
        assert!(array(&ended, "/waitingOn").is_empty());
        check::verify(&hub).await;
    }

    async fn a_decision_is_pending_and_then_chosen(database: Database) {
        let hub = Hub::start(database).await;
        let mut agent = hub.agent("planner", &[]).await;
        let team = hub.team(&[member("planner")], json!({})).await;
        let process = hub
            .process(&team, json!([{ "key": "route", "name": "Route", "description": "", "assignedAgentId": "planner" }]))
            .await;
        let work = agent.take().await;
        let asked = agent
            .request(&work, &json!({
                "type": "decision", "description": "Which way?", "mode": "hold",
                "options": [{ "id": "sea", "label": "By sea" }, { "id": "air", "label": "By air" }],
            }))
            .await;
        let inbox = hub.admin.get("/interventions?status=pending&type=decision").await.expect(200);
        assert_eq!(array(&inbox, "/items").len(), 1);
        assert_eq!(text(&inbox, "/items/0/id"), text(&asked, "/id"));
        assert_eq!(text(&inbox, "/items/0/options/1/id"), "air");
        assert!(inbox["items"][0].get("response").is_none_or(Value::is_null));

        let path = format!("/interventions/{}", text(&asked, "/id"));
        let wrong = hub.admin.put(&path, &json!({ "action": "choose", "choice": "train" })).await;
        assert!([400, 422].contains(&wrong.status), "{:#}", wrong.body);
        let decided = hub.answer(&asked, &json!({ "action": "choose", "choice": "air" })).await;
        assert_eq!(text(&decided, "/outcome"), "chosen");
        assert_eq!(text(&agent.event("work.answered").await, "/response/choice"), "air");
        agent.complete(&work, json!({ "route": "air" })).await;
        hub.ends(&process, "completed").await;
        let inbox = hub.admin.get("/interventions?status=pending").await.expect(200);
        assert!(array(&inbox, "/items").is_empty());
        check::verify(&hub).await;
    }

    async fn four_steps_follow_their_step_n_dependencies(database: Database) {
        let hub = Hub::start(database).await;
        let mut agent = hub.agent("solo", &[]).await;
        let team = hub.team(&[member("solo")], json!({})).await;
        let named = |name: &str, after: &[&str]| {
            json!({ "name": name, "description": "", "assignedAgentId": "solo", "dependencies": after })
        };
        let process = hub
            .process(&team, json!([
                named("Start", &[]),
                named("Left", &["step_1"]),
                named("Right", &["step_1"]),
                named("Join", &["step_2", "step_3"]),
            ]))
            .await;
        let keys: Vec<String> = array(&process.body, "/steps").iter().map(|step| text(step, "/key")).collect();
        assert_eq!(keys, ["step_1", "step_2", "step_3", "step_4"]);
        let mut order = Vec::new();
        for _ in 0..4 {
            let work = agent.take().await;
            order.push(work.step());
            agent.complete(&work, json!({})).await;
        }
        assert_eq!(order[0], "step_1");
        assert_eq!(order[3], "step_4");
        assert!(order.contains(&"step_2".to_owned()) && order.contains(&"step_3".to_owned()), "{order:?}");
        hub.ends(&process, "completed").await;
        check::verify(&hub).await;
    }

    async fn metrics_have_their_shape(database: Database) {
        let hub = Hub::start(database).await;
        let mut agent = hub.agent("counter", &[]).await;
        let team = hub.team(&[member("counter")], json!({})).await;
        let process = hub
            .process(&team, json!([
                { "key": "one", "name": "One", "description": "", "assignedAgentId": "counter", "backoffMs": 10 },
                { "key": "two", "name": "Two", "description": "", "assignedAgentId": "counter", "dependencies": ["one"] },
            ]))
            .await;
        let work = agent.take().await;
        agent.fail(&work, "once").await;
        for _ in 0..2 {
            let work = agent.take().await;
            agent.complete(&work, json!({})).await;
        }
        let ended = hub.ends(&process, "completed").await;
        let metrics = &ended["metrics"];
        assert_eq!(number(metrics, "/errorCount"), 1);
        assert_eq!(number(metrics, "/retryCount"), 1);
        assert_eq!(number(metrics, "/handoffCount"), 0);
        assert_eq!(number(metrics, "/humanInterventionCount"), 0);
        assert!(metrics["duration"].is_number() && metrics["startTime"].is_string() && metrics["endTime"].is_string());
        let times = metrics["stepCompletionTimes"].as_object().unwrap();
        assert_eq!(times.len(), 2, "{metrics:#}");
        assert!(metrics["agentUtilization"].is_object());

        let monitoring = hub.admin.get(&format!("/processes/{}/metrics", process.id)).await.expect(200);
        assert_eq!(text(&monitoring, "/processId"), process.id);
        assert_eq!(text(&monitoring, "/teamId"), team);
        assert_eq!(text(&monitoring, "/workspaceId"), "default");
        let expected = [("successRate", 100.0), ("errorRate", 0.0), ("handoffEfficiency", 100.0), ("humanInterventionRate", 0.0)];
        for (rate, value) in expected {
            assert_eq!(monitoring["performance"][rate].as_f64(), Some(value), "{rate} in {monitoring:#}");
        }
        assert!(monitoring["performance"]["averageStepDuration"].is_number());
        let work = &monitoring["agentUtilization"]["counter"];
        assert_eq!(number(work, "/taskCount"), 3, "attempts, {monitoring:#}");
        assert_eq!(number(work, "/successCount"), 2);
        assert_eq!(number(work, "/errorCount"), 1);
        assert!(work["averageCompletionTime"].is_number());
        assert!(monitoring["alerts"].is_array() && monitoring["recommendations"].is_array());
        assert!(monitoring["timestamp"].is_string());
    }

    async fn a_failure_is_retried_and_the_last_one_escalates(database: Database) {
        let hub = Hub::start(database).await;
        let mut agent = hub.agent("flaky", &[]).await;
        let team = hub.team(&[member("flaky")], json!({})).await;
        let process = hub
            .process(&team, json!([{
                "key": "fetch", "name": "Fetch", "description": "", "assignedAgentId": "flaky",
                "maxAttempts": 2, "backoffMs": 10,
                "conditions": [{ "type": "failure", "condition": "true", "action": "escalate" }],
            }]))
            .await;
        for message in ["first", "second"] {
            let work = agent.take().await;
            agent.fail(&work, message).await;
        }
        let escalation = hub.open_intervention(&process).await;
        let events = hub.events(&process.room).await;
        assert_eq!(check::count(&events, "assignment.offered"), 2, "one failure was retried by itself, and no more");
        assert_eq!(text(&escalation, "/type"), "escalation");
        assert_eq!(text(&escalation, "/stepId"), process.step("fetch"));
        let options: Vec<String> = array(&escalation, "/options").iter().map(|option| text(option, "/id")).collect();
        for wanted in ["retry", "skip", "fail"] {
            assert!(options.iter().any(|option| option == wanted), "{options:?}");
        }
        assert_eq!(text(&hub.read(&process).await, "/status"), "running");

        hub.answer(&escalation, &json!({ "action": "choose", "choice": "retry" })).await;
        let work = agent.take().await;
        agent.complete(&work, json!({ "fetched": true })).await;
        let ended = hub.ends(&process, "completed").await;
        assert_eq!(number(&ended, "/metrics/errorCount"), 2);
        let events = hub.events(&process.room).await;
        assert_eq!(check::count(&events, "step.completed"), 1);
        check::verify(&hub).await;
    }

    async fn three_agents_and_a_human_go_from_end_to_end(database: Database) {
        let hub = Hub::start(database).await;
        let mut agents = [
            hub.agent("researcher", &["research"]).await,
            hub.agent("author", &["write"]).await,
            hub.agent("printer", &["print"]).await,
        ];
        let team = hub.team(&[member("researcher"), member("author"), member("printer")], json!({})).await;
        let mut person = hub.person().await;
        let process = hub
            .process(&team, json!([
                { "key": "facts", "name": "Facts", "description": "", "requiredCapabilities": ["research"] },
                { "key": "text", "name": "Text", "description": "", "requiredCapabilities": ["write"], "dependencies": ["facts"] },
                { "key": "print", "name": "Print", "description": "", "requiredCapabilities": ["print"], "dependencies": ["text"] },
            ]))
            .await;
        let joined = person.ask("room:join", json!({ "roomId": process.room, "since": 0 })).await.data;
        assert_eq!(text(&joined, "/room/name"), "Process: Test process");
        let participants = array(&joined, "/participants");
        assert_eq!(participants.len(), 4, "{joined:#}");
        let kinds: Vec<&Value> = participants.iter().map(|one| &one["type"]).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "agent").count(), 3);
        assert_eq!(kinds.iter().filter(|kind| **kind == "human").count(), 1);

        let facts = agents[0].take().await;
        agents[0].ask("message:send", json!({ "roomId": process.room, "body": "Three sources found" })).await;
        let seen = person.event("message.posted").await;
        assert_eq!(text(&seen, "/data/body"), "Three sources found");
        assert_eq!(text(&seen, "/actor/id"), "researcher");
        agents[0].complete(&facts, json!({ "sources": 3 })).await;

        let draft = agents[1].take().await;
        let asked = agents[1]
            .request(&draft, &json!({ "type": "approval", "description": "Print it?", "subject": "A text", "mode": "hold" }))
            .await;
        let shown = person.event("intervention.requested").await;
        assert_eq!(text(&shown, "/data/id"), text(&asked, "/id"));
        person
            .ask("intervention:respond", json!({
                "interventionId": text(&asked, "/id"), "action": "modify", "modifications": "A better text",
            }))
            .await;
        let told = agents[1].event("work.answered").await;
        assert_eq!(text(&told, "/response/action"), "modify");
        assert_eq!(text(&told, "/response/modifications"), "A better text");
        agents[1].complete(&draft, json!({ "text": "A better text" })).await;

        let print = agents[2].take().await;
        agents[2].complete(&print, json!({ "pages": 1 })).await;
        person.event("process.completed").await;
        let ended = hub.ends(&process, "completed").await;
        assert_eq!(text(&ended, "/context/sharedData/steps/text/text"), "A better text");
        check::contiguous(&hub.events(&process.room).await);
        check::verify(&hub).await;
    }
}
