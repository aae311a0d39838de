//! Credentials and workspaces.

use rooms::id::{RoomId, WorkspaceId};
use rooms::model::access::{Permission, PrincipalKind};
use storage::Store;
use storage::keys::{NewKey, hash};
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{agent, make_workspace, person};

async fn with_spaces(store: &Store) {
    for id in ["one", "two"] {
        assert!(make_workspace(store, id, RoomId(Uuid::now_v7())).await);
    }
}

fn key(id: &str, space: &str) -> NewKey {
    NewKey {
        id: id.to_owned(),
        token: format!("bk_{id}_secret"),
        principal: person(space, "ann"),
        name: format!("key {id}"),
    }
}

on_both! {
    async fn a_workspace_is_made_once(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (first, second) = (RoomId(Uuid::now_v7()), RoomId(Uuid::now_v7()));
        assert!(make_workspace(&store, "main", first).await);
        assert!(!make_workspace(&store, "main", second).await);
        let all = store.workspaces().await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].name.as_str(), all[0].room_id), ("The workspace main", first));
        let age = chrono::Utc::now().timestamp_micros() - all[0].created_at.0;
        assert!(age.abs() < 60_000_000, "made now: {}", all[0].created_at);
    }

    async fn a_key_is_known_by_its_token_alone_and_kept_as_a_hash(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        with_spaces(&store).await;
        let mut new = key("k1", "one");
        new.principal.permission = Permission::Read;
        new.principal.bootstrap = true;
        store.keep_key(&new).await.unwrap();
        let (id, principal) = store.authenticate("bk_k1_secret").await.unwrap().unwrap();
        assert_eq!(id, "k1");
        assert_eq!(principal, new.principal);
        assert!(store.authenticate("bk_k1_other").await.unwrap().is_none());
        assert!(store.authenticate("").await.unwrap().is_none());
        let rows = store.query("SELECT hash FROM api_keys", Vec::new()).await.unwrap();
        assert_eq!(rows[0].text(0), hash("bk_k1_secret"));
        for (kind, permission) in [(PrincipalKind::Agent, Permission::Write), (PrincipalKind::Service, Permission::Admin)] {
            let mut new = key(kind.as_str(), "two");
            new.principal.kind = kind;
            new.principal.permission = permission;
            store.keep_key(&new).await.unwrap();
            let (_, found) = store.authenticate(&new.token).await.unwrap().unwrap();
            assert_eq!(found, new.principal);
        }
    }

    async fn a_key_of_the_same_id_is_replaced(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        with_spaces(&store).await;
        store.keep_key(&key("k1", "one")).await.unwrap();
        let again = NewKey { token: "another".to_owned(), ..key("k1", "one") };
        store.keep_key(&again).await.unwrap();
        assert!(store.authenticate("bk_k1_secret").await.unwrap().is_none());
        assert!(store.authenticate("another").await.unwrap().is_some());
        assert_eq!(store.keys(None).await.unwrap().len(), 1);
    }

    async fn keys_are_listed_and_revoked_within_their_workspace(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        with_spaces(&store).await;
        let one = WorkspaceId::from("one");
        store.keep_key(&key("k1", "one")).await.unwrap();
        store.keep_key(&key("k2", "one")).await.unwrap();
        store.keep_key(&key("k3", "two")).await.unwrap();
        let robot = NewKey { principal: agent("one", "robot"), ..key("k4", "one") };
        store.keep_key(&robot).await.unwrap();
        let names = |keys: Vec<storage::keys::KeyInfo>| keys.into_iter().map(|k| k.id).collect::<Vec<_>>();
        assert_eq!(names(store.keys(Some(&one)).await.unwrap()), ["k1", "k2", "k4"]);
        assert_eq!(store.keys(None).await.unwrap().len(), 4);

        assert_eq!(store.revoke_keys(&one, Some("k3"), None).await.unwrap(), 0, "another workspace's");
        let revoked = async |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            store.revoked(&ids).await.unwrap()
        };
        assert_eq!(revoked(&["k1", "k3"]).await, Vec::<String>::new());
        assert_eq!(store.revoke_keys(&one, Some("k1"), None).await.unwrap(), 1);
        assert_eq!(store.revoke_keys(&one, Some("k1"), None).await.unwrap(), 0, "once");
        assert_eq!(revoked(&["k1", "k2", "no such key"]).await, ["k1", "no such key"], "what is gone counts as revoked");
        assert!(store.authenticate("bk_k1_secret").await.unwrap().is_none());
        assert_eq!(store.revoke_keys(&one, None, Some(("agent", "robot"))).await.unwrap(), 1);
        assert_eq!(store.revoke_keys(&one, Some("k2"), Some(("agent", "robot"))).await.unwrap(), 0, "not its own");
        let listed = store.keys(Some(&one)).await.unwrap();
        let info = listed.iter().find(|k| k.id == "k4").unwrap();
        assert_eq!((info.principal.as_str(), info.permission.as_str(), info.name.as_str()), ("agent:robot", "write", "key k4"));
        assert!(info.revoked_at.unwrap() >= info.created_at);
    }

    async fn a_key_needs_its_workspace(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        assert!(store.keep_key(&key("k1", "nowhere")).await.is_err());
        assert!(store.keys(None).await.unwrap().is_empty());
    }
}
