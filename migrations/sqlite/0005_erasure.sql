-- What was erased on request, and where it is gone already. A receipt names keys, never content.

-- `position` is a place in the record store's order of commits (of `store`) at which everything is
-- gone from the record; a projection that has come so far has heard of it.
create table erasures (
    uid text not null primary key,
    account_uid text not null,
    session_uid text,
    sessions integer not null default 0,
    store text,
    position integer,
    created_at integer not null
) strict;
create index erasures_by_account on erasures (account_uid, created_at);

create table erasure_stores (
    erasure_uid text not null,
    store text not null,
    done_at integer,
    primary key (erasure_uid, store)
) strict, without rowid;
create index erasure_stores_open on erasure_stores (erasure_uid) where done_at is null;

-- Accounts that were erased for good: what is imported for them is refused.
create table erased_accounts (
    account_uid text not null primary key,
    created_at integer not null
) strict, without rowid;

-- Stores that the projector keeps copies in.
create table projection_stores (
    store text not null primary key
) strict, without rowid;
