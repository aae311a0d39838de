//! A server with an admin beside it: what nearly every test starts from.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::agent::Agent;
use crate::rest::Rest;
use crate::server::{ADMIN_KEY, Server};
use crate::{Database, SOON, array, text};

/// A running server and its admin.
#[derive(Debug)]
pub struct Hub {
    /// The server.
    pub server: Server,
    /// The API as `user:admin`.
    pub admin: Rest,
}

/// A process that was started.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub id: String,
    /// Its room's id.
    pub room: String,
    /// What the start returned.
    pub body: Value,
}

impl Process {
    /// The id of the step with this key.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn step(&self, key: &str) -> String {
        text(step(&self.body, key), "/id")
    }
}

/// The step with this key in a process.
///
/// # Panics
/// When there is none.
#[track_caller]
#[must_use]
pub fn step<'v>(process: &'v Value, key: &str) -> &'v Value {
    match array(process, "/steps")
        .iter()
        .find(|step| step["key"] == key)
    {
        Some(step) => step,
        None => panic!("no step {key} in {process:#}"),
    }
}

/// A team's member with the role `specialist`.
#[must_use]
pub fn member(agent: &str) -> Value {
    json!({ "agentId": agent, "role": "specialist", "specialization": "tests" })
}

impl Hub {
    /// Starts a server on an empty database.
    pub async fn start(database: Database) -> Self {
        let server = Server::start(database).await;
        let admin = Rest::new(&server.url(), ADMIN_KEY);
        Self { server, admin }
    }

    /// Registers an agent and makes its key.
    pub async fn register(&self, id: &str, capabilities: &[&str]) -> String {
        let agent =
            json!({ "id": id, "name": format!("Agent {id}"), "capabilities": capabilities });
        let _ = self.admin.post("/agents", &agent).await.expect(201);
        text(
            &self
                .admin
                .post(&format!("/agents/{id}/keys"), &json!({}))
                .await
                .expect(201),
            "/key",
        )
    }

    /// Connects a registered agent as an instance, without `agent:ready`.
    pub async fn connect(&self, id: &str, key: &str, instance: &str) -> Agent {
        Agent::connect(
            &self.server.url(),
            id,
            json!({ "token": key, "instanceId": instance }),
        )
        .await
    }

    /// Registers an agent, connects it and says that it is ready.
    pub async fn agent(&self, id: &str, capabilities: &[&str]) -> Agent {
        let key = self.register(id, capabilities).await;
        let instance = format!("{id}-1");
        let agent = self.connect(id, &key, &instance).await;
        agent.ready(&instance).await;
        agent
    }

    /// The admin's socket.
    pub async fn person(&self) -> Agent {
        Agent::connect(&self.server.url(), "admin", json!({ "token": ADMIN_KEY })).await
    }

    /// Creates a team; gives its id.
    pub async fn team(&self, agents: &[Value], configuration: Value) -> String {
        let team = json!({
            "name": "Test team", "description": "Made by a test", "agents": agents, "configuration": configuration,
        });
        text(&self.admin.post("/teams", &team).await.expect(201), "/id")
    }

    /// Starts a process, and finds its room.
    pub async fn process(&self, team: &str, steps: Value) -> Process {
        self.process_with(json!({ "name": "Test process", "teamId": team, "steps": steps }))
            .await
    }

    /// Starts a process from the whole body, and finds its room.
    ///
    /// # Panics
    /// When it has no room, or more than one.
    pub async fn process_with(&self, body: Value) -> Process {
        let body = self.admin.post("/processes", &body).await.expect(201);
        let id = text(&body, "/id");
        let rooms = self
            .admin
            .get(&format!("/collaboration/rooms?type=process&processId={id}"))
            .await
            .expect(200);
        assert_eq!(
            array(&rooms, "/items").len(),
            1,
            "a process has one room: {rooms:#}"
        );
        Process {
            id,
            room: text(&rooms, "/items/0/id"),
            body,
        }
    }

    /// The process as it is now.
    pub async fn read(&self, process: &Process) -> Value {
        self.admin
            .get(&format!("/processes/{}", process.id))
            .await
            .expect(200)
    }

    /// Asks for a resource until it is as wanted.
    ///
    /// # Panics
    /// When it does not become so soon.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            let body = self.admin.get(path).await.expect(200);
            if wanted(&body) {
                return body;
            }
            assert!(
                Instant::now() < deadline,
                "{path} did not become as wanted: {body:#}"
            );
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until a process has this status.
    pub async fn ends(&self, process: &Process, status: &str) -> Value {
        self.until(&format!("/processes/{}", process.id), |body| {
            body["status"] == status
        })
        .await
    }

    /// The process's one open intervention, once there is one.
    pub async fn open_intervention(&self, process: &Process) -> Value {
        let path = format!("/processes/{}/interventions?status=pending", process.id);
        let list = self
            .until(&path, |body| !array(body, "/items").is_empty())
            .await;
        assert_eq!(
            array(&list, "/items").len(),
            1,
            "one question is open: {list:#}"
        );
        list["items"][0].clone()
    }

    /// Answers an intervention as the admin, which must succeed.
    pub async fn answer(&self, intervention: &Value, answer: &Value) -> Value {
        let path = format!("/interventions/{}", text(intervention, "/id"));
        self.admin.put(&path, answer).await.expect(200)
    }

    /// A room's whole log.
    pub async fn events(&self, room: &str) -> Vec<Value> {
        let (mut events, mut since) = (Vec::new(), 0);
        loop {
            let path = format!("/collaboration/rooms/{room}/events?since={since}&limit=200");
            let page = self.admin.get(&path).await.expect(200);
            events.extend_from_slice(array(&page, "/items"));
            match (page["more"].as_bool(), events.last()) {
                (Some(true), Some(last)) => since = crate::number(last, "/seq"),
                _ => return events,
            }
        }
    }
}
