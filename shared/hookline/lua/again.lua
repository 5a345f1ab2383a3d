-- Put before the scripts that replay: how one event is put back to run again.

-- Its old runs move aside, those of one action or ('') all. Whether it was finished, and so is put back.
local function put_back(id, event_prefix, open_key, action, now_ms)
  local key = event_prefix .. id
  local now = redis.call('HMGET', key, 'state', 'source', 'failures')
  local state, source = now[1], now[2]
  if state ~= 'done' and state ~= 'dead' then
    return false
  end
  local number = redis.call('HINCRBY', key, 'replays', 1)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local name = string.match(field, '^run:(.*)$')
    if name and (action == '' or action == name) then
      redis.call('HSET', key, 'past:' .. number .. ':' .. name, redis.call('HGET', key, field))
      redis.call('HDEL', key, field)
    end
  end
  redis.call('HDEL', key, 'finished_at', 'error', 'only', 'failures')
  redis.call('HSET', key, 'state', 'queued', 'replayed_at', now_ms)
  if action ~= '' then
    redis.call('HSET', key, 'only', action)
  end
  remove_from_finished(id, state, source, now[3])
  total('open:' .. source, redis.call('SADD', open_key, id))
  total('replayed:' .. source, 1)
  return true
end

