-- Leases events to one owner, so that no two jobs run the same event at the same time. Atomic.
-- The lease is the owner's token in the event, and it holds while the key of that token lives.
-- KEYS  1 the owner's lease key · 2 RQ's started jobs · 3 the grace after an outage (see tick.lua) · 4 paused lanes
-- ARGV  1 token · 2 lease in ms · 3 prefix of event keys · 4 prefix of lease keys · 5 the RQ execution
--       6 ms for which that execution counts as alive · then the ids
-- Gives Redis's time in ms and the paused lanes, then for each id: nil when there is nothing to do, the ms for which
-- another owner's lease holds at the least, the source where that is paused, or the event's whole hash
-- as it was before.
local paused_lanes = redis.call('HKEYS', KEYS[4])
local is_paused = {}
for _, lane in ipairs(paused_lanes) do
  is_paused[lane] = true
end
local now_ms = redis_ms()
local taken = {now_ms, paused_lanes}
local grace = redis.call('PTTL', KEYS[3])
local any = false
for i = 7, #ARGV do
  local key = ARGV[3] .. ARGV[i]
  local now = redis.call('HMGET', key, 'state', 'lease', 'source', 'counted')
  local state, lease, source, counted = now[1], now[2], now[3] or '', now[4]
  if not state or state == 'done' or state == 'dead' then
    taken[#taken + 1] = false
  elseif lease and lease ~= ARGV[1] and (grace > 0 or redis.call('EXISTS', ARGV[4] .. lease) == 1) then
    taken[#taken + 1] = math.max(grace, redis.call('PTTL', ARGV[4] .. lease))
  elseif is_paused[source] and lease ~= ARGV[1] then
    taken[#taken + 1] = source
  else
    if lease and lease ~= ARGV[1] then -- its owner died without a word
      redis.call('HINCRBY', key, 'deaths', 1)
    end
    taken[#taken + 1] = redis.call('HGETALL', key)
    if counted then -- as retrying or paused, which what an older version left so is not
      redis.call('HDEL', key, 'counted')
      total(counted .. ':' .. source, -1)
    end
    redis.call('HSET', key, 'lease', ARGV[1], 'state', 'running')
    any = true
  end
end
-- by Redis's clock: RQ wrote the first entry by the worker's, which may be wrong
redis.call('ZADD', KEYS[2], 'XX', (now_ms + ARGV[6]) / 1000, ARGV[5])
if any then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
end
write_tally(now_ms)
return taken
