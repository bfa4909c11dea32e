-- Primary keys without a long lock: a unique index is built beside the writers, a validated check
-- spares the scan under the exclusive lock, and then the key takes the index over. A table that
-- has a primary key already keeps it.

--: step unique-index-of-sessions
--: locks sessions: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_sessions_key
--: unless select exists (select from pg_constraint where conrelid = 'sessions'::regclass and contype = 'p')
create unique index concurrently if not exists turngraph_sessions_key on sessions (uid);

--: step keys-given-in-sessions
--: locks sessions: access exclusive, for an instant (not validated yet)
--: unless select exists (select from pg_constraint where conrelid = 'sessions'::regclass and contype = 'p')
alter table sessions add constraint turngraph_sessions_given check (uid is not null) not valid;

--: step validate-keys-of-sessions
--: locks sessions: share update exclusive, reads and writes go on during one scan
--: unless select exists (select from pg_constraint where conrelid = 'sessions'::regclass and contype = 'p')
alter table sessions validate constraint turngraph_sessions_given;

--: step primary-key-of-sessions
--: locks sessions: access exclusive, for an instant (the check spares the scan)
--: unless select exists (select from pg_constraint where conrelid = 'sessions'::regclass and contype = 'p')
alter table sessions add primary key using index turngraph_sessions_key;
alter table sessions drop constraint turngraph_sessions_given;

--: step unique-index-of-human-turns
--: locks human_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_human_turns_key
--: unless select exists (select from pg_constraint where conrelid = 'human_turns'::regclass and contype = 'p')
create unique index concurrently if not exists turngraph_human_turns_key on human_turns (uid);

--: step keys-given-in-human-turns
--: locks human_turns: access exclusive, for an instant (not validated yet)
--: unless select exists (select from pg_constraint where conrelid = 'human_turns'::regclass and contype = 'p')
alter table human_turns add constraint turngraph_human_turns_given check (uid is not null) not valid;

--: step validate-keys-of-human-turns
--: locks human_turns: share update exclusive, reads and writes go on during one scan
--: unless select exists (select from pg_constraint where conrelid = 'human_turns'::regclass and contype = 'p')
alter table human_turns validate constraint turngraph_human_turns_given;

--: step primary-key-of-human-turns
--: locks human_turns: access exclusive, for an instant (the check spares the scan)
--: unless select exists (select from pg_constraint where conrelid = 'human_turns'::regclass and contype = 'p')
alter table human_turns add primary key using index turngraph_human_turns_key;
alter table human_turns drop constraint turngraph_human_turns_given;

--: step unique-index-of-agent-turns
--: locks agent_turns: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_agent_turns_key
--: unless select exists (select from pg_constraint where conrelid = 'agent_turns'::regclass and contype = 'p')
create unique index concurrently if not exists turngraph_agent_turns_key on agent_turns (uid);

--: step keys-given-in-agent-turns
--: locks agent_turns: access exclusive, for an instant (not validated yet)
--: unless select exists (select from pg_constraint where conrelid = 'agent_turns'::regclass and contype = 'p')
alter table agent_turns add constraint turngraph_agent_turns_given check (uid is not null) not valid;

--: step validate-keys-of-agent-turns
--: locks agent_turns: share update exclusive, reads and writes go on during one scan
--: unless select exists (select from pg_constraint where conrelid = 'agent_turns'::regclass and contype = 'p')
alter table agent_turns validate constraint turngraph_agent_turns_given;

--: step primary-key-of-agent-turns
--: locks agent_turns: access exclusive, for an instant (the check spares the scan)
--: unless select exists (select from pg_constraint where conrelid = 'agent_turns'::regclass and contype = 'p')
alter table agent_turns add primary key using index turngraph_agent_turns_key;
alter table agent_turns drop constraint turngraph_agent_turns_given;

--: step unique-index-of-steps
--: locks steps: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_steps_key
--: unless select exists (select from pg_constraint where conrelid = 'steps'::regclass and contype = 'p')
create unique index concurrently if not exists turngraph_steps_key on steps (agent_turn_uid, idx);

--: step keys-given-in-steps
--: locks steps: access exclusive, for an instant (not validated yet)
--: unless select exists (select from pg_constraint where conrelid = 'steps'::regclass and contype = 'p')
alter table steps add constraint turngraph_steps_given check (agent_turn_uid is not null and idx is not null) not valid;

--: step validate-keys-of-steps
--: locks steps: share update exclusive, reads and writes go on during one scan
--: unless select exists (select from pg_constraint where conrelid = 'steps'::regclass and contype = 'p')
alter table steps validate constraint turngraph_steps_given;

--: step primary-key-of-steps
--: locks steps: access exclusive, for an instant (the check spares the scan)
--: unless select exists (select from pg_constraint where conrelid = 'steps'::regclass and contype = 'p')
alter table steps add primary key using index turngraph_steps_key;
alter table steps drop constraint turngraph_steps_given;
