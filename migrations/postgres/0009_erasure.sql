-- What was erased on request, and where it is gone already. A receipt names keys, never content.

--: step tables-of-erasures
--: locks nothing; creates tables
-- `position` is a place in the record store's order of commits (of `store`) at which everything is
-- gone from the record; a projection that has come so far has heard of it.
create table erasures (
    uid character varying not null primary key,
    account_uid character varying not null,
    session_uid character varying,
    sessions bigint not null default 0,
    store character varying,
    position bigint,
    created_at timestamp with time zone not null
);
create index erasures_by_account on erasures (account_uid, created_at);

create table erasure_stores (
    erasure_uid character varying not null,
    store character varying not null,
    done_at timestamp with time zone,
    primary key (erasure_uid, store)
);
create index erasure_stores_open on erasure_stores (erasure_uid) where done_at is null;

-- Accounts that were erased for good: what is imported for them is refused.
create table erased_accounts (
    account_uid character varying not null primary key,
    created_at timestamp with time zone not null
);

-- Stores that the projector keeps copies in.
create table projection_stores (
    store character varying not null primary key
);
