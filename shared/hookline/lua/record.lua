-- Writes what became of runs, settles their events and enqueues what is to run again. Atomic.
-- An event whose lease has passed to another owner is left alone.
-- KEYS  1 dead letters · 2 events by when they may be purged · 3 counters · 4 RQ queue · 5 RQ's schedule
--       6 RQ's set of queues · 7 unfinished events
-- ARGV  1 token · 2 prefix of event keys · 3 prefix of RQ job keys · 4 queue name · 5 time (ISO 8601)
--       6 number of events
--       then for each event: id, new state or '' for none, time of purging in ms, number of fields, the fields
--       then for each job: id, data, description, lane, due in s or 0 for now
-- Gives the ids that were left alone.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local lost = {}
local finished, closed = {}, {}
local i = 7
for _ = 1, tonumber(ARGV[6]) do
  local id, state, purge_at, fields = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local key = ARGV[2] .. id
  i = i + 4
  local now = redis.call('HMGET', key, 'lease', 'source')
  if now[1] ~= ARGV[1] then
    lost[#lost + 1] = id
  else
    local last = i + 2 * fields - 1
    if state == 'done' or state == 'dead' then
      redis.call('HSET', key, 'state', state, 'finished_at', now_ms, unpack(ARGV, i, last))
      redis.call('HDEL', key, 'lease', 'deaths', 'death', 'only')
      redis.call('ZADD', KEYS[2], purge_at, id)
      finished[state] = (finished[state] or 0) + 1
      local source = now[2] or ''
      closed[source] = closed[source] or {}
      table.insert(closed[source], id)
      if state == 'dead' then
        redis.call('ZADD', KEYS[1], now_ms, id)
      end
    elseif state ~= '' then
      redis.call('HSET', key, 'state', state, unpack(ARGV, i, last))
      redis.call('HDEL', key, 'lease')
    elseif fields > 0 then
      redis.call('HSET', key, unpack(ARGV, i, last))
    end
  end
  i = i + 2 * fields
end
for state, count in pairs(finished) do
  redis.call('HINCRBY', KEYS[3], state, count)
end
for source, ids in pairs(closed) do
  redis.call('HINCRBY', KEYS[3], 'open:' .. source, 0 - redis.call('SREM', KEYS[7], unpack(ids)))
end
while i <= #ARGV do
  local id, data, description, lane, due = unpack(ARGV, i, i + 4)
  due = tonumber(due)
  local status = due > 0 and 'scheduled' or 'queued'
  write_job(ARGV[3], id, data, description, lane, ARGV[4], ARGV[5], status, KEYS[6], KEYS[4])
  if due > 0 then
    redis.call('ZADD', KEYS[5], due, id)
  else
    push_first(KEYS[4], ARGV[3] .. id, id)
  end
  i = i + 5
end
return lost
