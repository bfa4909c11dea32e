-- What must hold whoever writes: one number and one key over both turn tables, versions that only
-- grow, and a trace of every change and deletion in the same transaction.
--
-- `purge_log` and `change_log` are filled by triggers, not by the program: a database is one file
-- that any SQLite shell can open, and a row that it changes must reach the change feed too.

create trigger human_turns_one_address before insert on human_turns
when exists (select 1 from agent_turns where uid = new.uid)
    or exists (select 1 from agent_turns where session_uid = new.session_uid and seq = new.seq)
begin
    select raise(abort, 'turngraph: an agent turn has this uid, or this seq in the session');
end;

create trigger agent_turns_one_address before insert on agent_turns
when exists (select 1 from human_turns where uid = new.uid)
    or exists (select 1 from human_turns where session_uid = new.session_uid and seq = new.seq)
begin
    select raise(abort, 'turngraph: a human turn has this uid, or this seq in the session');
end;

create trigger sessions_next_seq_never_falls before update of next_seq on sessions
when new.next_seq < old.next_seq
begin
    select raise(abort, 'turngraph: next_seq of a session must not fall');
end;

create trigger sessions_keep_address before update of uid on sessions
when new.uid <> old.uid
begin
    select raise(abort, 'turngraph: a session keeps its uid; delete it and insert it anew');
end;

create trigger human_turns_keep_address before update of uid, session_uid, seq on human_turns
when new.uid <> old.uid
    or new.session_uid <> old.session_uid
    or new.seq <> old.seq
begin
    select raise(abort, 'turngraph: a turn keeps uid, session and seq; delete it to insert anew');
end;

create trigger agent_turns_keep_address before update of uid, session_uid, seq on agent_turns
when new.uid <> old.uid
    or new.session_uid <> old.session_uid
    or new.seq <> old.seq
begin
    select raise(abort, 'turngraph: a turn keeps uid, session and seq; delete it to insert anew');
end;

create trigger steps_keep_address
before update of agent_turn_uid, idx, session_uid, turn_seq on steps
when new.agent_turn_uid <> old.agent_turn_uid
    or new.idx <> old.idx
    or new.session_uid <> old.session_uid
    or new.turn_seq <> old.turn_seq
begin
    select raise(abort, 'turngraph: a step keeps its turn and idx; delete it and insert it anew');
end;

create trigger scores_keep_address before update of uid, session_uid on scores
when new.uid <> old.uid
    or new.session_uid <> old.session_uid
begin
    select raise(abort, 'turngraph: a score keeps its uid and session; delete it to insert anew');
end;

-- An update by plain SQL leaves rev as it was; the version must grow all the same.

create trigger sessions_rev_grows after update on sessions
when new.rev <= old.rev
begin
    update sessions set rev = max(
        old.rev + 1, cast((julianday('now') - 2440587.5) * 86400000000 as integer))
    where uid = new.uid;
end;

create trigger human_turns_rev_grows after update on human_turns
when new.rev <= old.rev
begin
    update human_turns set rev = max(
        old.rev + 1, cast((julianday('now') - 2440587.5) * 86400000000 as integer))
    where uid = new.uid;
end;

create trigger agent_turns_rev_grows after update on agent_turns
when new.rev <= old.rev
begin
    update agent_turns set rev = max(
        old.rev + 1, cast((julianday('now') - 2440587.5) * 86400000000 as integer))
    where uid = new.uid;
end;

create trigger steps_rev_grows after update on steps
when new.rev <= old.rev
begin
    update steps set rev = max(
        old.rev + 1, cast((julianday('now') - 2440587.5) * 86400000000 as integer))
    where agent_turn_uid = new.agent_turn_uid and idx = new.idx;
end;

create trigger scores_rev_grows after update on scores
when new.rev <= old.rev
begin
    update scores set rev = max(
        old.rev + 1, cast((julianday('now') - 2440587.5) * 86400000000 as integer))
    where uid = new.uid;
end;

create trigger sessions_insert_logged after insert on sessions
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('session', new.uid, new.uid, null, new.rev);
end;

create trigger sessions_update_logged after update on sessions
when new.rev > old.rev
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('session', new.uid, new.uid, null, new.rev);
end;

create trigger human_turns_insert_logged after insert on human_turns
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('human_turn', new.session_uid, new.uid, null, new.rev);
end;

create trigger human_turns_update_logged after update on human_turns
when new.rev > old.rev
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('human_turn', new.session_uid, new.uid, null, new.rev);
end;

create trigger agent_turns_insert_logged after insert on agent_turns
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('agent_turn', new.session_uid, new.uid, null, new.rev);
end;

create trigger agent_turns_update_logged after update on agent_turns
when new.rev > old.rev
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('agent_turn', new.session_uid, new.uid, null, new.rev);
end;

create trigger steps_insert_logged after insert on steps
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('step', new.session_uid, new.agent_turn_uid, new.idx, new.rev);
end;

create trigger steps_update_logged after update on steps
when new.rev > old.rev
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('step', new.session_uid, new.agent_turn_uid, new.idx, new.rev);
end;

create trigger scores_insert_logged after insert on scores
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('score', new.session_uid, new.uid, null, new.rev);
end;

create trigger scores_update_logged after update on scores
when new.rev > old.rev
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('score', new.session_uid, new.uid, null, new.rev);
end;

create trigger metadata_insert_logged after insert on metadata
begin
    insert into change_log (entity, session_uid, uid, idx)
    values ('metadata', new.session_uid, new.target_uid, new.target_idx);
end;

create trigger metadata_update_logged after update on metadata
begin
    insert into change_log (entity, session_uid, uid, idx)
    values ('metadata', new.session_uid, new.target_uid, new.target_idx);
end;

create trigger metadata_delete_logged after delete on metadata
begin
    insert into change_log (entity, session_uid, uid, idx)
    values ('metadata', old.session_uid, old.target_uid, old.target_idx);
end;

create trigger scores_delete_logged after delete on scores
begin
    insert into change_log (entity, session_uid, uid)
    values ('score', old.session_uid, old.uid);
end;

create trigger purge_logged after insert on purge_log
begin
    insert into change_log (entity, session_uid, uid, idx, rev)
    values ('purge_' || new.kind, new.session_uid, new.uid, new.idx, new.rev);
end;

-- A deletion takes what lies below with it, by trigger and not by foreign key, so that it is the
-- same in a shell that has foreign keys off. The row that was named is the one that is recorded:
-- the rows below find their parent gone and record nothing.

create trigger sessions_purged after delete on sessions
begin
    insert into purge_log (kind, session_uid, uid, account_uid, created_at, rev)
    values ('session', old.uid, old.uid, old.account_uid, old.created_at, max(
        cast((julianday('now') - 2440587.5) * 86400000000 as integer),
        old.rev + 1,
        coalesce((select max(rev) + 1 from human_turns where session_uid = old.uid), 0),
        coalesce((select max(rev) + 1 from agent_turns where session_uid = old.uid), 0),
        coalesce((select max(s.rev) + 1 from agent_turns t join steps s on s.agent_turn_uid = t.uid
                  where t.session_uid = old.uid), 0)
    ));
    delete from scores where session_uid = old.uid;
    delete from metadata where session_uid = old.uid;
    delete from human_turns where session_uid = old.uid;
    delete from agent_turns where session_uid = old.uid;
end;

create trigger sessions_relisted after update of account_uid, created_at on sessions
when new.account_uid <> old.account_uid or new.created_at <> old.created_at
begin
    insert into purge_log (kind, session_uid, uid, account_uid, created_at, rev)
    values ('listing', old.uid, old.uid, old.account_uid, old.created_at,
        max(cast((julianday('now') - 2440587.5) * 86400000000 as integer), old.rev + 1));
end;

create trigger human_turns_purged after delete on human_turns
begin
    insert into purge_log (kind, session_uid, seq, uid, created_at, rev)
    select 'turn', old.session_uid, old.seq, old.uid, old.created_at, max(
        cast((julianday('now') - 2440587.5) * 86400000000 as integer),
        old.rev + 1
    )
    where exists (select 1 from sessions where uid = old.session_uid);
    delete from scores where target_uid = old.uid and session_uid = old.session_uid
        and target_kind <> 'session';
    delete from metadata where target_uid = old.uid and target_kind in ('turn');
end;

create trigger agent_turns_purged after delete on agent_turns
begin
    insert into purge_log (kind, session_uid, seq, uid, created_at, rev)
    select 'turn', old.session_uid, old.seq, old.uid, old.created_at, max(
        cast((julianday('now') - 2440587.5) * 86400000000 as integer),
        old.rev + 1,
        coalesce((select max(rev) + 1 from steps where agent_turn_uid = old.uid), 0)
    )
    where exists (select 1 from sessions where uid = old.session_uid);
    delete from steps where agent_turn_uid = old.uid;
    delete from scores where target_uid = old.uid and session_uid = old.session_uid
        and target_kind <> 'session';
    delete from metadata where target_uid = old.uid and target_kind in ('turn', 'step');
end;

create trigger steps_purged after delete on steps
when exists (select 1 from agent_turns where uid = old.agent_turn_uid)
begin
    insert into purge_log (kind, session_uid, seq, uid, idx, created_at, rev)
    values ('step', old.session_uid, old.turn_seq, old.agent_turn_uid, old.idx, old.created_at,
        max(cast((julianday('now') - 2440587.5) * 86400000000 as integer), old.rev + 1));
    delete from scores where target_uid = old.agent_turn_uid and target_idx = old.idx
        and session_uid = old.session_uid and target_kind = 'step';
    delete from metadata where target_kind = 'step' and target_uid = old.agent_turn_uid
        and target_idx = old.idx;
end;
