//! A backup is taken under load; after it was restored clients start over, and work of the future that was lost is stale.

use serde_json::json;
use tests::hub::member;
use tests::load::Load;
use tests::{Agent, Database, Hub, SOON, array, check, number, on_both_databases};
use tokio::process::Command;
use tokio::time::{Duration, Instant, sleep};

async fn external(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().await;
    let done = done.expect("the program can be run");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program}: {said}");
}

async fn baton(hub: &Hub, arguments: &[&str]) {
    let done = hub.server.command(arguments).await;
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "baton {arguments:?}: {said}");
}

on_both_databases! {
    async fn what_was_backed_up_comes_back_and_what_came_after_is_known_to_be_lost(database: Database) {
        let url = database.url().to_owned();
        let sqlite = url.starts_with("sqlite:");
        let mut hub = Hub::start(database).await;
        let key = hub.register("ann", &["add"]).await;
        let mut ann = hub.connect("ann", &key, "ann-1").await;
        ann.ready("ann-1").await;
        let team = hub.team(&[member("ann")], json!({})).await;
        let step = json!([{ "key": "a", "name": "a", "description": "", "assignedAgentId": "ann" }]);

        let load = Load::start(&hub.server.url(), 2, 4, Duration::from_millis(10)).await;
        let deadline = Instant::now() + SOON;
        while load.acked() < 50 {
            assert!(Instant::now() < deadline, "nothing is acknowledged");
            sleep(Duration::from_millis(10)).await;
        }
        let safe = load.acked_since(std::time::Instant::now() - SOON);
        let file = hub.server.database.folder().join("backup");
        let file = file.to_str().expect("a plain path").to_owned();
        if sqlite {
            baton(&hub, &["backup", &file]).await;
        } else {
            external("pg_dump", &["--format=custom", "--file", &file, &url]).await;
        }
        let before = load.acked();
        while load.acked() < before + 50 {
            assert!(Instant::now() < deadline, "nothing is acknowledged");
            sleep(Duration::from_millis(10)).await;
        }
        // A future that will be lost: a process, and an agent at work on it.
        let process = hub.process(&team, step).await;
        let lost = ann.offer().await;
        ann.ask("attempt:accept", lost.payload(&json!({}))).await;
        let room = load.rooms[0].clone();
        let person = hub.person().await;
        let joined = person.ask("room:join", json!({ "roomId": room, "since": 0 })).await.data;
        drop(load);

        hub.server.stop().await;
        if sqlite {
            baton(&hub, &["restore", &file]).await;
        } else {
            external("pg_restore", &["--clean", "--if-exists", "--dbname", &url, &file]).await;
            baton(&hub, &["restore", "--new-log"]).await;
        }
        hub.server.launch();
        hub.server.ready().await;
        check::verify(&hub).await;

        for acked in safe {
            let events = hub.events(&acked.room).await;
            let index = usize::try_from(acked.seq - 1).expect("a small number");
            assert_eq!(events[index]["data"]["id"], acked.id, "acknowledged before the backup");
        }
        // Whoever knew the old log starts over, wherever it stood.
        let person = hub.person().await;
        let again = json!({ "roomId": room, "since": 1, "logId": joined["logId"] });
        let again = person.ask("room:join", again).await.data;
        assert_eq!(again["reset"], true);
        assert!(array(&again, "/events").is_empty());
        assert!(number(&again, "/head") < number(&joined, "/head"));
        // The log keeps its new life when the room changes.
        let guest = json!({ "type": "human", "id": "guest", "role": "observer" });
        let path = format!("/collaboration/rooms/{room}/participants");
        let _ = hub.admin.post(&path, &guest).await.expect(201);
        let since = json!({ "roomId": room, "since": again["head"], "logId": again["logId"] });
        let after = person.ask("room:join", since).await.data;
        assert_eq!((&after["reset"], &after["logId"]), (&json!(false), &again["logId"]));

        let ann: Agent = hub.connect("ann", &key, "ann-1").await;
        ann.ready("ann-1").await;
        let outputs = lost.payload(&json!({ "outputs": {} }));
        ann.refused("attempt:complete", outputs, "stale_lease").await;
        let gone = hub.admin.get(&format!("/processes/{}", process.id)).await;
        assert_eq!(gone.status, 404);
        // An attempt that never was is another matter.
        let never = json!({ "attemptId": uuid::Uuid::now_v7(), "epoch": 1, "outputs": {} });
        ann.refused("attempt:complete", never, "not_found").await;
    }
}
