-- An account that was erased is told to projections, which keep its key where they list its
-- sessions.

--: step kinds-of-purges
--: locks purge_log: access exclusive, for an instant
-- Not validated: every row that is there satisfies the narrower rule that this one takes over from.
alter table purge_log drop constraint if exists purge_log_kind_check;
alter table purge_log add constraint purge_log_kind_check check (kind in
    ('turn', 'turn_steps', 'step', 'session', 'listing', 'address', 'account')) not valid;
