-- Enqueues a job for events that no job names, if there is any among them that nobody runs. Atomic.
-- One that is finished, or is stored no more, is struck off the unfinished ones.
-- KEYS  1 RQ queue · 2 RQ's set of queues · 3 the grace after an outage (see tick.lua) · 4 unfinished events
-- ARGV  1 prefix of event keys · 2 prefix of lease keys · 3 prefix of RQ job keys · 4 queue name
--       5 time (ISO 8601) · 6 job id · 7 job data · 8 job description · 9 lane · then the ids
-- Gives the ids for which it is.
local lost = {}
local in_grace = redis.call('EXISTS', KEYS[3]) == 1
for i = 10, #ARGV do
  local now = redis.call('HMGET', ARGV[1] .. ARGV[i], 'state', 'lease', 'source')
  local state, lease, source = now[1], now[2], now[3]
  local is_held = lease and (in_grace or redis.call('EXISTS', ARGV[2] .. lease) == 1)
  if not state or state == 'done' or state == 'dead' then
    local struck = redis.call('SREM', KEYS[4], ARGV[i])
    if source then
      total('open:' .. source, 0 - struck)
    end
  elseif not is_held then
    lost[#lost + 1] = ARGV[i]
  end
end
if #lost > 0 then
  write_job(ARGV[3], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[4], ARGV[5], 'queued', KEYS[2], KEYS[1])
  push_first(KEYS[1], ARGV[3] .. ARGV[6], ARGV[6])
end
write_tally(0)
return lost
