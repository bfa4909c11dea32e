-- Purges that were logged before 0003 get their number, so that the feed finds every one.
update change_log set purge_id = (
    select min(p.id) from purge_log p
    where 'purge_' || p.kind = change_log.entity and p.session_uid = change_log.session_uid
        and p.uid = change_log.uid and p.idx is change_log.idx and p.rev = change_log.rev)
where purge_id is null and entity like 'purge!_%' escape '!';
