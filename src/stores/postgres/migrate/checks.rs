//! The census as a list: which rows stand in the way of a key, which are odd, and what repairs them.
//!
//! Every query gives the keys of the rows concerned as one column of text.

/// What follows from a check that finds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The database is not adopted.
    Refused,
    /// Repaired on request, else refused.
    Repaired,
    /// Adopted as it is and told.
    Reported,
}

/// One question to the rows.
#[derive(Debug)]
pub(super) struct Check {
    /// Name of the rule.
    pub rule: &'static str,
    /// What follows.
    pub outcome: Outcome,
    /// Tables that must exist for the check.
    pub tables: &'static [&'static str],
    /// What was found; the number comes before it.
    pub message: &'static str,
    /// Keys of the rows concerned.
    pub query: &'static str,
    /// SQL that repairs, or helps to.
    pub repair: Option<&'static str>,
}

/// Rule of the one kind of row that is repaired.
pub(super) const DUPLICATE_ROW: &str = "duplicate_row";

/// Whether a column is no key: missing, empty, longer than 128 bytes, with control characters.
macro_rules! bad_key {
    ($column:literal) => {
        concat!(
            "(",
            $column,
            " is null or ",
            $column,
            " = '' or octet_length(",
            $column,
            ") > 128 or ",
            $column,
            " ~ '[\\u0001-\\u001f\\u007f-\\u009f]')"
        )
    };
}

/// The checks that each table with a single key gets: exact duplicates, other duplicates.
macro_rules! duplicates {
    ($table:literal, $key:literal, $shown:literal, $columns:literal) => {
        [
            Check {
                rule: DUPLICATE_ROW,
                outcome: Outcome::Repaired,
                tables: &[$table],
                message: concat!("rows of ", $table, " exist twice, with equal columns"),
                query: concat!(
                    "select ",
                    $shown,
                    " from ",
                    $table,
                    " where (",
                    $key,
                    ") in (select ",
                    $key,
                    " from ",
                    $table,
                    " group by ",
                    $key,
                    " having count(*) > 1) group by ",
                    $key,
                    " having count(distinct row(",
                    $columns,
                    ")::text) = 1"
                ),
                repair: Some(concat!(
                    "delete from ",
                    $table,
                    " where ctid in (select ctid from (select ctid, \
                     row_number() over (partition by ",
                    $columns,
                    " order by ctid) as copy from ",
                    $table,
                    " where (",
                    $key,
                    ") in (select ",
                    $key,
                    " from ",
                    $table,
                    " group by ",
                    $key,
                    " having count(*) > 1)) copies where copy > 1);"
                )),
            },
            Check {
                rule: "duplicate_key",
                outcome: Outcome::Refused,
                tables: &[$table],
                message: concat!("keys of ", $table, " stand for several rows that differ"),
                query: concat!(
                    "select ",
                    $shown,
                    " from ",
                    $table,
                    " where (",
                    $key,
                    ") in (select ",
                    $key,
                    " from ",
                    $table,
                    " group by ",
                    $key,
                    " having count(*) > 1) group by ",
                    $key,
                    " having count(distinct row(",
                    $columns,
                    ")::text) > 1"
                ),
                repair: Some(concat!(
                    "select ctid, * from ",
                    $table,
                    " where (",
                    $key,
                    ") in (select ",
                    $key,
                    " from ",
                    $table,
                    " group by ",
                    $key,
                    " having count(*) > 1) order by ",
                    $key,
                    "; -- then, for every row but the one to keep: delete from ",
                    $table,
                    " where ctid = <its ctid>"
                )),
            },
        ]
    };
}

/// Turns that cannot be addressed.
macro_rules! bad_turn_keys {
    ($table:literal) => {
        Check {
            rule: "bad_key",
            outcome: Outcome::Refused,
            tables: &[$table],
            message: concat!(
                "rows of ",
                $table,
                " have a uid or session_uid that is null, empty, over 128 bytes or has control \
                 characters"
            ),
            query: concat!(
                "select coalesce(uid, '(null)') from ",
                $table,
                " where ",
                bad_key!("uid"),
                " or ",
                bad_key!("session_uid")
            ),
            repair: Some(concat!(
                "update ",
                $table,
                " set uid = gen_random_uuid()::text where uid is null or uid = ''; -- and \
                 session_uid to the session's key; or delete these rows"
            )),
        }
    };
}

/// All checks, in the order in which they are reported.
pub(super) fn all() -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(KEYS);
    checks.extend(duplicates!(
        "sessions",
        "uid",
        "uid",
        "uid, account_uid, title, created_at, deleted_at"
    ));
    checks.extend(duplicates!(
        "human_turns",
        "uid",
        "uid",
        "uid, session_uid, parent_uid, active_child, prompt, created_at"
    ));
    checks.extend(duplicates!(
        "agent_turns",
        "uid",
        "uid",
        "uid, session_uid, parent_uid, active_child, liked, created_at"
    ));
    checks.extend(duplicates!(
        "steps",
        "agent_turn_uid, idx",
        "agent_turn_uid || ' step ' || idx",
        "agent_turn_uid, idx, tpe, content, created_at"
    ));
    checks.extend(REPORTED);
    checks
}

const KEYS: [Check; 7] = [
    Check {
        rule: "two_accounts",
        outcome: Outcome::Refused,
        tables: &["sessions"],
        message: "sessions belong to two accounts",
        query: "select uid from sessions group by uid having count(distinct account_uid) > 1",
        repair: Some(
            "delete from sessions where uid = '…' and account_uid = '…'; -- the account that it \
             does not belong to",
        ),
    },
    Check {
        rule: "null_account",
        outcome: Outcome::Refused,
        tables: &["sessions"],
        message: "sessions have an account_uid that is null, empty, over 128 bytes or has control \
                  characters",
        query: concat!(
            "select coalesce(uid, '(null)') from sessions where ",
            bad_key!("account_uid")
        ),
        repair: Some("update sessions set account_uid = 'nobody' where account_uid is null;"),
    },
    Check {
        rule: "bad_key",
        outcome: Outcome::Refused,
        tables: &["sessions"],
        message: "sessions have a uid that is null, empty, over 128 bytes or has control characters",
        query: concat!(
            "select coalesce(uid, '(null)') from sessions where ",
            bad_key!("uid")
        ),
        repair: Some(
            "update sessions set uid = gen_random_uuid()::text where uid is null or uid = '';",
        ),
    },
    bad_turn_keys!("human_turns"),
    bad_turn_keys!("agent_turns"),
    Check {
        rule: "bad_key",
        outcome: Outcome::Refused,
        tables: &["steps"],
        message: "steps have an agent_turn_uid that is null, empty, over 128 bytes or has control \
                  characters, or no idx",
        query: concat!(
            "select coalesce(agent_turn_uid, '(null)') || ' step ' || coalesce(idx::text, '(null)') \
             from steps where idx is null or ",
            bad_key!("agent_turn_uid")
        ),
        repair: Some("delete from steps where agent_turn_uid is null or idx is null;"),
    },
    Check {
        rule: "key_in_both",
        outcome: Outcome::Refused,
        tables: &["human_turns", "agent_turns"],
        message: "keys stand for a human turn and for an agent turn",
        query: "select h.uid from human_turns h join agent_turns a on a.uid = h.uid",
        repair: Some(
            "update human_turns set uid = uid || '-human' where uid in (select uid from \
             agent_turns); -- and parent_uid and active_child where they mean these turns",
        ),
    },
];

const REPORTED: [Check; 4] = [
    Check {
        rule: "turn_without_session",
        outcome: Outcome::Reported,
        tables: &["sessions", "human_turns", "agent_turns"],
        message: "turns have no session; they wait, unseen, until it comes",
        query: "select t.uid from (select uid, session_uid from human_turns union all \
                select uid, session_uid from agent_turns) t \
                where not exists (select from sessions s where s.uid = t.session_uid)",
        repair: None,
    },
    Check {
        rule: "step_without_turn",
        outcome: Outcome::Reported,
        tables: &["agent_turns", "steps"],
        message: "steps have no agent turn; they are kept, unseen",
        query: "select s.agent_turn_uid || ' step ' || s.idx from steps s \
                where not exists (select from agent_turns t where t.uid = s.agent_turn_uid)",
        repair: None,
    },
    Check {
        rule: "wrong_parent",
        outcome: Outcome::Reported,
        tables: &["human_turns", "agent_turns"],
        message: "turns have a parent that is missing, of the same kind or of another session; \
                  they are shown as roots, or below it",
        query: "select h.uid from human_turns h left join agent_turns p on p.uid = h.parent_uid \
                where h.parent_uid <> '' and p.session_uid is distinct from h.session_uid \
                union all \
                select a.uid from agent_turns a left join human_turns p on p.uid = a.parent_uid \
                where coalesce(a.parent_uid, '') = '' \
                or p.session_uid is distinct from a.session_uid",
        repair: None,
    },
    Check {
        rule: "null_created_at",
        outcome: Outcome::Reported,
        tables: &["sessions", "human_turns", "agent_turns", "steps"],
        message: "rows have no created_at; turns and steps read as created when they were adopted, \
                  sessions are listed as the oldest",
        query: "select 'session ' || uid from sessions where created_at is null \
                union all select 'turn ' || uid from human_turns where created_at is null \
                union all select 'turn ' || uid from agent_turns where created_at is null \
                union all select agent_turn_uid || ' step ' || idx from steps \
                where created_at is null",
        repair: None,
    },
];

/// Steps whose content is not JSON, on servers that can tell.
pub(super) const NOT_JSON: Check = Check {
    rule: "not_json",
    outcome: Outcome::Reported,
    tables: &["steps"],
    message: "steps have content that is not JSON; it is kept and shown as malformed",
    query: "select agent_turn_uid || ' step ' || idx from steps \
            where content is null or content is not json",
    repair: None,
};

/// The same where the server cannot tell by itself (before version 16).
pub(super) const NOT_JSON_15: Check = Check {
    query: "select agent_turn_uid || ' step ' || idx from steps \
            where content is null or not pg_temp.turngraph_is_json(content)",
    ..NOT_JSON
};

/// Tells whether a text is JSON; lives as long as the transaction that makes it.
pub(super) const IS_JSON: &str = "
    create function pg_temp.turngraph_is_json(content text) returns boolean
        language plpgsql immutable as $$
    begin
        perform content::json;
        return true;
    exception when others then
        return false;
    end $$";
