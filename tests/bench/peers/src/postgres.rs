//! PostgreSQL with its default durability: `cqrs-es` with `postgres-es`, and plain SQL through `sqlx`.
//!
//! Both take one transaction a commit: neither can put the commits of several callers into one, so nothing stands in
//! front of them, and PostgreSQL shares its own flushes between sessions. Sessions are not asked whether they are there
//! before they are used; the pool asks when `postgres-es` gives one back, and leaves no choice about it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bishui::bench::subject::{Subject, failed};
use bishui::bench::workload::{Fact, KIND, Run, Tally};
use bishui::bench::writers::Timed;
use bishui_infra::event_log::LogError;
use cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use futures_util::TryStreamExt;
use postgres_es::PostgresEventRepository;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::aggregate::Section;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Through the event repository of `postgres-es`, without loading the aggregate or running a command.
    CqrsEs,
    /// One `INSERT … SELECT unnest` that compares every stream's newest version.
    Sql,
}

impl Manner {
    fn schema(self, table: &str) -> String {
        match self {
            Self::CqrsEs => format!(
                "CREATE TABLE IF NOT EXISTS {table} (aggregate_type text NOT NULL, aggregate_id text NOT NULL,
                 sequence bigint CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL,
                 payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))"
            ),
            Self::Sql => format!(
                "CREATE TABLE IF NOT EXISTS {table} (position bigserial PRIMARY KEY, stream bigint NOT NULL,
                 version bigint NOT NULL, payload text NOT NULL, UNIQUE (stream, version))"
            ),
        }
    }
}

/// A table of events.
pub(crate) struct Postgres {
    runtime: Runtime,
    manner: Manner,
    pool: PgPool,
    table: String,
}

impl Postgres {
    /// Opens the table, and makes it when it is not there.
    pub(crate) fn open(url: &str, table: &str, manner: Manner, sessions: u32) -> Result<Self, LogError> {
        let runtime = Runtime::new().map_err(|error| failed("the runtime", error))?;
        let pool = runtime.block_on(async {
            let pool = PgPoolOptions::new().max_connections(sessions).test_before_acquire(false).connect(url).await?;
            sqlx::query(&manner.schema(table)).execute(&pool).await?;
            Ok::<_, sqlx::Error>(pool)
        });
        Ok(Self { runtime, manner, pool: pool.map_err(sql)?, table: table.to_owned() })
    }

    /// Removes the table.
    pub(crate) fn remove(self) -> Result<(), LogError> {
        let query = format!("DROP TABLE {}", self.table);
        self.runtime.block_on(sqlx::query(&query).execute(&self.pool)).map_err(sql).map(drop)
    }

    /// Bytes of the table with its indexes.
    pub(crate) fn bytes(&self) -> Result<u64, LogError> {
        let query = format!("SELECT pg_total_relation_size('{}')", self.table);
        let size = self.runtime.block_on(sqlx::query_scalar::<_, i64>(&query).fetch_one(&self.pool)).map_err(sql)?;
        Ok(size.cast_unsigned())
    }

    fn writer(&self) -> Writer {
        match self.manner {
            Manner::CqrsEs => {
                let repository = PostgresEventRepository::new(self.pool.clone());
                Writer::CqrsEs(Arc::new(repository.with_tables(&self.table, "snapshots")))
            }
            Manner::Sql => Writer::Sql(self.pool.clone(), self.table.clone()),
        }
    }
}

impl Subject for Postgres {
    fn append(&self, run: Run) -> Result<Timed, LogError> {
        let start = Instant::now();
        let commits = self.runtime.block_on(async {
            if run.writers == 1 {
                return self.writer().run(run, 0).await;
            }
            let writers: JoinSet<_> = (0..run.writers).map(|number| self.writer().run(run, number)).collect();
            writers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().map(|commits| commits.concat())
        })?;
        Ok(Timed { elapsed: start.elapsed(), commits })
    }

    fn replay(&self) -> Result<Tally, LogError> {
        self.runtime.block_on(async {
            match self.writer() {
                Writer::CqrsEs(repository) => replay_aggregates(&repository).await,
                Writer::Sql(pool, table) => replay_rows(&pool, &table).await,
            }
        })
    }
}

enum Writer {
    CqrsEs(Arc<PostgresEventRepository>),
    Sql(PgPool, String),
}

impl Writer {
    async fn run(self, run: Run, number: u64) -> Result<Vec<Duration>, LogError> {
        let mut commits = Vec::new();
        match self {
            Self::CqrsEs(repository) => {
                for facts in run.commits(number) {
                    let start = Instant::now();
                    persist(&repository, &facts).await?;
                    commits.push(start.elapsed());
                }
            }
            Self::Sql(pool, table) => {
                let mut session = pool.acquire().await.map_err(sql)?;
                for facts in run.commits(number) {
                    let start = Instant::now();
                    insert(&mut session, &table, &facts).await?;
                    commits.push(start.elapsed());
                }
            }
        }
        Ok(commits)
    }
}

async fn persist(repository: &PostgresEventRepository, facts: &[Fact]) -> Result<(), LogError> {
    let mut events = Vec::with_capacity(facts.len());
    for fact in facts {
        let payload = serde_json::from_str(fact.payload).map_err(|error| failed("a payload", error))?;
        let version = usize::try_from(fact.version).map_err(|error| failed("a version", error))?;
        events.push(SerializedEvent::new(
            fact.stream.to_string(),
            version,
            "section".into(),
            KIND.into(),
            "1".into(),
            payload,
            json!({}),
        ));
    }
    repository.persist::<Section>(&events, None).await.map_err(|error| failed("postgres-es", error))
}

async fn replay_aggregates(repository: &PostgresEventRepository) -> Result<Tally, LogError> {
    let mut tally = Tally::default();
    let stream = repository.stream_all_events::<Section>().await;
    let mut stream = stream.map_err(|error| failed("postgres-es", error))?;
    while let Some(event) = stream.next::<Section>(&[]).await {
        let event = event.map_err(|error| failed("postgres-es", error))?;
        let number = event.aggregate_id.parse::<u64>().map_err(|error| failed("an aggregate's id", error))?;
        tally.count(number, event.payload.is_unmet())?;
    }
    Ok(tally)
}

async fn insert(session: &mut PgConnection, table: &str, facts: &[Fact]) -> Result<(), LogError> {
    let streams: Vec<i64> = facts.iter().map(|fact| fact.stream.cast_signed()).collect();
    let versions: Vec<i64> = facts.iter().map(|fact| fact.version.cast_signed()).collect();
    let payloads: Vec<&str> = facts.iter().map(|fact| fact.payload).collect();
    // An event is taken when its predecessor is there or in the same statement; one that exists breaks the unique key.
    let query = format!(
        "INSERT INTO {table} (stream, version, payload)
         SELECT n.stream, n.version, n.payload
         FROM unnest($1::bigint[], $2::bigint[], $3::text[]) WITH ORDINALITY AS n (stream, version, payload, place)
         WHERE n.version = 1 OR EXISTS (SELECT FROM {table} e WHERE e.stream = n.stream AND e.version = n.version - 1)
            OR (n.stream, n.version - 1) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))
         ORDER BY n.place"
    );
    let done = sqlx::query(&query).bind(&streams).bind(&versions).bind(&payloads).execute(session).await.map_err(sql)?;
    if done.rows_affected() == facts.len() as u64 {
        return Ok(());
    }
    Err(LogError::Corrupt { what: "a stream is not at the version expected".into() })
}

async fn replay_rows(pool: &PgPool, table: &str) -> Result<Tally, LogError> {
    let mut tally = Tally::default();
    let query = format!("SELECT stream, payload FROM {table} ORDER BY position");
    let mut rows = sqlx::query_as::<_, (i64, String)>(&query).fetch(pool);
    while let Some((stream, payload)) = rows.try_next().await.map_err(sql)? {
        tally.count_payload(stream.cast_unsigned(), payload.as_bytes())?;
    }
    Ok(tally)
}

fn sql(error: sqlx::Error) -> LogError {
    failed("PostgreSQL", error)
}
