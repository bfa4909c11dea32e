-- What projections need of the record: where long jobs have come to, changes that were put aside,
-- and purges that the change log names exactly.

-- Changes that could not be applied, without their content. A feed may tell a change again.
create table dead_letters (
    id integer primary key autoincrement,
    session_uid text,
    row_key text not null,
    row_rev integer,
    problem text not null,
    feed_position integer not null,
    created_at integer not null,
    attempts integer not null default 0,
    unique (feed_position, row_key)
) strict;
create index dead_letters_by_session on dead_letters (session_uid, id);

create table projection_progress (
    job text not null primary key,
    progress text not null,
    updated_at integer not null
        default (cast((julianday('now') - 2440587.5) * 86400000000 as integer))
) strict, without rowid;

create index purge_log_by_session on purge_log (session_uid);

-- Which row of `purge_log` a change is.
alter table change_log add column purge_id integer;

drop trigger purge_logged;
create trigger purge_logged after insert on purge_log
begin
    insert into change_log (entity, session_uid, uid, idx, rev, purge_id)
    values ('purge_' || new.kind, new.session_uid, new.uid, new.idx, new.rev, new.id);
end;

-- As in 0002, and `seq` is the session's next number: by it every part of the session can be found
-- in a projection when its rows are gone.
drop trigger sessions_purged;
create trigger sessions_purged after delete on sessions
begin
    insert into purge_log (kind, session_uid, seq, uid, account_uid, created_at, rev)
    values ('session', old.uid, old.next_seq, old.uid, old.account_uid, old.created_at, max(
        cast((julianday('now') - 2440587.5) * 86400000000 as integer),
        old.rev + 1,
        coalesce((select max(rev) + 1 from human_turns where session_uid = old.uid), 0),
        coalesce((select max(rev) + 1 from agent_turns where session_uid = old.uid), 0),
        coalesce((select max(s.rev) + 1 from agent_turns t join steps s on s.agent_turn_uid = t.uid
                  where t.session_uid = old.uid), 0),
        coalesce((select max(rev) + 1 from purge_log where session_uid = old.uid), 0)
    ));
    delete from scores where session_uid = old.uid;
    delete from metadata where session_uid = old.uid;
    delete from human_turns where session_uid = old.uid;
    delete from agent_turns where session_uid = old.uid;
end;
