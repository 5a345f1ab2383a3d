-- Takes the next events off the list of a bulk replay and puts them back to run again, one job for them all. Atomic,
-- so that each of them is replayed once, whoever is killed and whoever goes on.
-- KEYS  1 the bulk replay · 2 its list · 3 RQ queue · 4 RQ's set of queues · 5 unfinished events
-- ARGV  1 id of the bulk replay · 2 how many to take, at the most · 3 ms for which it lives on when it is over
--       4 ms of which it makes up for what it did not take · 5 prefix of event keys · 6 prefix of RQ job keys
--       7 queue name · 8 time (ISO 8601) · 9 the job's function · 10 lane · 11 job id
-- Gives how many were taken, of which some may have been skipped; 0 when there is nothing to do for now.
local bulk = redis.call('HMGET', KEYS[1], 'state', 'action', 'per_second', 'fed_at')
if bulk[1] ~= 'running' then
  return 0
end
local now_ms = redis_ms()
local most, rate = tonumber(ARGV[2]), tonumber(bulk[3])
if rate then
  local ms_an_event = 1000 / rate
  local fed_at = math.max(tonumber(bulk[4]), now_ms - math.max(tonumber(ARGV[4]), ms_an_event))
  most = math.min(most, math.floor((now_ms - fed_at) / ms_an_event))
  redis.call('HSET', KEYS[1], 'fed_at', string.format('%.3f', fed_at + most * ms_an_event))
end
if most < 1 then
  return 0
end

local taken = redis.call('LPOP', KEYS[2], most) or {}
local replayed = {}
for _, id in ipairs(taken) do
  -- one that was written down twice has been taken already
  local is_new = redis.call('HGET', ARGV[5] .. id, 'replay') ~= ARGV[1]
  if is_new and put_back(id, ARGV[5], KEYS[5], bulk[2], now_ms) then
    redis.call('HSET', ARGV[5] .. id, 'replay', ARGV[1])
    replayed[#replayed + 1] = id
  end
end
redis.call('HINCRBY', KEYS[1], 'done', #replayed)
redis.call('HINCRBY', KEYS[1], 'skipped', #taken - #replayed)
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('HSET', KEYS[1], 'state', 'done', 'ended_at', now_ms)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if #replayed > 0 then
  local data = cjson.encode({ARGV[9], cjson.null, {replayed}, {}})
  local what = 'process(' .. (#replayed == 1 and replayed[1] or #replayed .. ' events') .. ')'
  write_job(ARGV[6], ARGV[11], data, what, ARGV[10], ARGV[7], ARGV[8], 'queued', KEYS[4], KEYS[3])
  redis.call('RPUSH', KEYS[3], ARGV[11])
end
write_tally(0)
return #taken
