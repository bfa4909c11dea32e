//! The Lua scripts: what must happen in one step on the server.

use std::sync::LazyLock;

use redis::{Pipeline, Script};

/// `s`, `g`; stamp, fresh generation, its lifetime in ms. The entry as text, or in a list the
/// generation that a fill must name. One that cannot be stored (memory full, nothing may be
/// evicted) is told all the same: its fill is refused, and the read goes on.
pub(super) static GET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local entry = redis.call('get', KEYS[1])
         if entry and string.sub(entry, 1, 8) == ARGV[1] then return entry end
         local generation = redis.call('get', KEYS[2])
         if not generation or string.sub(generation, 1, 8) ~= ARGV[1] then
             generation = ARGV[1] .. ARGV[2]
         end
         redis.pcall('set', KEYS[2], generation, 'px', ARGV[3])
         return { string.sub(generation, 9) }",
    )
});

/// `s`, `g`; stamped generation, entry, its lifetime in ms. 1 when it was taken. An entry begins
/// with the stamped generation that it was filled under and vouches for it, so that it may be
/// filled again long after its generation's own key ended.
pub(super) static FILL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local generation = redis.call('get', KEYS[2])
             or redis.call('getrange', KEYS[1], 0, 15)
         if generation ~= ARGV[1] then return 0 end
         redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3])
         return 1",
    )
});

/// `u`, `v`; stamp, fresh generation, its lifetime in ms, score to begin at (inclusive) or empty,
/// limit. With the list: 1, whether it is whole, members and scores: all that have the score to
/// begin at, and as many below as the limit. Else 0 and the generation.
///
/// The lowest member of the set is a mark: NUL, the stamp, `W` if the list is whole. A key holds no
/// NUL. So the list and what is known of it come and go together.
pub(super) static RECENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local mark = redis.call('zrange', KEYS[1], 0, 0)[1]
         if not mark or string.sub(mark, 2, 9) ~= ARGV[1] then
             local generation = redis.call('get', KEYS[2])
             if not generation or string.sub(generation, 1, 8) ~= ARGV[1] then
                 generation = ARGV[1] .. ARGV[2]
             end
             redis.pcall('set', KEYS[2], generation, 'px', ARGV[3])
             return { 0, string.sub(generation, 9) }
         end
         local whole = string.sub(mark, 10) == 'W' and 1 or 0
         local same, top = {}, '+inf'
         if ARGV[4] ~= '' then
             same = redis.call('zrevrangebyscore', KEYS[1], ARGV[4], ARGV[4], 'withscores')
             top = '(' .. ARGV[4]
         end
         local below = redis.call('zrevrangebyscore', KEYS[1], top, '(-inf', 'withscores',
             'limit', 0, ARGV[5])
         return { 1, whole, same, below }",
    )
});

/// `u`, `v`; stamped generation, lifetime in ms, mark, then scores and members. 1 when taken.
pub(super) static FILL_RECENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
         redis.call('del', KEYS[1])
         redis.call('zadd', KEYS[1], '-inf', ARGV[3])
         for at = 4, #ARGV, 2 do redis.call('zadd', KEYS[1], ARGV[at], ARGV[at + 1]) end
         redis.call('pexpire', KEYS[1], ARGV[2])
         return 1",
    )
});

/// `u`, `v`; stamp, members at most, then scores and members. Where a list is not whole, nothing
/// may come below its oldest: there others are missing. One of the same score would have to be
/// compared by key, so that score is given up instead.
pub(super) static TOUCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('del', KEYS[2])
         local mark = redis.call('zrange', KEYS[1], 0, 0)[1]
         if not mark then return 0 end
         if string.sub(mark, 2, 9) ~= ARGV[1] then return redis.call('del', KEYS[1]) end
         local whole = string.sub(mark, 10) == 'W'
         for at = 3, #ARGV, 2 do
             local score, member = ARGV[at], ARGV[at + 1]
             local oldest = redis.call('zrange', KEYS[1], 1, 1, 'withscores')[2]
             local known = redis.call('zscore', KEYS[1], member)
             if whole or known or not oldest or tonumber(score) > tonumber(oldest) then
                 redis.call('zadd', KEYS[1], 'gt', score, member)
             elseif tonumber(score) == tonumber(oldest) then
                 redis.call('zremrangebyscore', KEYS[1], score, score)
             end
         end
         local over = redis.call('zcard', KEYS[1]) - 1 - tonumber(ARGV[2])
         if over > 0 then
             redis.call('zremrangebyrank', KEYS[1], 1, over)
             if whole then
                 redis.call('zrem', KEYS[1], mark)
                 redis.call('zadd', KEYS[1], '-inf', string.sub(mark, 1, 9) .. 'P')
             end
         elseif not whole and redis.call('zcard', KEYS[1]) == 1 then
             redis.call('del', KEYS[1])
         end
         return 1",
    )
});

/// Loads all of them.
pub(super) fn load() -> Pipeline {
    let mut pipeline = redis::pipe();
    for script in [&*GET, &*FILL, &*RECENT, &*FILL_RECENT, &*TOUCH] {
        pipeline.load_script(script);
    }
    pipeline
}
