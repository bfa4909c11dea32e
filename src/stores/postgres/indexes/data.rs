//! Generated rows: sessions of 20 accounts with ten turns and 15 steps each, keys of 36 characters
//! as turngraph mints them, in no order of time.

/// Statements that fill an empty database with so many sessions.
pub(super) fn steps(sessions: u32) -> Vec<String> {
    let filled = [
        "insert into sessions (uid, account_uid, title, created_at, last_activity_at, next_seq)
        select md5('s' || n)::uuid, 'account' || n % 20, 'title ' || n,
            timestamptz '2024-01-01' + n * interval '1 minute',
            timestamptz '2024-01-02' + n * interval '1 minute', 10
        from generate_series(1, {n}) n",
        "insert into human_turns (uid, session_uid, parent_uid, active_child, prompt, created_at, seq)
        select md5('h' || n || '-' || t)::uuid, md5('s' || n)::uuid,
            case when t > 0 then md5('a' || n || '-' || t - 1)::uuid end,
            md5('a' || n || '-' || t)::uuid, repeat('prompt ', 20),
            timestamptz '2024-01-01' + n * interval '1 minute', 2 * t
        from generate_series(1, {n}) n, generate_series(0, 4) t",
        "insert into agent_turns (uid, session_uid, parent_uid, liked, created_at, seq, status)
        select md5('a' || n || '-' || t)::uuid, md5('s' || n)::uuid, md5('h' || n || '-' || t)::uuid,
            case when n % 10 = 0 then true end,
            timestamptz '2024-01-01' + n * interval '1 minute', 2 * t + 1, 'complete'
        from generate_series(1, {n}) n, generate_series(0, 4) t",
        "insert into steps (agent_turn_uid, idx, tpe, content, created_at, session_uid, turn_seq)
        select uid, i, 1, '{\"text\": \"' || repeat('x', 340) || '\"}', created_at, session_uid, seq
        from agent_turns, generate_series(0, 2) i",
        "insert into scores (uid, session_uid, target_kind, target_uid, name, source, value_type,
            number, created_at)
        select md5('score' || n)::uuid, md5('s' || n)::uuid, 'session', md5('s' || n)::uuid,
            'quality', 'reviewer', 'number', 1, now()
        from generate_series(1, {n}) n",
        "insert into metadata (target_kind, target_uid, session_uid, key, value)
        select 'session', md5('s' || n)::uuid, md5('s' || n)::uuid, 'language', 'en'
        from generate_series(1, {n}) n",
        "insert into purge_log (kind, session_uid, seq, uid, rev)
        select 'turn', md5('s' || n)::uuid, 11, md5('gone' || n)::uuid, n
        from generate_series(1, {n}) n",
        "insert into dead_letters (session_uid, row_key, problem, feed_position, created_at)
        select md5('s' || n)::uuid, 'turn ' || n, 'generated', n, now()
        from generate_series(1, least(1000, {n})) n",
        "insert into erasures (uid, account_uid, created_at, store, position)
        select md5('e' || n)::uuid, 'gone' || n, now(), 'store', n from generate_series(1, {n}) n",
        "insert into erasure_stores (erasure_uid, store, done_at)
        select md5('e' || n)::uuid, 'CQL', case when n % 1000 > 0 then now() end
        from generate_series(1, {n}) n",
    ];
    let filled = filled.map(|step| step.replace("{n}", &sessions.to_string()));
    filled.into()
}
