//! Reads for monitoring: a workspace's rules for alerts, and how many alerts are open.

use rooms::id::WorkspaceId;
use rooms::model::monitoring::{AlertRule, AlertRules};

use crate::db::{Error, Store};

impl Store {
    /// A workspace's rules for alerts; the usual ones where it has set none.
    pub async fn alert_rules(&self, workspace: &WorkspaceId) -> Result<AlertRules, Error> {
        let sql = "SELECT data FROM alert_rules WHERE workspace_id = $1";
        let rows = self.query(sql, vec![workspace.as_str().into()]).await?;
        match rows.first() {
            Some(row) => Ok(serde_json::from_str(row.text(0))?),
            None => Ok(AlertRules {
                items: AlertRule::defaults(),
            }),
        }
    }

    /// Open alerts of all workspaces, by severity.
    pub async fn open_alerts(&self) -> Result<Vec<(String, u64)>, Error> {
        let sql = "SELECT severity, COUNT(*) FROM alerts WHERE resolved = 0 GROUP BY severity";
        let rows = self.query(sql, Vec::new()).await?;
        Ok(rows
            .iter()
            .map(|r| (r.text(0).to_owned(), r.count(1)))
            .collect())
    }
}
