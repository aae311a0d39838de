//! Figures over a workspace's processes: sums over the read model, each found by an index within the time that is asked for.

use rooms::Timestamp;
use rooms::id::{AgentId, TeamId, WorkspaceId};
use rooms::model::analytics::{
    AgentUse, AlertFigures, Analytics, InterventionFigures, SlowStep, Standing, Throughput,
};
use rooms::model::monitoring::Severity;

use crate::db::{Conn, Error, Kind, Store, Value};

/// The slowest steps that are told.
const SLOWEST: usize = 10;
/// Agents that are told of.
const AGENTS: usize = 200;
/// Recommendations that are told.
const RECOMMENDATIONS: usize = 20;
/// So many ended attempts say how an agent does.
pub const RECORD: u64 = 100;

/// The figures that are asked for.
#[derive(Clone, Debug)]
pub struct Span {
    /// From.
    pub since: Timestamp,
    /// To, which is not in it.
    pub until: Timestamp,
    /// Into how many equal parts throughput is told.
    pub buckets: u64,
    /// Only of this team.
    pub team: Option<TeamId>,
}

/// A query's condition: the workspace is `$1`, the time `$2` to `$3`, the team `$4` where one was named.
struct Scope {
    args: Vec<Value>,
    team: &'static str,
}

impl Scope {
    fn of(workspace: &WorkspaceId, span: &Span) -> Self {
        let mut args = vec![
            workspace.as_str().into(),
            span.since.into(),
            span.until.into(),
        ];
        args.extend(span.team.map(|team| Value::Uuid(team.0)));
        let team = if span.team.is_some() {
            " AND team_id = $4"
        } else {
            ""
        };
        Self { args, team }
    }

    fn with(&self, more: Value) -> (Vec<Value>, usize) {
        let mut args = self.args.clone();
        args.push(more);
        let at = args.len();
        (args, at)
    }
}

impl Store {
    /// A workspace's figures over a time, all of one moment.
    pub async fn analytics(
        &self,
        workspace: &WorkspaceId,
        span: &Span,
    ) -> Result<Analytics, Error> {
        let mut conn = self.begin_snapshot().await?;
        let scope = Scope::of(workspace, span);
        let throughput = throughput(&mut conn, &scope, span).await?;
        let sum = |of: fn(&Throughput) -> u64| throughput.iter().map(of).sum::<u64>();
        let (completed, failed) = (sum(|t| t.completed), sum(|t| t.failed));
        let figures = Analytics {
            since: span.since,
            until: span.until,
            team_id: span.team,
            success_rate: (completed + failed > 0).then(|| percent(completed, completed + failed)),
            throughput,
            standing: standing(&mut conn, workspace, span.team).await?,
            slowest_steps: slowest_steps(&mut conn, &scope).await?,
            agent_utilization: agents(&mut conn, &scope, workspace, span).await?,
            interventions: interventions(&mut conn, &scope).await?,
            alerts: alerts(&mut conn, &scope, workspace, span).await?,
            recommendations: recommendations(&mut conn, &scope).await?,
        };
        conn.commit().await?;
        Ok(figures)
    }

    /// Of each agent: how many of its newest ended attempts were completed, and how many were completed, failed or lost.
    pub async fn records(
        &self,
        workspace: &WorkspaceId,
        ids: &[AgentId],
    ) -> Result<Vec<(AgentId, u64, u64)>, Error> {
        let newest = format!(
            "(SELECT t.status FROM attempts t WHERE t.workspace_id = a.workspace_id AND t.agent_id = a.id \
             AND t.held_until IS NOT NULL AND t.status IN ('completed', 'failed', 'expired') \
             ORDER BY t.held_until DESC LIMIT {RECORD}) AS n"
        );
        let sql = format!(
            "SELECT a.id, (SELECT COUNT(*) FROM {newest} WHERE n.status = 'completed'), (SELECT COUNT(*) FROM {newest}) \
             FROM agents a WHERE a.workspace_id = $1 AND a.id {}",
            self.among(Kind::Text, 2)
        );
        let ids = ids.iter().map(|a| a.0.clone()).collect();
        let args = vec![workspace.as_str().into(), Value::Texts(ids)];
        let rows = self.query(&sql, args).await?;
        Ok(rows
            .iter()
            .map(|r| (r.text(0).into(), r.count(1), r.count(2)))
            .collect())
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

fn mean(sum: u64, count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    sum as f64 / count as f64
}

async fn throughput(conn: &mut Conn, scope: &Scope, span: &Span) -> Result<Vec<Throughput>, Error> {
    let buckets = span.buckets.max(1);
    let whole = u64::try_from(span.until.0 - span.since.0).unwrap_or(0);
    // Rounded up, so that the last part ends with the time or after it.
    let width = whole.div_ceil(buckets).max(1);
    let mut parts: Vec<Throughput> = (0..buckets)
        .map(|n| Throughput {
            at: Timestamp(
                span.since
                    .0
                    .saturating_add(i64::try_from(n * width).unwrap_or(i64::MAX)),
            ),
            completed: 0,
            failed: 0,
            cancelled: 0,
        })
        .collect();
    let (args, at) = scope.with(width.into());
    let sql = format!(
        "SELECT (ended_at - $2) / ${at} AS part, status, COUNT(*) FROM processes \
         WHERE workspace_id = $1 AND ended_at >= $2 AND ended_at < $3{} GROUP BY part, status",
        scope.team
    );
    for row in conn.query(&sql, args).await? {
        let part = usize::try_from(row.int(0)).ok();
        let Some(part) = part.and_then(|n| parts.get_mut(n)) else {
            continue;
        };
        match row.text(1) {
            "completed" => part.completed += row.count(2),
            "failed" => part.failed += row.count(2),
            _ => part.cancelled += row.count(2),
        }
    }
    Ok(parts)
}

async fn standing(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    team: Option<TeamId>,
) -> Result<Standing, Error> {
    let mut args = vec![workspace.as_str().into()];
    args.extend(team.map(|team| Value::Uuid(team.0)));
    let of_team = if team.is_some() {
        " AND team_id = $2"
    } else {
        ""
    };
    let open = ["pending", "running", "paused"];
    // One after another, which only counts entries of an index: to group them would take longer than to count them.
    let counts = open.map(|status| {
        format!("(SELECT COUNT(*) FROM processes WHERE workspace_id = $1{of_team} AND status = '{status}')")
    });
    // An open question is one of an open process: what ends closes its questions.
    let questions = conn.by_index("interventions", "interventions_open");
    let waiting = if team.is_some() {
        format!(
            "SELECT COUNT(*) FROM processes WHERE workspace_id = $1{of_team} AND status IN ('{}') \
             AND EXISTS (SELECT 1 FROM {questions} WHERE interventions.workspace_id = $1 \
             AND interventions.process_id = processes.id AND interventions.status = 'pending')",
            open.join("', '")
        )
    } else {
        // In the order of the index.
        format!(
            "SELECT COUNT(*) FROM (SELECT DISTINCT process_id FROM {questions} WHERE workspace_id = $1 AND status = 'pending') AS waiting"
        )
    };
    let sql = format!("SELECT {}, ({waiting})", counts.join(", "));
    let rows = conn.query(&sql, args).await?;
    let count = |n| rows.first().map_or(0, |r| r.count(n));
    Ok(Standing {
        pending: count(0),
        running: count(1),
        paused: count(2),
        waiting: count(3),
    })
}

async fn slowest_steps(conn: &mut Conn, scope: &Scope) -> Result<Vec<SlowStep>, Error> {
    let team = scope.team;
    let sql = format!(
        "SELECT name, COUNT(*), CAST(SUM(took_ms) AS BIGINT), MAX(took_ms) FROM steps \
         WHERE workspace_id = $1 AND completed_at >= $2 AND completed_at < $3{team} \
         GROUP BY name ORDER BY SUM(took_ms) / COUNT(*) DESC, name LIMIT {SLOWEST}"
    );
    let mut found = Vec::new();
    let by_name = conn.query(&sql, scope.args.clone()).await?;
    for row in &by_name {
        let (mut args, name) = scope.with(row.text(0).into());
        args.push(row.int(3).into());
        let sql = format!(
            "SELECT process_id FROM steps WHERE workspace_id = $1 AND completed_at >= $2 AND completed_at < $3{team} \
             AND name = ${name} AND took_ms = ${} ORDER BY id DESC LIMIT 1",
            name + 1
        );
        if let Some(slowest) = conn.query(&sql, args).await?.first() {
            found.push(SlowStep {
                name: row.text(0).to_owned(),
                count: row.count(1),
                average: mean(row.count(2), row.count(1)),
                slowest: row.count(3),
                process_id: slowest.uuid(0).into(),
            });
        }
    }
    Ok(found)
}

async fn agents(
    conn: &mut Conn,
    scope: &Scope,
    workspace: &WorkspaceId,
    span: &Span,
) -> Result<Vec<AgentUse>, Error> {
    // From agent to agent, so that each is found by its index: SQLite joins what is crossed in the order in which it is written.
    let team = if span.team.is_some() {
        " AND t.team_id = $4"
    } else {
        ""
    };
    let sql = format!(
        "SELECT a.id, t.status, COUNT(*), \
         CAST(SUM(t.held_until - CASE WHEN t.held_from < $2 THEN $2 ELSE t.held_from END) AS BIGINT), \
         CAST(SUM(t.held_until - t.held_from) AS BIGINT) \
         FROM agents a CROSS JOIN attempts t \
         WHERE a.workspace_id = $1 AND t.workspace_id = $1 AND t.agent_id = a.id AND t.held_until >= $2 AND t.held_until < $3{team} GROUP BY a.id, t.status ORDER BY a.id"
    );
    let mut found: Vec<(AgentUse, u64)> = Vec::new();
    for row in conn.query(&sql, scope.args.clone()).await? {
        if found
            .last()
            .is_none_or(|l| l.0.agent_id.as_str() != row.text(0))
        {
            let new = AgentUse {
                agent_id: row.text(0).into(),
                task_count: 0,
                success_count: 0,
                error_count: 0,
                busy_ms: 0,
                average_completion_time: 0.0,
                utilization: 0.0,
            };
            found.push((new, 0));
        }
        let Some((agent, took)) = found.last_mut() else {
            continue;
        };
        let count = row.count(2);
        agent.task_count += count;
        agent.busy_ms += row.count(3) / 1_000;
        match row.text(1) {
            "completed" => {
                agent.success_count += count;
                *took += row.count(4);
            }
            "failed" | "expired" => agent.error_count += count,
            _ => {}
        }
    }
    found.sort_by_key(|(agent, _)| std::cmp::Reverse(agent.busy_ms));
    found.truncate(AGENTS);
    let ids = found.iter().map(|(a, _)| a.agent_id.0.clone()).collect();
    let sql = format!(
        "SELECT data FROM agents WHERE workspace_id = $1 AND id {}",
        conn.among(Kind::Text, 2)
    );
    let args = vec![workspace.as_str().into(), Value::Texts(ids)];
    let mut slots = std::collections::BTreeMap::new();
    for row in conn.query(&sql, args).await? {
        let agent: rooms::model::agent::Agent = serde_json::from_str(row.text(0))?;
        slots.insert(agent.id, u64::from(agent.slots.max(1)));
    }
    let window = span.until.ms_since(span.since).max(1);
    Ok(found
        .into_iter()
        .map(|(mut agent, took)| {
            agent.average_completion_time = mean(took, agent.success_count) / 1_000.0;
            let slots = slots.get(&agent.agent_id).copied().unwrap_or(1);
            agent.utilization = percent(agent.busy_ms, window.saturating_mul(slots));
            agent
        })
        .collect())
}

async fn interventions(conn: &mut Conn, scope: &Scope) -> Result<InterventionFigures, Error> {
    // An intervention knows its process, which knows its team.
    let team = if scope.team.is_empty() {
        ""
    } else {
        " AND process_id IN (SELECT id FROM processes WHERE workspace_id = $1 AND team_id = $4)"
    };
    let asked = format!("workspace_id = $1 AND requested_at >= $2 AND requested_at < $3{team}");
    let now = conn.now().await?;
    let (args, at) = scope.with(now.into());
    // One after another, which only counts entries of an index: to group them would take longer than to count them.
    let due = format!("COUNT(CASE WHEN due_at < ${at} THEN 1 END)");
    let took = "CAST(COALESCE(SUM(closed_at - requested_at), 0) AS BIGINT)";
    let counts = [
        ("pending", due.as_str(), "0"),
        ("completed", "0", took),
        ("expired", "0", "0"),
        ("cancelled", "0", "0"),
    ]
    .map(|(status, due, took)| {
        format!(
            "SELECT '{status}', COUNT(*), {due}, {took} FROM interventions WHERE {asked} AND status = '{status}'"
        )
    });
    let mut figures = InterventionFigures {
        requested: 0,
        completed: 0,
        expired: 0,
        cancelled: 0,
        pending: 0,
        overdue: 0,
        average_response_time: None,
    };
    for row in conn.query(&counts.join(" UNION ALL "), args).await? {
        let count = row.count(1);
        figures.requested += count;
        match row.text(0) {
            "completed" if count > 0 => {
                figures.completed = count;
                figures.average_response_time = Some(mean(row.count(3), count) / 1_000.0);
            }
            "completed" => {}
            "expired" => figures.expired = count,
            "cancelled" => figures.cancelled = count,
            _ => {
                figures.pending = count;
                figures.overdue = row.count(2);
            }
        }
    }
    Ok(figures)
}

async fn alerts(
    conn: &mut Conn,
    scope: &Scope,
    workspace: &WorkspaceId,
    span: &Span,
) -> Result<AlertFigures, Error> {
    let sql = format!(
        "SELECT COUNT(*) FROM alerts WHERE workspace_id = $1 AND raised_at >= $2 AND raised_at < $3{}",
        scope.team
    );
    let raised = conn.query(&sql, scope.args.clone()).await?;
    let mut args = vec![workspace.as_str().into()];
    args.extend(span.team.map(|team| Value::Uuid(team.0)));
    let team = if span.team.is_some() {
        " AND team_id = $2"
    } else {
        ""
    };
    let sql = format!(
        "SELECT severity, COUNT(*) FROM alerts WHERE workspace_id = $1 AND resolved = 0{team} GROUP BY severity"
    );
    let mut figures = AlertFigures {
        raised: raised.first().map_or(0, |r| r.count(0)),
        open: 0,
        open_by_severity: Severity::ALL
            .map(|s| (s.as_str().to_owned(), 0))
            .into_iter()
            .collect(),
    };
    for row in conn.query(&sql, args).await? {
        figures.open += row.count(1);
        figures
            .open_by_severity
            .insert(row.text(0).to_owned(), row.count(1));
    }
    Ok(figures)
}

async fn recommendations(
    conn: &mut Conn,
    scope: &Scope,
) -> Result<Vec<rooms::model::monitoring::Recommendation>, Error> {
    let sql = format!(
        "SELECT data FROM recommendations WHERE workspace_id = $1 AND made_at >= $2 AND made_at < $3{} \
         ORDER BY made_at DESC, id DESC LIMIT {RECOMMENDATIONS}",
        scope.team
    );
    let rows = conn.query(&sql, scope.args.clone()).await?;
    rows.iter()
        .map(|r| Ok(serde_json::from_str(r.text(0))?))
        .collect()
}
