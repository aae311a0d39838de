//! Templates, sub-processes and forks, against the real binary on both databases.

use serde_json::{Value, json};
use tests::hub::{member, step};
use tests::{Database, Hub, array, check, number, on_both_databases, text};

fn greeting() -> Value {
    json!({
        "name": "Greeting",
        "description": "Says hello",
        "inputs": { "type": "object", "required": ["who"], "properties": { "who": { "type": "string" } } },
        "steps": [{ "key": "greet", "name": "Greet", "inputs": { "text": { "$from": "'Hello ' + variables.who" } } }],
    })
}

on_both_databases! {
    async fn a_process_starts_from_a_version_of_a_template(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let created = hub.admin.post("/templates", &greeting()).await;
        let location = created.headers["location"].to_str().unwrap().to_owned();
        let one = created.expect(201);
        let id = text(&one, "/id");
        assert!(location.ends_with(&id), "{location}");
        assert_eq!(number(&one, "/version"), 1);

        let mut next = greeting();
        next["id"] = json!(id);
        next["name"] = json!("Greeting, anew");
        let two = hub.admin.post("/templates", &next).await.expect(201);
        assert_eq!(number(&two, "/version"), 2);
        let list = hub.admin.get("/templates").await.expect(200);
        assert_eq!(array(&list, "/items").len(), 1);
        assert_eq!(list["items"][0], two);
        assert_eq!(hub.admin.get(&format!("/templates/{id}")).await.expect(200), two);
        assert_eq!(hub.admin.get(&format!("/templates/{id}?version=1")).await.expect(200), one);
        let _ = hub.admin.get(&format!("/templates/{id}?version=9")).await.expect(404);

        let wrong = json!({ "templateId": id, "teamId": team, "inputs": { "who": 7 } });
        let problem = hub.admin.post("/processes", &wrong).await.expect(400);
        assert_eq!(text(&problem, "/errors/0/path"), "inputs.who");
        let right = json!({ "templateId": id, "templateVersion": 1, "teamId": team, "inputs": { "who": "World" } });
        let process = hub.process_with(right).await;
        assert_eq!(text(&process.body, "/name"), "Greeting");
        assert_eq!(process.body["template"], json!({ "id": id, "version": 1 }));
        let work = ada.take().await;
        assert_eq!(text(&work.offer, "/step/inputs/text"), "Hello World");
        ada.complete(&work, json!({})).await;
        hub.ends(&process, "completed").await;
    }

    async fn a_step_is_done_by_a_process_of_its_own(database: Database) {
        let mut hub = Hub::start(database).await;
        let key = hub.register("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let template = hub.admin.post("/templates", &greeting()).await.expect(201);
        let process = hub
            .process(&team, json!([
                { "key": "sub", "name": "Sub", "process": { "templateId": template["id"] }, "inputs": { "who": "you" } },
                { "key": "after", "name": "After", "dependencies": ["sub"], "inputs": { "got": { "$from": "sharedData.steps.sub.greet.said" } } },
            ]))
            .await;
        // Whatever was on its way between the two rooms survives.
        hub.server.crash().await;
        let mut ada = hub.connect("ada", &key, "ada-1").await;
        ada.ready("ada-1").await;
        let greet = ada.take().await;
        assert_eq!(greet.step(), "greet");
        ada.complete(&greet, json!({ "said": "hello" })).await;
        let after = ada.take().await;
        assert_eq!(text(&after.offer, "/step/inputs/got"), "hello");
        ada.complete(&after, json!({})).await;
        let ended = hub.ends(&process, "completed").await;
        assert_eq!(step(&ended, "sub")["outputs"], json!({ "greet": { "said": "hello" } }));
        let child = hub.admin.get(&format!("/processes/{}", text(step(&ended, "sub"), "/childProcessId"))).await.expect(200);
        assert_eq!(text(&child, "/status"), "completed");
        assert_eq!(text(&child, "/parent/processId"), process.id);
        let list = hub.admin.get("/processes").await.expect(200);
        assert_eq!(array(&list, "/items").len(), 2, "it was started once");
    }

    async fn a_child_is_cancelled_with_its_parent(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let template = hub.admin.post("/templates", &greeting()).await.expect(201);
        let sub = json!([{ "key": "sub", "name": "Sub", "process": { "templateId": template["id"] }, "inputs": { "who": "you" } }]);
        let process = hub.process(&team, sub).await;
        let greet = ada.take().await;
        let _ = hub.admin.delete(&format!("/processes/{}", process.id)).await.expect(200);
        let cancelled = ada.event("work.cancelled").await;
        assert_eq!(text(&cancelled, "/attemptId"), greet.attempt_id);
        let child = text(step(&hub.read(&process).await, "sub"), "/childProcessId");
        hub.until(&format!("/processes/{child}"), |child| child["status"] == "cancelled").await;
    }

    async fn a_process_is_forked_from_a_past_event(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let process = hub
            .process(&team, json!([
                { "key": "a", "name": "A" },
                { "key": "b", "name": "B", "dependencies": ["a"], "inputs": { "n": { "$from": "sharedData.steps.a.n" } } },
            ]))
            .await;
        let a = ada.take().await;
        ada.complete(&a, json!({ "n": 7 })).await;
        let b = ada.take().await;
        ada.complete(&b, json!({ "n": 8 })).await;
        hub.ends(&process, "completed").await;
        let events = hub.events(&process.room).await;
        let after = events.iter().find(|e| e["type"] == "step.completed").map(|e| number(e, "/seq")).unwrap();

        let path = format!("/processes/{}/fork", process.id);
        let forked = hub.admin.post(&path, &json!({ "seq": after, "name": "Once more" })).await.expect(201);
        assert_eq!(forked["forkedFrom"], json!({ "processId": process.id, "seq": after }));
        assert_eq!(text(step(&forked, "a"), "/status"), "completed");
        let again = ada.take().await;
        assert_eq!(again.step(), "b");
        assert_eq!(number(&again.offer, "/step/inputs/n"), 7);
        ada.complete(&again, json!({ "n": 80 })).await;
        let ended = hub.until(&format!("/processes/{}", text(&forked, "/id")), |p| p["status"] == "completed").await;
        assert_eq!(ended["context"]["sharedData"]["steps"]["b"], json!({ "n": 80 }));
        check::contiguous(&hub.events(&text(&forked, "/roomId")).await);
        let _ = hub.admin.post(&path, &json!({ "seq": 9_999 })).await.expect(400);
        let _ = hub.admin.post(&path, &json!({ "fromStep": "none" })).await.expect(400);
    }
}
