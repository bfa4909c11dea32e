//! The same reads as a program would write them without turngraph: SQL on the four tables, rows put
//! into JSON by this process.

use std::time::Instant;

use sqlx::{Connection, PgConnection, Row};

use crate::measure::cpu_ticks;
use crate::times::Times;
use crate::{ACCOUNT, data};

const HISTORY: &str = "select uid, title, created_at::text from sessions \
    where account_uid = $1 and deleted_at is null order by created_at desc, uid desc limit 20";
const SESSION: &str = "select uid, title, created_at::text from sessions where uid = $1";
const HUMANS: &str = "select uid, parent_uid, active_child, created_at::text, prompt \
    from human_turns where session_uid = $1 order by seq";
const AGENTS: &str = "select uid, parent_uid, active_child, created_at::text, liked \
    from agent_turns where session_uid = $1 order by seq";
const STEPS: &str = "select s.agent_turn_uid, s.idx, s.tpe, s.content, s.created_at::text \
    from agent_turns t join steps s on s.agent_turn_uid = t.uid \
    where t.session_uid = $1 order by s.agent_turn_uid, s.idx";
/// The branches at each turn of a path, turn by turn upwards: what a tree in SQL comes to.
const PATH: &str = "with recursive turns as ( \
        select uid, parent_uid from human_turns where session_uid = $1 \
        union all select uid, parent_uid from agent_turns where session_uid = $1), \
    path as ( \
        select uid, parent_uid from turns where uid = $2 \
        union all select t.uid, t.parent_uid from turns t join path p on t.uid = p.parent_uid) \
    select p.uid, s.uid from path p join turns s on s.parent_uid is not distinct from p.parent_uid";

/// Measures each read `loads` times.
pub(crate) async fn measure(url: &str, turns: usize, loads: usize) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    for (name, statements) in [("conversation", 4), ("branches", 1), ("history", 1)] {
        once(&mut connection, name, turns).await?;
        let (mut times, mut bytes) = (Times::default(), 0);
        let cpu = cpu_ticks()?;
        for _ in 0..loads {
            let begun = Instant::now();
            bytes = once(&mut connection, name, turns).await?.len();
            times.note(begun.elapsed());
        }
        // The kernel counts in hundredths of a second on every platform that we build for.
        let cpu = (cpu_ticks()? - cpu) as f64 * 10_000.0 / loads as f64;
        println!(
            "source=SQL turns={turns} {name}: {times} cpu={cpu:.0} us requests: postgres \
             {statements}.00 bytes={bytes}"
        );
    }
    Ok(())
}

async fn once(it: &mut PgConnection, name: &str, turns: usize) -> anyhow::Result<Vec<u8>> {
    let uid = data::session_uid(turns);
    let value = match name {
        "conversation" => {
            let mut all = Vec::new();
            for statement in [SESSION, HUMANS, AGENTS, STEPS] {
                let rows = sqlx::query(statement)
                    .bind(&uid)
                    .fetch_all(&mut *it)
                    .await?;
                let rows: anyhow::Result<Vec<_>> = rows.iter().map(json).collect();
                all.push(serde_json::Value::Array(rows?));
            }
            all.into()
        }
        "branches" => {
            let query = sqlx::query(PATH).bind(&uid).bind(data::middle_turn(turns));
            let rows = query.fetch_all(&mut *it).await?;
            rows.iter()
                .map(json)
                .collect::<anyhow::Result<Vec<_>>>()?
                .into()
        }
        _ => {
            let rows = sqlx::query(HISTORY)
                .bind(ACCOUNT)
                .fetch_all(&mut *it)
                .await?;
            rows.iter()
                .map(json)
                .collect::<anyhow::Result<Vec<_>>>()?
                .into()
        }
    };
    let value: serde_json::Value = value;
    Ok(serde_json::to_vec(&value)?)
}

fn json(row: &sqlx::postgres::PgRow) -> anyhow::Result<serde_json::Value> {
    let mut values = Vec::with_capacity(row.len());
    for at in 0..row.len() {
        let value = match row.try_get::<Option<&str>, _>(at) {
            Ok(text) => serde_json::json!(text),
            Err(_) => match row.try_get::<Option<i32>, _>(at) {
                Ok(number) => serde_json::json!(number),
                Err(_) => serde_json::json!(row.try_get::<Option<bool>, _>(at)?),
            },
        };
        values.push(value);
    }
    Ok(values.into())
}
