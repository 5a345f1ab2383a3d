-- Puts finished events back to run again on purpose: their old runs move aside, one job names them. Atomic.
-- KEYS  1 RQ queue · 2 RQ's set of queues · 3 unfinished events
-- ARGV  1 prefix of event keys · 2 prefix of RQ job keys · 3 queue name · 4 time (ISO 8601) · 5 time in ms
--       6 action, or '' for every action · 7 job id · 8 job data · 9 job description
--       10 lane · then the ids
-- Gives the ids that will run.
local replayed = {}
for i = 11, #ARGV do
  local id = ARGV[i]
  local key = ARGV[1] .. id
  local now = redis.call('HMGET', key, 'state', 'source', 'failures')
  local state, source = now[1], now[2]
  if state == 'done' or state == 'dead' then
    local number = redis.call('HINCRBY', key, 'replays', 1)
    local fields = redis.call('HGETALL', key)
    for f = 1, #fields, 2 do
      local action = string.match(fields[f], '^run:(.*)$')
      if action and (ARGV[6] == '' or ARGV[6] == action) then
        redis.call('HSET', key, 'past:' .. number .. ':' .. action, fields[f + 1])
        redis.call('HDEL', key, fields[f])
      end
    end
    redis.call('HDEL', key, 'finished_at', 'error', 'only', 'failures')
    redis.call('HSET', key, 'state', 'queued', 'replayed_at', ARGV[5])
    if ARGV[6] ~= '' then
      redis.call('HSET', key, 'only', ARGV[6])
    end
    remove_from_finished(id, state, source, now[3])
    total('open:' .. source, redis.call('SADD', KEYS[3], id))
    total('replayed:' .. source, 1)
    replayed[#replayed + 1] = id
  end
end
if #replayed > 0 then
  write_job(ARGV[2], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[3], ARGV[4], 'queued', KEYS[2], KEYS[1])
  redis.call('RPUSH', KEYS[1], ARGV[7])
end
write_tally(0)
return replayed
