-- Ends an owner's leases after its process died or was stopped, and enqueues each of its events alone. Atomic.
-- KEYS  1 the owner's lease key · 2 RQ queue · 3 RQ's set of queues · 4 RQ's schedule
-- ARGV  1 token · 2 prefix of event keys · 3 prefix of RQ job keys · 4 queue name · 5 time (ISO 8601)
--       6 why the process died, or '' when it was stopped on purpose · 7 in how many s to run them, or 0 for now
--       then for each event: id, job id, job data, job description
-- Gives the ids that were enqueued.
local released = {}
local wait = tonumber(ARGV[7])
redis.call('DEL', KEYS[1])
for i = 8, #ARGV, 4 do
  local key = ARGV[2] .. ARGV[i]
  local now = redis.call('HMGET', key, 'state', 'lease', 'source', 'replays')
  local state, lease, source = now[1], now[2], now[3]
  -- one that nobody has may have had no job but the one that ends here, in whatever state it waits
  if state and state ~= 'done' and state ~= 'dead' and (not lease or lease == ARGV[1]) then
    if lease then
      redis.call('HDEL', key, 'lease')
      redis.call('HSET', key, 'state', 'queued')
      if ARGV[6] ~= '' then
        redis.call('HSET', key, 'death', ARGV[6])
        redis.call('HINCRBY', key, 'deaths', 1)
      end
    end
    local id, data, description = unpack(ARGV, i + 1, i + 3)
    local lane = now[4] and '*replay' or source
    local status = wait > 0 and 'scheduled' or 'queued'
    write_job(ARGV[3], id, data, description, lane, ARGV[4], ARGV[5], status, KEYS[3], KEYS[2])
    if wait > 0 then
      redis.call('ZADD', KEYS[4], redis.call('TIME')[1] + wait, id)
    else
      push_first(KEYS[2], ARGV[3] .. id, id)
    end
    released[#released + 1] = ARGV[i]
  end
end
return released
