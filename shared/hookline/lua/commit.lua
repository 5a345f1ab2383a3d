-- Commits a group: every event that is new is stored and indexed, and one RQ job names them all. Atomic.
-- KEYS  1 index of events · 2 counters · 3 RQ queue · 4 RQ job · 5 RQ's set of queues
-- ARGV  1 prefix of event keys · 2 job id · 3 job data · 4 job description · 5 queue name · 6 time (ISO 8601)
--       then for each event: id, dedupe key, window in ms, source, provider, received_at in ms, headers, body
-- Gives {number of jobs waiting, then for each event the id under which it is stored}.
local ids = {}
local received, repeated = {}, {}
local fresh = 0
for i = 7, #ARGV, 8 do
  local id, dedupe, source = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  local first = redis.call('GET', dedupe)
  if not first then
    first = id
    fresh = fresh + 1
    received[source] = (received[source] or 0) + 1
    redis.call('SET', dedupe, id, 'PX', ARGV[i + 2])
    redis.call('HSET', ARGV[1] .. id, 'source', source, 'provider', ARGV[i + 4], 'received_at', ARGV[i + 5],
      'headers', ARGV[i + 6], 'body', ARGV[i + 7], 'state', 'queued')
    redis.call('ZADD', KEYS[1], ARGV[i + 5], id)
  elseif first ~= id then -- the same id is this very commit, sent again because its answer was lost
    repeated[source] = (repeated[source] or 0) + 1
    if redis.call('EXISTS', ARGV[1] .. first) == 1 then
      redis.call('HINCRBY', ARGV[1] .. first, 'repeats', 1)
    end
  end
  ids[#ids + 1] = first
end
for source, count in pairs(received) do
  redis.call('HINCRBY', KEYS[2], 'received:' .. source, count)
end
for source, count in pairs(repeated) do
  redis.call('HINCRBY', KEYS[2], 'repeated:' .. source, count)
end
if fresh > 0 then
  write_job(KEYS[4], ARGV[3], ARGV[4], ARGV[5], ARGV[6], 'queued', KEYS[5], KEYS[3])
  redis.call('RPUSH', KEYS[3], ARGV[2])
end
table.insert(ids, 1, redis.call('LLEN', KEYS[3]))
return ids
