-- Indexes beside the primary keys. What each gains and costs is in docs/indexes.md.

--: step list-sessions-by-activity
--: locks sessions: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_sessions_by_activity
create index concurrently if not exists turngraph_sessions_by_activity
    on sessions (account_uid, last_activity_at desc, uid collate "C" desc);

--: step list-sessions-by-creation
--: locks sessions: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_sessions_by_creation
-- A session without a creation time is listed as the oldest.
create index concurrently if not exists turngraph_sessions_by_creation
    on sessions (
        account_uid,
        coalesce(created_at, '1970-01-01 00:00:00+00'::timestamp with time zone) desc,
        uid collate "C" desc
    );

--: step find-new-sessions
--: locks sessions: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_sessions_pending
-- Sessions that another program has just created; nearly always empty.
create index concurrently if not exists turngraph_sessions_pending
    on sessions (account_uid) where last_activity_at is null;

--: step address-of-human-turns
--: locks human_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_human_turns_address
-- Partial, so that giving a number is no change of a key: it then goes along with the shared
-- lock that another program's foreign key takes on the turn.
create unique index concurrently if not exists turngraph_human_turns_address
    on human_turns (session_uid, seq) where seq is not null;

--: step find-new-human-turns
--: locks human_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_human_turns_pending
create index concurrently if not exists turngraph_human_turns_pending
    on human_turns (session_uid) where seq is null;

--: step find-deleted-human-turns
--: locks human_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_human_turns_deleted
create index concurrently if not exists turngraph_human_turns_deleted
    on human_turns (session_uid) where deleted_at is not null;

--: step address-of-agent-turns
--: locks agent_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_agent_turns_address
-- Partial, so that giving a number is no change of a key: it then goes along with the shared
-- lock that another program's foreign key takes on the turn.
create unique index concurrently if not exists turngraph_agent_turns_address
    on agent_turns (session_uid, seq) where seq is not null;

--: step find-new-agent-turns
--: locks agent_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_agent_turns_pending
create index concurrently if not exists turngraph_agent_turns_pending
    on agent_turns (session_uid) where seq is null;

--: step find-deleted-agent-turns
--: locks agent_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_agent_turns_deleted
create index concurrently if not exists turngraph_agent_turns_deleted
    on agent_turns (session_uid) where deleted_at is not null;

--: step find-votes
--: locks agent_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_agent_turns_voted
-- For lists of sessions with or without a vote.
create index concurrently if not exists turngraph_agent_turns_voted
    on agent_turns (session_uid) where liked is not null;
