//! Configuration: flags, then `BATON_*` from the environment, then `baton.toml`, then defaults.

use std::net::SocketAddr;
use std::path::PathBuf;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

use crate::retention::KEPT_ANYWAY;
use crate::span::Span;

/// What is in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `BATON_LISTEN`: the address to listen on.
    pub listen: SocketAddr,
    /// `DATABASE_URL`: `sqlite://FILE` or `postgres://…`.
    pub database_url: String,
    /// `REDIS_URL`: unset, one node.
    pub redis_url: Option<String>,
    /// `BATON_ADMIN_KEY`: the admin key, at least 32 characters; unset, one is made for an empty store.
    pub admin_key: Option<String>,
    /// `BATON_CORS_ORIGINS`: origins that browsers may call from, separated by commas; `*` is any.
    pub cors_origins: Option<String>,
    /// `BATON_WEBHOOKS_ALLOW_PRIVATE`: webhooks may lead to private and loopback addresses.
    pub webhooks_allow_private: bool,
    /// `BATON_RATE_LIMIT`: requests and commands per second that one key may send to a node; 0 is any number.
    pub rate_limit: u32,
    /// `BATON_RATE_BURST`: so many at once by a key that was silent before; 0 is as many as per second.
    pub rate_burst: u32,
    /// `BATON_CACHE_ROOMS`: rooms whose state is kept in memory; those that were used longest ago are read again when they are asked for.
    pub cache_rooms: u64,
    /// `BATON_RETENTION_ARCHIVE_AFTER`: rooms whose process has ended are archived once nothing has happened in them for so long.
    pub retention_archive_after: Span,
    /// `BATON_RETENTION_KEEP_FOR`: the log of an archived room is kept so much longer.
    pub retention_keep_for: Span,
    /// `BATON_RETENTION_EXPORT`: a folder that logs are written to before they are removed; unset, they are only removed.
    pub retention_export: Option<PathBuf>,
    /// `BATON_RETENTION_WINDOW`: how far back the logs of teams' and workspaces' rooms reach.
    pub retention_window: Span,
    /// `BATON_RETENTION_WINDOW_EVENTS`: so many events of each of them are kept; 0 is any number.
    pub retention_window_events: u64,
    /// `BATON_RETENTION_AUDIT`: how far back the audit reaches.
    pub retention_audit: Span,
    /// `BATON_LOG`: what to log, as `info` or `baton=debug,info`.
    pub log: String,
    /// `BATON_LOG_FORMAT`: `text` or `json`.
    pub log_format: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            database_url: "sqlite://baton.db".to_owned(),
            redis_url: None,
            admin_key: None,
            cors_origins: None,
            webhooks_allow_private: false,
            rate_limit: 20_000,
            rate_burst: 40_000,
            cache_rooms: 20_000,
            retention_archive_after: Span::hours(24),
            retention_keep_for: Span::hours(7 * 24),
            retention_export: None,
            retention_window: Span::hours(90 * 24),
            retention_window_events: 0,
            retention_audit: Span::hours(365 * 24),
            log: "info".to_owned(),
            log_format: "text".to_owned(),
        }
    }
}

impl Config {
    /// Reads the file and the environment; flags come on top, by the command line.
    pub fn load() -> Result<Self, String> {
        let names = Self::names();
        for (variable, _) in std::env::vars_os() {
            let variable = variable.to_string_lossy();
            if let Some(meant) = variable
                .strip_prefix("BATON_")
                .and_then(|v| meant(&names, v))
            {
                return Err(format!(
                    "{variable} is no setting; did you mean BATON_{meant}? `baton check-config` names all of them"
                ));
            }
        }
        // Whatever else is called BATON_…, such as what a cluster says of a service of that name, is no setting.
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let figment = Figment::from(Serialized::defaults(Self::default()))
            .merge(Toml::file("baton.toml"))
            .merge(Env::raw().only(&["database_url", "redis_url"]))
            .merge(Env::prefixed("BATON_").only(&known));
        let config: Self = figment
            .extract()
            .map_err(|e| format!("the configuration is not right: {e}"))?;
        config.check()?;
        Ok(config)
    }

    /// What the settings are called.
    fn names() -> Vec<String> {
        let all = serde_json::to_value(Self::default()).unwrap_or_default();
        all.as_object()
            .map(|all| all.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// What no type can say.
    pub fn check(&self) -> Result<(), String> {
        if self.admin_key.as_ref().is_some_and(|k| k.len() < 32) {
            return Err("BATON_ADMIN_KEY must have at least 32 characters; for example `openssl rand -hex 24`".to_owned());
        }
        if self.retention_export.as_ref().is_some_and(|f| !f.is_dir()) {
            return Err("BATON_RETENTION_EXPORT names no folder; make it first".to_owned());
        }
        if (1..KEPT_ANYWAY).contains(&self.retention_window_events) {
            return Err(format!(
                "BATON_RETENTION_WINDOW_EVENTS must be at least {KEPT_ANYWAY}, or 0 for any number"
            ));
        }
        if !["text", "json"].contains(&self.log_format.as_str()) {
            return Err(format!(
                "BATON_LOG_FORMAT is {:?}; use text or json",
                self.log_format
            ));
        }
        Ok(())
    }
}

/// The setting that was nearly written; none where it was written, or nothing like it.
fn meant(names: &[String], written: &str) -> Option<String> {
    let written = written.to_ascii_lowercase();
    let near = |name: &&String| {
        let slips = if name.len() > 5 { 2 } else { 1 };
        strsim::damerau_levenshtein(name, &written) <= slips
    };
    if names.contains(&written) {
        return None;
    }
    names
        .iter()
        .find(near)
        .map(|name| name.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_nearly_written_is_meant() {
        let names = Config::names();
        assert!(names.contains(&"redis_url".to_owned()));
        let meant = |written: &str| meant(&names, written);
        assert_eq!(meant("LISTN").as_deref(), Some("LISTEN"));
        assert_eq!(meant("LGO").as_deref(), Some("LOG"));
        assert_eq!(
            meant("RETENTION_WINDOW_EVENT").as_deref(),
            Some("RETENTION_WINDOW_EVENTS")
        );
        for fine in [
            "LISTEN",
            "log",
            "PORT",
            "SERVICE_HOST",
            "PORT_7400_TCP_ADDR",
            "TEST_BIN",
            "RETENTION_WINDOW",
        ] {
            assert_eq!(meant(fine), None, "{fine}");
        }
    }
}
