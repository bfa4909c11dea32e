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
/// with the stamped generation that it was filled under and vouches for it, so its generation's own
/// key is dropped: other fills that name the same generation, and later ones that add bodies, find
/// it in the entry. A generation is neither there nor in an entry once it was invalidated.
pub(super) static FILL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local generation = redis.call('get', KEYS[2])
             or redis.call('getrange', KEYS[1], 0, 15)
         if generation ~= ARGV[1] then return 0 end
         redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3])
         redis.call('unlink', KEYS[2])
         return 1",
    )
});

/// Loads all of them.
pub(super) fn load() -> Pipeline {
    let mut pipeline = redis::pipe();
    for script in [&*GET, &*FILL] {
        pipeline.load_script(script);
    }
    pipeline
}
