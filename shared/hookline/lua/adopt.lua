-- Brings events that version 0.1 stored or finished into today's indexes, and out of that one's. Atomic.
-- KEYS  1 the old index of all events · 2 the old dead letters · 3 the old times of purging · 4 unfinished events
-- ARGV  1 prefix of event keys, then for each event: id, number of failures, for each its group and label

-- An event that waits in this state is counted so, and no other is.
local function count_as(state, counted, key, source)
  local wanted = (state == 'retrying' or state == 'paused') and state
  if counted and counted ~= wanted then
    redis.call('HDEL', key, 'counted')
    total(counted .. ':' .. source, -1)
  end
  if wanted and counted ~= wanted then
    redis.call('HSET', key, 'counted', wanted)
    total(wanted .. ':' .. source, 1)
  end
end

local i = 2
while i <= #ARGV do
  local id, failures = ARGV[i], tonumber(ARGV[i + 1])
  local key = ARGV[1] .. id
  local now = redis.call('HMGET', key, 'source', 'type', 'state', 'received_at', 'finished_at', 'counted')
  local source, state = now[1], now[3]
  if source then
    add_to_index(source, now[2], {now[4], id})
    if now[2] then -- read by that version, and stored by this one
      remove_from_index(source, '', {id})
    end
    count_as(state, now[6], key, source)
    if state == 'done' or state == 'dead' then
      redis.call('ZADD', finished_key(state, source), now[5], id)
    elseif redis.call('SADD', KEYS[4], id) == 1 then
      total('open:' .. source, 1)
    end
    local groups = {}
    for f = i + 2, i + 1 + 2 * failures, 2 do
      if state == 'dead' then
        groups[#groups + 1] = ARGV[f]
        redis.call('ZADD', 'hookline:failure:' .. ARGV[f], now[5], id)
        redis.call('HSETNX', 'hookline:failures', ARGV[f], ARGV[f + 1])
        redis.call('HSET', key, 'failures', table.concat(groups, ' '))
      end
    end
  end
  for k = 1, 3 do
    redis.call('ZREM', KEYS[k], id)
  end
  i = i + 2 + 2 * failures
end
write_tally(0)
