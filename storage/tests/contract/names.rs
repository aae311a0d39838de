//! Lists searched by a part of the name find what a plain comparison finds, page by page, whatever the text.

use rooms::Command;
use rooms::id::RoomId;
use rooms::model::room::OF_PROCESS;
use serde_json::{Value as Json, json};
use simulation::Random;
use storage::Store;
use storage::db::Value;
use storage::list::Filter;
use storage::read::Thing;
use storage::suffixes::Sizes;
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{Clerk, body, person};

/// What names are made of: words that many have, that few have, and what a database might take for something else.
const WORDS: [&str; 20] = [
    "Import",
    "import",
    "Batch",
    "of",
    "Paris",
    "ROME",
    "Ärger",
    "ärger",
    "naïve",
    "日本語",
    "🦀",
    "100%",
    "a_b",
    "aXb",
    "it's",
    "\"quoted\"",
    "back\\slash",
    "AND",
    "OR *",
    "\u{1}",
];

/// Little at once, so that there is much of everything.
const SMALL: Sizes = Sizes {
    many: 64,
    part: 32,
    range: 100,
};

fn name(random: &mut Random) -> String {
    let mut name = format!("Process {}", random.below(1_000_000));
    for _ in 0..random.below(4) {
        name.push(' ');
        name.push_str(random.pick(&WORDS).unwrap());
    }
    if random.chance(1) {
        name.push_str(" Zebra");
    }
    // Of any length that a name may have.
    if random.chance(2) {
        name = name.chars().cycle().take(200).collect();
    }
    if random.chance(2) {
        name = name.chars().take(1 + random.below(3) as usize).collect();
    }
    name
}

/// A part of a name, or of none; in another case, or as it is.
fn text(random: &mut Random, names: &[String]) -> String {
    let from: Vec<char> = random.pick(names).unwrap().chars().collect();
    let start = random.below(from.len() as u64) as usize;
    let most = if random.chance(70) { 4 } else { 30 };
    let length = 1 + random.below(most) as usize;
    let mut text: String = from.iter().skip(start).take(length).collect();
    if random.chance(15) {
        text.push(
            *random
                .pick(&['q', '%', '_', '\\', '\'', '"', '*', 'é', ' ', '日'])
                .unwrap(),
        );
    }
    match random.below(4) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        _ => text,
    }
}

/// A process's room is called after it.
fn room_name(process: &str) -> String {
    format!("{OF_PROCESS}{process}")
}

/// Ids that may be anywhere, and those that are newer than all of them.
const ANY: u64 = 0;
const NEWER: u64 = 0xffff_f000_0000_0000;

/// Writes processes with their rooms, as many as names, with nothing in them but what lists ask for; and rooms of none.
async fn write(
    store: &Store,
    space: &str,
    like: RoomId,
    random: &mut Random,
    names: &[String],
    from: u64,
) {
    let mut tx = store.begin().await.unwrap();
    for name in names {
        // Not in the order in which they are written.
        let id = Uuid::from_u64_pair(random.draw() >> 16 << 16 | 0x7000 | from, random.draw());
        let status = *random
            .pick(&["running", "running", "running", "failed"])
            .unwrap();
        let sql = "INSERT INTO processes (id, workspace_id, room_id, team_id, name, status, priority, data) \
                   SELECT $1, $2, room_id, team_id, $3, $4, priority, $5 FROM processes WHERE id = $6";
        let data = json!({"id": id, "name": name}).to_string();
        let args = vec![
            id.into(),
            space.into(),
            name.as_str().into(),
            status.into(),
            data.into(),
            like.0.into(),
        ];
        assert_eq!(tx.execute(sql, args).await.unwrap(), 1);
        let mut rooms = vec![(id, "process", room_name(name))];
        if random.chance(20) {
            let own = Uuid::from_u64_pair(random.draw() >> 16 << 16 | 0x7000, random.draw());
            let called = if random.chance(20) {
                room_name(name)
            } else {
                name.clone()
            };
            rooms.push((own, *random.pick(&["team", "workspace"]).unwrap(), called));
        }
        for (id, kind, name) in rooms {
            let sql = "INSERT INTO rooms (id, workspace_id, type, name, team_id, head, first, log_id, last_activity, data) \
                       SELECT $1, $2, $3, $4, team_id, head, first, log_id, last_activity, $5 FROM rooms WHERE id = $6";
            let data = json!({"id": id, "name": name}).to_string();
            let args = vec![
                id.into(),
                space.into(),
                kind.into(),
                name.into(),
                data.into(),
                like.0.into(),
            ];
            assert_eq!(tx.execute(sql, args).await.unwrap(), 1);
        }
    }
    tx.commit().await.unwrap();
}

async fn change(store: &Store, sql: &str, args: Vec<Value>) -> u64 {
    let mut tx = store.begin().await.unwrap();
    let done = tx.execute(sql, args).await.unwrap();
    tx.commit().await.unwrap();
    done
}

/// Every process or room of a workspace, newest first: id, name in small letters, status or type.
async fn all(store: &Store, thing: Thing, space: &str) -> Vec<(Uuid, String, String)> {
    let (table, _, kind) = filtered(thing);
    let sql = format!(
        "SELECT id, LOWER(name), {kind} FROM {table} WHERE workspace_id = $1 ORDER BY id DESC"
    );
    let rows = store.query(&sql, vec![space.into()]).await.unwrap();
    rows.iter()
        .map(|r| (r.uuid(0), r.text(1).to_owned(), r.text(2).to_owned()))
        .collect()
}

/// The table of a thing; what its lists are filtered by, of which the last is of none; and in which column that is.
fn filtered(thing: Thing) -> (&'static str, [&'static str; 3], &'static str) {
    match thing {
        Thing::Room => ("rooms", ["process", "team", "none"], "type"),
        _ => ("processes", ["running", "failed", "paused"], "status"),
    }
}

/// A list, page by page.
async fn paged(store: &Store, thing: Thing, space: &str, filter: &Filter) -> Vec<Uuid> {
    let mut found: Vec<Uuid> = Vec::new();
    loop {
        let page = Filter {
            after: found.last().copied().or(filter.after),
            ..filter.clone()
        };
        let items = store.list(thing, &space.into(), &page).await.unwrap();
        assert!(items.len() as u64 <= filter.limit);
        found.extend(
            items
                .iter()
                .map(|i| i["id"].as_str().unwrap().parse::<Uuid>().unwrap()),
        );
        if (items.len() as u64) < filter.limit {
            return found;
        }
    }
}

/// Searches for many texts, and compares.
async fn compare(store: &Store, random: &mut Random, texts: &[String]) {
    for (thing, space) in [
        (Thing::Process, "one"),
        (Thing::Process, "two"),
        (Thing::Room, "one"),
        (Thing::Room, "two"),
    ] {
        let all = all(store, thing, space).await;
        let (_, kinds, column) = filtered(thing);
        for text in texts {
            let kind = if random.chance(60) {
                random.pick(&kinds).copied()
            } else {
                None
            };
            let filter = Filter {
                search: Some(text.clone()),
                equals: kind.map(|k| (column, k.into())).into_iter().collect(),
                after: random.chance(30).then(|| random.pick(&all).unwrap().0),
                limit: *random.pick(&[1, 7, 51, 201]).unwrap(),
                ..Filter::default()
            };
            let small = text.to_lowercase();
            let mut wanted: Vec<Uuid> = all
                .iter()
                .filter(|(id, name, is)| {
                    name.contains(&small)
                        && kind.is_none_or(|k| k == is)
                        && filter.after.is_none_or(|after| *id < after)
                })
                .map(|p| p.0)
                .collect();
            // Page by page takes long where each has one.
            if filter.limit == 1 {
                let items = store.list(thing, &space.into(), &filter).await.unwrap();
                wanted.truncate(1);
                let found: Vec<Uuid> = items
                    .iter()
                    .map(|i| i["id"].as_str().unwrap().parse().unwrap())
                    .collect();
                assert_eq!(found, wanted, "{thing:?} {filter:?}");
            } else {
                let found = paged(store, thing, space, &filter).await;
                assert_eq!(found, wanted, "{thing:?} {filter:?}");
            }
        }
    }
}

fn names_of(items: &[Json]) -> Vec<&str> {
    items.iter().map(|i| i["name"].as_str().unwrap()).collect()
}

on_both! {
    async fn a_search_finds_what_a_plain_comparison_finds(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        Clerk::open(&store, "two").await;
        let team = clerk.team("Team", &["ann"]).await;
        let like = clerk.process("The first", team, json!([{"key": "a", "name": "A"}]), json!({})).await;
        let mut random = Random::new(7);
        let mut names = Vec::new();
        for (space, many) in [("one", 2_500), ("two", 600)] {
            let some: Vec<String> = (0..many).map(|_| name(&mut random)).collect();
            write(&store, space, like, &mut random, &some, ANY).await;
            names.extend(some);
        }
        let mut texts: Vec<String> = (0..60).map(|_| text(&mut random, &names)).collect();
        // What is nowhere; what everything has; and nothing at all.
        for more in ["", "zzq", "zq", "\u{2}", "process", "zebra", "ZEBRA", "%", "_", "\\", "'", "\"", "*", "process:one", "process: ", ": ", ": i", "s: ", " ", "ss: process 1", "S: ZEBRA", "cess: import", "process: team", "é", "É", "%%", "日", "本語", "q%"] {
            texts.push(more.to_owned());
        }
        texts.push("process 1".repeat(40));
        compare(&store, &mut random, &texts).await;
        // Filed in many ranges, the last of the names not yet.
        assert!(store.file_names(None, SMALL).await.unwrap() > 3_000);
        assert_eq!(store.file_names(None, SMALL).await.unwrap(), 0, "few are left");
        assert!(store.query("SELECT id FROM name_ranges", Vec::new()).await.unwrap().len() > 20);
        compare(&store, &mut random, &texts).await;

        // What is renamed is found by its new name alone, what changes otherwise as before, and what is gone no longer.
        let ids: Vec<Uuid> = all(&store, Thing::Process, "one").await.into_iter().map(|p| p.0).filter(|id| *id != like.0).collect();
        for id in ids.iter().take(300) {
            let name = name(&mut random);
            let data = json!({"id": id, "name": name}).to_string();
            let sql = "UPDATE processes SET name = $1, data = $2 WHERE id = $3";
            assert_eq!(change(&store, sql, vec![name.as_str().into(), data.into(), (*id).into()]).await, 1);
            let sql = "UPDATE rooms SET name = $1 WHERE id = $2";
            assert_eq!(change(&store, sql, vec![room_name(&name).into(), (*id).into()]).await, 1);
            names.push(name);
        }
        for id in ids.iter().skip(200).take(200) {
            change(&store, "UPDATE processes SET status = 'paused', name = name WHERE id = $1", vec![(*id).into()]).await;
        }
        for id in ids.iter().rev().take(200) {
            for table in ["processes", "rooms"] {
                assert_eq!(change(&store, &format!("DELETE FROM {table} WHERE id = $1"), vec![(*id).into()]).await, 1);
            }
        }
        let own: Vec<(Uuid, String, String)> = all(&store, Thing::Room, "one").await.into_iter().filter(|r| r.2 == "workspace").collect();
        for (id, ..) in own.iter().skip(1).take(100) {
            let name = name(&mut random);
            assert_eq!(change(&store, "UPDATE rooms SET name = $1 WHERE id = $2", vec![name.as_str().into(), (*id).into()]).await, 1);
            names.push(name);
        }
        for (id, ..) in own.iter().rev().filter(|(id, ..)| *id != clerk.space_room.0).take(50) {
            assert_eq!(change(&store, "DELETE FROM rooms WHERE id = $1", vec![(*id).into()]).await, 1);
        }
        let mut texts = texts.split_off(40);
        texts.extend((0..10).map(|_| text(&mut random, &names)));
        compare(&store, &mut random, &texts).await;
        assert!(store.file_names(None, SMALL).await.unwrap() > 200, "what was renamed is filed anew");
        compare(&store, &mut random, &texts).await;

        // The ends of what is gone are gone. Ranges that have none any more go when another begins.
        let ids: Vec<Uuid> = all(&store, Thing::Process, "one").await.into_iter().map(|p| p.0).filter(|id| *id != like.0).collect();
        for id in ids.iter().rev().take(ids.len() / 2) {
            for table in ["processes", "rooms"] {
                assert_eq!(change(&store, &format!("DELETE FROM {table} WHERE id = $1"), vec![(*id).into()]).await, 1);
            }
        }
        let count = async |sql: &str| store.query(sql, Vec::new()).await.unwrap()[0].int(0);
        let of_nothing = "SELECT COUNT(*) FROM name_suffixes WHERE id NOT IN (SELECT id FROM processes UNION SELECT id FROM rooms UNION SELECT id FROM teams)";
        assert_eq!(count(of_nothing).await, 0);
        let ranges = "SELECT COUNT(*) FROM name_ranges WHERE kind = 'process' AND workspace_id = 'one'";
        let before = count(ranges).await;
        let more: Vec<String> = (0..300).map(|_| name(&mut random)).collect();
        write(&store, "one", like, &mut random, &more, NEWER).await;
        assert!(store.file_names(None, SMALL).await.unwrap() > 200);
        assert!(count(ranges).await < before);
        let first = "SELECT COUNT(*) FROM name_ranges WHERE kind = 'process' AND workspace_id = 'one' AND first = $1";
        assert_eq!(store.query(first, vec![Uuid::nil().into()]).await.unwrap()[0].int(0), 1);
        compare(&store, &mut random, &texts).await;

        // A store that had them all before names were kept finds them too.
        assert_eq!(store.migrate_down(5).await.unwrap(), [19, 18, 17, 16, 15], "the test of a later version goes down further");
        assert_eq!(store.migrate().await.unwrap(), [15, 16, 17, 18, 19]);
        compare(&store, &mut random, &texts).await;
        assert!(store.file_names(None, SMALL).await.unwrap() > 1_500);
        compare(&store, &mut random, &texts).await;
    }

    async fn rooms_and_teams_are_found_by_what_they_are_called_now(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let admin = person("one", "admin");
        let team = clerk.team("Night shift", &["ann"]).await;
        let steps = json!([{"key": "a", "name": "A"}]);
        clerk.process("Bee line", team, steps.clone(), json!({})).await;
        clerk.process("Class: bee", team, steps.clone(), json!({})).await;
        let mut other = Clerk::open(&store, "two").await;
        let its = other.team("Others", &["ann"]).await;
        other.process("Bee hive", its, steps, json!({})).await;
        // More than are looked at first, so that it is not the first look that finds the old ones.
        for n in 0..230 {
            clerk.team(&format!("Team {n}"), &["ann"]).await;
            let room = RoomId(Uuid::now_v7());
            let make = json!({"name": format!("Room {n}"), "type": "workspace"});
            clerk.run(&admin, room, Command::CreateRoom { room_id: room, room: body(make) }).await.unwrap();
        }
        let list = async |thing: Thing, text: &str| {
            let filter = Filter { search: Some(text.to_owned()), limit: 50, ..Filter::default() };
            store.list(thing, &"one".into(), &filter).await.unwrap()
        };
        assert_eq!(names_of(&list(Thing::Team, "night").await), ["Night shift"]);
        assert_eq!(store.file_names(Some(&"two".into()), SMALL).await.unwrap(), 0, "few are there");
        assert!(store.file_names(Some(&"one".into()), SMALL).await.unwrap() > 400);
        assert_eq!(names_of(&list(Thing::Team, "night").await), ["Night shift"]);
        assert_eq!(names_of(&list(Thing::Room, "night").await), ["Team: Night shift"]);
        assert_eq!(names_of(&list(Thing::Room, "room 17").await), ["Room 179", "Room 178", "Room 177", "Room 176", "Room 175", "Room 174", "Room 173", "Room 172", "Room 171", "Room 170", "Room 17"]);
        for (text, found) in [
            ("bee", vec!["Process: Class: bee", "Process: Bee line"]),
            ("s: bee", vec!["Process: Class: bee", "Process: Bee line"]),
            ("ess: bee", vec!["Process: Bee line"]),
            (" Bee L", vec!["Process: Bee line"]),
            ("process: b", vec!["Process: Bee line"]),
            ("cess:", vec!["Process: Class: bee", "Process: Bee line"]),
            ("process: line", vec![]),
            ("hive", vec![]),
        ] {
            assert_eq!(names_of(&list(Thing::Room, text).await), found, "{text}");
        }
        let rename = Command::UpdateTeam(body(json!({"name": "Day shift"})));
        clerk.run(&admin, RoomId(team.0), rename).await.unwrap();
        assert!(list(Thing::Team, "night").await.is_empty());
        assert_eq!(names_of(&list(Thing::Room, "night").await), ["Team: Night shift"], "a room keeps its name");
        assert_eq!(names_of(&list(Thing::Team, "day SHIFT").await), ["Day shift"]);
        clerk.run(&admin, RoomId(team.0), Command::ArchiveTeam).await.unwrap();
        let gone = list(Thing::Team, "day").await;
        assert_eq!((names_of(&gone), gone[0]["status"].as_str()), (vec!["Day shift"], Some("archived")));
        assert!(list(Thing::Team, "team: ").await.is_empty(), "a team is not called what its room is called");
        clerk.verified().await;
    }
}
