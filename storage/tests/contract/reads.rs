//! Reads: lists, single resources, logs, and what the dispatcher looks for.

use rooms::id::{RoomId, TeamId};
use rooms::{Command, Timestamp};
use serde_json::{Value as Json, json};
use simulation::Random;
use storage::Store;
use storage::db::Value;
use storage::list::Filter;
use storage::read::Thing;
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{Clerk, agent, body, person};

fn ids(items: &[Json]) -> Vec<&str> {
    items.iter().map(|i| i["id"].as_str().unwrap()).collect()
}

fn names(items: &[Json]) -> Vec<&str> {
    items.iter().map(|i| i["name"].as_str().unwrap()).collect()
}

/// A question's id, process, type, status, when it is due, and whose inboxes it is in.
type Question = (
    Uuid,
    Uuid,
    &'static str,
    &'static str,
    Option<i64>,
    Vec<&'static str>,
);

fn page(limit: u64) -> Filter {
    Filter {
        limit,
        ..Filter::default()
    }
}

fn uuid(text: &Json) -> Uuid {
    text.as_str().unwrap().parse().unwrap()
}

/// Two agents, a team, and a process whose step `a` is held by ann.
async fn at_work(store: &Store) -> (Clerk, TeamId, RoomId, (Uuid, u64)) {
    let mut clerk = Clerk::open(store, "one").await;
    clerk.register("ann", &[], 5).await;
    clerk.register("ben", &[], 5).await;
    let team = clerk.team("Team", &["ann", "ben"]).await;
    let steps =
        json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B", "dependencies": ["a"]}]);
    let room = clerk.process("Process", team, steps, json!({})).await;
    let attempt = clerk.claim(room, "a", "ann").await;
    (clerk, team, room, attempt)
}

async fn hand_over(clerk: &mut Clerk, room: RoomId, attempt: (Uuid, u64), to: Json) -> Json {
    let mut ask = json!({"epoch": attempt.1, "reason": "yours"});
    let field = if to.is_array() {
        "toAgentIds"
    } else {
        "toAgentId"
    };
    ask[field] = to;
    let command = Command::RequestHandoff {
        attempt_id: Some(attempt.0.into()),
        handoff: Box::new(body(ask)),
    };
    clerk
        .run(&agent("one", "ann"), room, command)
        .await
        .unwrap()["handoff"]
        .clone()
}

on_both! {
    async fn a_thing_is_found_in_its_workspace_only(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, team, room, attempt) = at_work(&store).await;
        Clerk::open(&store, "two").await;
        let asked = clerk.ask(room, "ann", attempt, json!({"type": "input", "description": "?"})).await;
        let handoff = hand_over(&mut clerk, room, attempt, json!("ben")).await;
        let send = Command::SendCommunication(body(json!({"toAgentId": "ben", "message": "hi", "type": "question"})));
        let sent = clerk.run(&agent("one", "ann"), room, send).await.unwrap();
        let things = [
            (Thing::Room, room.0, room), (Thing::Process, room.0, room), (Thing::Team, team.0, RoomId(team.0)),
            (Thing::Intervention, uuid(&asked["id"]), room), (Thing::Handoff, uuid(&handoff["id"]), room),
            (Thing::Communication, uuid(&sent["id"]), room), (Thing::Attempt, attempt.0, room),
        ];
        for (thing, id, home) in things {
            assert_eq!(store.room_of(thing, &"one".into(), id).await.unwrap(), Some(home), "{}", thing.name());
            let found = store.get(thing, &"one".into(), id).await.unwrap();
            assert_eq!(found.unwrap()["id"], json!(id), "{}", thing.name());
            for (space, id) in [("two", id), ("one", Uuid::now_v7())] {
                assert_eq!(store.room_of(thing, &space.into(), id).await.unwrap(), None, "{}", thing.name());
                assert_eq!(store.get(thing, &space.into(), id).await.unwrap(), None, "{}", thing.name());
            }
        }
        clerk.verified().await;
    }

    async fn a_page_of_a_list_ends_where_it_has_enough_bytes_and_the_next_goes_on(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let team = clerk.team("Large", &["ann"]).await;
        let text = |bytes: usize| "x".repeat(bytes);
        // Large by what they carry, and large by their steps: four of each are more than a page.
        let step = |n: usize| json!({"key": format!("s{n}"), "name": "S", "inputs": {"text": text(250_000)}});
        let large: Vec<_> = (0..11).map(step).collect();
        let mut made = Vec::new();
        for n in 0..8 {
            let (steps, more) = if n % 2 == 0 {
                (json!([{"key": "a", "name": "A"}]), json!({"context": {"sharedData": {"text": text(1_000_000)}, "variables": {"text": text(1_000_000)}}}))
            } else {
                (json!(large), json!({}))
            };
            made.push(clerk.process(&format!("P{n}"), team, steps, more).await);
        }
        made.reverse();
        let space = "one".into();
        for limit in [50, 3] {
            let (mut paged, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let part = store.list(Thing::Process, &space, &Filter { after, ..page(limit) }).await.unwrap();
                let size: usize = part.iter().map(|item| item.to_string().len()).sum();
                assert!(size < 14 << 20, "{size} bytes on a page");
                let more = part.cut || part.len() as u64 == limit;
                let Some(last) = part.last() else { break };
                after = Some(uuid(&last["id"]));
                for item in part.iter() {
                    let steps = item["steps"].as_array().unwrap().len();
                    assert!(steps == 1 || steps == large.len(), "{steps} of the steps");
                }
                paged.extend(part.items);
                pages += 1;
                if !more {
                    break;
                }
            }
            assert_eq!(ids(&paged), made.iter().map(|room| room.0.to_string()).collect::<Vec<_>>());
            assert!(pages > 1, "{pages} pages");
        }
    }

    async fn lists_are_filtered_and_paged_newest_first(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let plain = clerk.team("Plain", &["ann"]).await;
        let other = clerk.team("100%_done", &["ann"]).await;
        let steps = json!([{"key": "a", "name": "A"}]);
        let mut made = Vec::new();
        for (name, team) in [("Alpha", plain), ("beta ALPHA", other), ("50% off", plain), ("a_b", plain), ("aXb", plain)] {
            made.push(clerk.process(name, team, steps.clone(), json!({})).await);
        }
        let stop = Command::CancelProcess(body(json!({"reason": "enough"})));
        clerk.run(&person("one", "admin"), made[0], stop).await.unwrap();
        let space = "one".into();
        let all = store.list(Thing::Process, &space, &page(50)).await.unwrap();
        assert_eq!(names(&all), ["aXb", "a_b", "50% off", "beta ALPHA", "Alpha"]);
        assert_eq!(all[4]["steps"][0]["key"], "a", "with its steps");
        // Page by page it is the same list.
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let part = store.list(Thing::Process, &space, &Filter { after, ..page(2) }).await.unwrap();
            let Some(last) = part.last() else { break };
            after = Some(uuid(&last["id"]));
            paged.extend(part.items);
        }
        assert_eq!(ids(&paged), ids(&all));
        let by = |column, value: Value| Filter { equals: vec![(column, value)], ..page(50) };
        let cancelled = store.list(Thing::Process, &space, &by("status", "cancelled".into())).await.unwrap();
        assert_eq!(names(&cancelled), ["Alpha"]);
        let of_team = store.list(Thing::Process, &space, &by("team_id", other.0.into())).await.unwrap();
        assert_eq!(names(&of_team), ["beta ALPHA"]);
        let mut both = by("status", "running".into());
        both.equals.push(("team_id", plain.0.into()));
        assert_eq!(store.list(Thing::Process, &space, &both).await.unwrap().len(), 3);
        // A search takes its text as it is, whatever the case.
        for (text, found) in [("alpha", 2), ("ALPHA", 2), ("%", 1), ("a_b", 1), ("nothing", 0), ("\\", 0), ("'", 0)] {
            let search = Filter { search: Some(text.to_owned()), ..page(50) };
            assert_eq!(store.list(Thing::Process, &space, &search).await.unwrap().len(), found, "{text:?}");
        }
        let teams = store.list(Thing::Team, &space, &Filter { search: Some("%_D".to_owned()), ..page(50) }).await.unwrap();
        assert_eq!(names(&teams), ["100%_done"]);
        assert!(store.list(Thing::Process, &"two".into(), &page(50)).await.unwrap().is_empty());
    }

    async fn the_inbox_is_filtered_by_assignee_and_due_time(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, _, room, attempt) = at_work(&store).await;
        let mut due = Vec::new();
        for (n, (kind, who)) in [("input", vec!["eve"]), ("review", vec!["adam", "eve"]), ("input", vec![])].into_iter().enumerate() {
            let question = json!({"type": kind, "description": format!("{n}?"), "assignees": who, "dueInMs": 1000 * (n + 1)});
            due.push(clerk.ask(room, "ann", attempt, question).await);
        }
        let space = "one".into();
        let list = async |filter: Filter| store.list(Thing::Intervention, &space, &filter).await.unwrap().len();
        let assigned = |who: &str| Filter { assignee: Some(who.to_owned()), ..page(50) };
        assert_eq!((list(assigned("eve")).await, list(assigned("adam")).await, list(assigned("ev")).await), (2, 1, 0));
        let at: Timestamp = serde_json::from_value(due[1]["dueAt"].clone()).unwrap();
        let overdue = |late: bool, at: Timestamp| Filter { overdue: Some((late, at)), ..page(50) };
        assert_eq!((list(overdue(true, at)).await, list(overdue(false, at)).await), (1, 2), "before, not at");
        assert_eq!((list(overdue(true, at.plus_ms(1))).await, list(overdue(false, at.plus_ms(1))).await), (2, 1));
        assert_eq!(list(Filter { equals: vec![("type", "input".into()), ("status", "pending".into())], ..page(50) }).await, 2);
        assert_eq!(list(Filter { equals: vec![("process_id", room.0.into())], ..page(50) }).await, 3);
    }

    async fn whatever_questions_are_asked_for_all_of_them_are_found(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, team, first, attempt) = at_work(&store).await;
        let second = clerk.process("Second", team, json!([{"key": "a", "name": "A"}]), json!({})).await;
        clerk.ask(first, "ann", attempt, json!({"type": "input", "description": "How?", "assignees": ["eve"]})).await;
        let mut random = Random::new(11);
        let mut all: Vec<Question> = Vec::new();
        let mut tx = store.begin().await.unwrap();
        // The one that was asked is not among them.
        tx.execute("DELETE FROM interventions", Vec::new()).await.unwrap();
        for _ in 0..5_000 {
            let id = Uuid::from_u64_pair(random.draw() >> 16 << 16 | 0x7000, random.draw());
            let process = if random.chance(2) { second.0 } else { first.0 };
            // More than a thousand of one type, which are looked past where they are not due, and fewer of the others, which are sorted.
            let kind = *random.pick(&["input", "input", "input", "input", "input", "input", "approval", "review", "decision"]).unwrap();
            let status = *random.pick(&["pending", "pending", "pending", "pending", "pending", "pending", "pending", "completed", "cancelled", "expired"]).unwrap();
            let due = random.chance(80).then(|| random.below(100) as i64);
            let mut assignees: Vec<&str> = ["eve", "bob"].into_iter().filter(|who| random.chance(if *who == "eve" { 90 } else { 40 })).collect();
            if random.chance(1) {
                assignees.push("adam");
            }
            if status == "cancelled" && kind == "decision" {
                assignees.push("ada");
            }
            let data = json!({"id": id, "assignees": assignees}).to_string();
            let written = |due: Option<i64>| due.map_or("NULL".to_owned(), |due| due.to_string());
            let names = if assignees.is_empty() { ",".to_owned() } else { format!(",{},", assignees.join(",")) };
            // Asked as another one first: what an inbox knows of it follows.
            let (asked, later) = if random.chance(10) { (("escalation", "pending", Some(7)), true) } else { ((kind, status, due), false) };
            let sql = format!("INSERT INTO interventions (id, process_id, workspace_id, type, status, used, due_at, assignees, data) VALUES ($1, $2, 'one', $3, $4, 0, {}, $5, $6)", written(asked.2));
            let args = vec![id.into(), process.into(), asked.0.into(), asked.1.into(), names.into(), data.into()];
            assert_eq!(tx.execute(&sql, args).await.unwrap(), 1);
            if later {
                let sql = format!("UPDATE interventions SET type = $2, status = $3, due_at = {} WHERE id = $1", written(due));
                assert_eq!(tx.execute(&sql, vec![id.into(), kind.into(), status.into()]).await.unwrap(), 1);
            }
            all.push((id, process, kind, status, due, assignees));
        }
        tx.commit().await.unwrap();
        all.sort_by_key(|q| std::cmp::Reverse(q.0));
        let (mut pages, mut empty) = (0, 0);
        // Every combination; a process's own, which are found by the process, now and then.
        for who in [None, Some("eve"), Some("bob"), Some("adam"), Some("ada"), Some("nobody")] {
            for kind in [None, Some("input"), Some("approval"), Some("decision"), Some("escalation")] {
                for status in [None, Some("pending"), Some("completed"), Some("cancelled")] {
                    for overdue in [None, Some((true, 3)), Some((true, 90)), Some((false, 3)), Some((false, 95))] {
                        let process = random.chance(20).then_some(second.0);
                        let wanted: Vec<Uuid> = all.iter().filter(|(_, of, is, state, due, assignees)| {
                            let late = |at: i64| *state == "pending" && due.is_some_and(|due| due < at);
                            who.is_none_or(|who| assignees.contains(&who)) && kind.is_none_or(|kind| kind == *is) && status.is_none_or(|s| s == *state)
                                && process.is_none_or(|p| p == *of) && overdue.is_none_or(|(wanted, at)| late(at) == wanted)
                        }).map(|q| q.0).collect();
                        let mut equals: Vec<(&'static str, Value)> = Vec::new();
                        equals.extend(status.map(|s| ("status", s.into())));
                        equals.extend(kind.map(|k| ("type", k.into())));
                        equals.extend(process.map(|p| ("process_id", p.into())));
                        let overdue = overdue.map(|(late, at)| (late, Timestamp(at)));
                        let mut filter = Filter { equals, assignee: who.map(str::to_owned), overdue, after: None, limit: 1, search: None };
                        // Three pages, then the rest at once; and a page from anywhere, which need not be one of them.
                        let mut left = wanted.as_slice();
                        for limit in [1, 7, 51, 5_000] {
                            filter.limit = limit;
                            let found = store.list(Thing::Intervention, &"one".into(), &filter).await.unwrap();
                            let (page, rest) = left.split_at(left.len().min(limit as usize));
                            let page: Vec<String> = page.iter().map(Uuid::to_string).collect();
                            assert_eq!(ids(&found), page, "{filter:?}");
                            pages += 1;
                            let Some(last) = found.last() else { empty += 1; break };
                            filter.after = Some(uuid(&last["id"]));
                            left = rest;
                        }
                        let after = random.pick(&all).unwrap().0;
                        filter = Filter { after: Some(after), limit: 20, ..filter };
                        let found = store.list(Thing::Intervention, &"one".into(), &filter).await.unwrap();
                        let page: Vec<String> = wanted.iter().filter(|id| **id < after).take(20).map(Uuid::to_string).collect();
                        assert_eq!(ids(&found), page, "{filter:?}");
                    }
                }
            }
        }
        assert!(pages > 1_000 && empty > 100, "{pages} pages, {empty} of them empty");
    }

    async fn a_room_is_shown_with_its_head_and_read_marks(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, _, room, _) = at_work(&store).await;
        let read = |seq: u64| Command::MarkRead(body(json!({"seq": seq})));
        clerk.run(&person("one", "admin"), room, read(2)).await.unwrap();
        clerk.run(&agent("one", "ann"), room, read(3)).await.unwrap();
        clerk.run(&agent("one", "ann"), room, read(1)).await.unwrap();
        let shown = store.get(Thing::Room, &"one".into(), room.0).await.unwrap().unwrap();
        assert_eq!(shown["head"], json!(clerk.state(room).seq));
        assert_eq!(shown["first"], json!(1));
        assert_eq!(shown["logId"], json!(clerk.state(room).room.unwrap().log_id));
        let mark = |id: &str| shown["participants"].as_array().unwrap().iter().find(|p| p["id"] == id).unwrap()["lastReadSeq"].clone();
        assert_eq!((mark("admin"), mark("ben")), (json!(2), json!(0)));
        let of = async |who| store.read_marks_of(&who, &[room.0]).await.unwrap();
        assert_eq!(of(agent("one", "ann")).await, [(room.0, 3)], "a mark never goes back");
        assert!(of(person("one", "nobody")).await.is_empty());
        assert!(shown["lastActivity"].as_str().unwrap() >= shown["createdAt"].as_str().unwrap());
        let by_process = Filter { equals: vec![("type", "process".into()), ("process_id", room.0.into())], ..page(5) };
        assert_eq!(store.list(Thing::Room, &"one".into(), &by_process).await.unwrap().len(), 1);
    }

    async fn agents_are_listed_by_id_without_the_removed(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        for id in ["cis", "ann", "ben"] {
            clerk.register(id, &[], 1).await;
        }
        let admin = person("one", "admin");
        let change = body(json!({"slots": 7, "description": "better"}));
        clerk.run(&admin, clerk.space_room, Command::UpdateAgent { agent_id: "ann".into(), change }).await.unwrap();
        clerk.run(&admin, clerk.space_room, Command::RemoveAgent { agent_id: "ben".into() }).await.unwrap();
        let space = "one".into();
        assert_eq!(ids(&store.agents(&space, "", 10).await.unwrap()), ["ann", "cis"]);
        assert_eq!(ids(&store.agents(&space, "ann", 10).await.unwrap()), ["cis"]);
        assert_eq!(ids(&store.agents(&space, "", 1).await.unwrap()), ["ann"]);
        let ann = store.agent(&space, &"ann".into()).await.unwrap().unwrap();
        assert_eq!((&ann["slots"], &ann["description"]), (&json!(7), &json!("better")));
        assert_eq!(store.agent(&space, &"ben".into()).await.unwrap(), None);
        assert_eq!(store.agent(&"two".into(), &"ann".into()).await.unwrap(), None);
    }

    async fn a_log_is_read_forwards_and_backwards(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let room = clerk.space_room;
        for n in 2..=10 {
            let post = Command::PostMessage(body(json!({"body": format!("message {n}")})));
            clerk.run(&person("one", "ann"), room, post).await.unwrap();
        }
        let seqs = async |since: Option<u64>, before: Option<u64>, limit: u64| {
            let page = store.log(room, since, before, limit).await.unwrap().unwrap();
            assert_eq!((page.first, page.head), (1, 10));
            page.events.iter().map(|e| e.0).collect::<Vec<_>>()
        };
        assert_eq!(seqs(Some(0), None, 3).await, [1, 2, 3]);
        assert_eq!(seqs(Some(8), None, 5).await, [9, 10]);
        assert_eq!(seqs(Some(10), None, 5).await, Vec::<u64>::new());
        assert_eq!(seqs(Some(99), None, 5).await, Vec::<u64>::new());
        assert_eq!(seqs(None, None, 3).await, [8, 9, 10]);
        assert_eq!(seqs(None, Some(4), 2).await, [2, 3]);
        assert_eq!(seqs(None, Some(1), 2).await, Vec::<u64>::new());
        assert!(store.log(RoomId(Uuid::now_v7()), Some(0), None, 5).await.unwrap().is_none());
        let events = store.events_from(room, 7, 2).await.unwrap();
        assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [8, 9]);
        let text = store.log(room, Some(7), None, 1).await.unwrap().unwrap().events.remove(0).1;
        assert_eq!(serde_json::from_str::<rooms::Event>(&text).unwrap(), events[0]);
        let unknown = RoomId(Uuid::now_v7());
        assert_eq!(store.heads(&[room, unknown]).await.unwrap(), [(room, 10)]);
        assert!(store.heads(&[]).await.unwrap().is_empty());
    }

    async fn ready_steps_come_most_urgent_and_oldest_first(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &[], 5).await;
        let team = clerk.team("Team", &["ann"]).await;
        let steps = json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B", "dependencies": ["a"]}]);
        let normal = clerk.process("Normal", team, steps.clone(), json!({})).await;
        let urgent = clerk.process("Urgent", team, steps.clone(), json!({"priority": "urgent"})).await;
        let later = clerk.process("Later", team, steps.clone(), json!({})).await;
        let paused = clerk.process("Paused", team, steps, json!({"priority": "urgent"})).await;
        clerk.run(&person("one", "admin"), paused, Command::PauseProcess(body(json!({})))).await.unwrap();
        let space = "one".into();
        let ready = store.ready_steps(&[team], None, 10).await.unwrap();
        let order: Vec<RoomId> = ready.iter().map(|r| RoomId(r.process_id.0)).collect();
        assert_eq!(order, [urgent, normal, later], "none of a process that stands still, none that is blocked");
        assert!(ready.iter().all(|r| r.step.key == "a" && r.team_id == team));
        assert_eq!(store.ready_steps(&[team], None, 1).await.unwrap().len(), 1);
        let behind = store.ready_steps(&[team], Some(ready[0].place), 10).await.unwrap();
        assert_eq!(behind.iter().map(|r| r.place).collect::<Vec<_>>(), [ready[1].place, ready[2].place]);
        assert!(store.ready_steps(&[team], Some(ready[2].place), 10).await.unwrap().is_empty());
        assert_eq!(store.process_of_step(&space, ready[0].step.id).await.unwrap(), Some(ready[0].process_id));
        assert_eq!(store.process_of_step(&"two".into(), ready[0].step.id).await.unwrap(), None);
        let (id, _) = clerk.claim(normal, "a", "ann").await;
        let left = store.ready_steps(&[team], None, 10).await.unwrap();
        assert!(left.iter().all(|r| RoomId(r.process_id.0) != normal), "taken");
        let live = store.live_attempts(&space, &"ann".into()).await.unwrap();
        assert_eq!(live, [(normal.0.into(), id.into(), Some("ann-1".into()))]);
        assert!(store.live_attempts(&space, &"ben".into()).await.unwrap().is_empty());
        assert!(store.ready_steps(&[TeamId(Uuid::now_v7())], None, 10).await.unwrap().is_empty());
    }

    async fn steps_of_many_teams_wait_in_one_order(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &[], 5).await;
        let mut teams = Vec::new();
        let mut processes = Vec::new();
        // More teams than one statement asks for.
        for n in 0..40 {
            let team = clerk.team(&format!("Team {n}"), &["ann"]).await;
            teams.push(team);
            let priority = if n % 3 == 0 { "urgent" } else { "medium" };
            let steps = json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]);
            processes.push((n % 3 != 0, n, clerk.process("P", team, steps, json!({"priority": priority})).await));
        }
        processes.sort();
        let wanted: Vec<RoomId> = processes.iter().flat_map(|p| [p.2, p.2]).collect();
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = store.ready_steps(&teams, after, 7).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.place);
            seen.extend(page.iter().map(|r| RoomId(r.process_id.0)));
        }
        assert_eq!(seen, wanted, "each once, page by page");
    }

    async fn a_team_waits_while_it_has_a_ready_step(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &[], 5).await;
        clerk.register("ben", &[], 5).await;
        let team = clerk.team("Team", &["ann"]).await;
        let space = "one".into();
        let (ann, ben) = (["ann".into()], ["ben".into()]);
        assert!(store.waiting_teams(&space, &ann).await.unwrap().is_empty(), "nothing to do");
        let steps = json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]);
        let process = clerk.process("P", team, steps, json!({})).await;
        clerk.claim(process, "a", "ann").await;
        let waiting = store.waiting_teams(&space, &ann).await.unwrap();
        assert_eq!(waiting.iter().map(|(t, live)| (t.id, *live)).collect::<Vec<_>>(), [(team, 1)]);
        assert!(store.waiting_teams(&space, &ben).await.unwrap().is_empty(), "only the teams that it is in");
        assert!(store.waiting_teams(&"two".into(), &ann).await.unwrap().is_empty());
        clerk.claim(process, "b", "ann").await;
        assert!(store.waiting_teams(&space, &ann).await.unwrap().is_empty(), "all is taken");
        let loads = store.loads(&space, &ann).await.unwrap();
        assert_eq!(loads.iter().map(|(a, live)| (a.id.0.as_str(), *live)).collect::<Vec<_>>(), [("ann", 2)]);
    }

    async fn answers_wait_for_the_attempt_that_uses_them(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, _, room, attempt) = at_work(&store).await;
        let asked = clerk.ask(room, "ann", attempt, json!({"type": "input", "description": "?"})).await;
        let space = "one".into();
        let unused = async || store.unused_answers(&space, &"ann".into()).await.unwrap();
        assert!(unused().await.is_empty(), "not answered yet");
        let id = uuid(&asked["id"]).into();
        let reply = Command::RespondIntervention { intervention_id: id, reply: Box::new(body(json!({"action": "answer", "value": 7}))) };
        clerk.run(&person("one", "eve"), room, reply).await.unwrap();
        let found = unused().await;
        assert_eq!((found.len(), found[0].0), (1, attempt.0.into()));
        assert_eq!(found[0].1["response"]["value"], json!(7));
        assert!(store.unused_answers(&space, &"ben".into()).await.unwrap().is_empty());
        let progress = Command::Progress { attempt_id: attempt.0.into(), progress: body(json!({"epoch": attempt.1})) };
        clerk.run(&agent("one", "ann"), room, progress).await.unwrap();
        assert!(unused().await.is_empty(), "it went on with it");
        clerk.verified().await;
    }

    async fn pending_handoffs_are_found_by_whom_they_ask(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, _, room, attempt) = at_work(&store).await;
        let space = "one".into();
        let pending = async |who: &str| store.pending_handoffs(&space, &who.into()).await.unwrap().len();
        let handoff = hand_over(&mut clerk, room, attempt, json!("ben")).await;
        assert_eq!((pending("ben").await, pending("ann").await, pending("be").await), (1, 0, 0));
        let cancel = Command::CancelHandoff { handoff_id: uuid(&handoff["id"]).into(), reason: body(json!({})) };
        clerk.run(&agent("one", "ann"), room, cancel).await.unwrap();
        assert_eq!(pending("ben").await, 0);
        clerk.verified().await;
    }

    async fn a_communication_is_open_until_it_is_answered(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, _, room, _) = at_work(&store).await;
        let space = "one".into();
        let open = async || store.open_communications(&space, &"ben".into()).await.unwrap();
        let send = |kind: &str| Command::SendCommunication(body(json!({"toAgentId": "ben", "message": "hi", "type": kind})));
        clerk.run(&agent("one", "ann"), room, send("update")).await.unwrap();
        assert!(open().await.is_empty(), "it awaits no response");
        let sent = clerk.run(&agent("one", "ann"), room, send("question")).await.unwrap();
        assert_eq!(ids(&open().await), [sent["id"].as_str().unwrap()]);
        let respond = Command::RespondCommunication { communication_id: uuid(&sent["id"]).into(), response: body(json!({"message": "yes"})) };
        clerk.run(&agent("one", "ben"), room, respond).await.unwrap();
        assert!(open().await.is_empty());
        let of_process = Filter { equals: vec![("process_id", room.0.into())], ..page(10) };
        let all = store.list(Thing::Communication, &space, &of_process).await.unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0]["response"]["message"], "yes");
        clerk.verified().await;
    }
}
