-- What some worker must do every second: due retries, and jobs of dead workers. Atomic, one worker at a time.
-- RQ's own scheduler and maintenance do the first two, but behind locks that outlive a kill -9 by one to
-- fifteen minutes, and only after a job has been stuck for one.
-- KEYS  1 when the last tick was, in ms · 2 RQ queue · 3 RQ's intermediate list · 4 RQ's started jobs · 5 RQ's schedule
--       6 when a stuck job was first seen · 7 the grace after an outage · 8 RQ's set of workers
--       9 RQ's set of this queue's workers
-- ARGV  1 prefix of RQ keys · 2 ms between ticks · 3 ms after which a job is stuck
--       4 how many to do of each kind, at the most · 5 ms without a tick that mean an outage · 6 grace in ms
-- Gives {due jobs enqueued, jobs of dead workers enqueued}, or nil when another worker was just here.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local now_ms = math.floor(now * 1000)
local most = tonumber(ARGV[4])

-- By comparing, and not by a key that expires: it would outlive its time by as much as the clock is set back.
local last = tonumber(redis.call('GET', KEYS[1]) or 0)
if last <= now_ms and now_ms - last < tonumber(ARGV[2]) then
  return nil
end
redis.call('SET', KEYS[1], now_ms)

-- While Redis was away nobody could keep anything alive, and every lease and every started job may have run
-- out though its owner lives: it gets the time to say so.
if last > 0 and now_ms - last > tonumber(ARGV[5]) then
  redis.call('SET', KEYS[7], 1, 'PX', ARGV[6])
end
local in_grace = redis.call('EXISTS', KEYS[7]) == 1

local function enqueue(job, is_again)
  local key = ARGV[1] .. 'job:' .. job
  if redis.call('EXISTS', key) == 0 then
    return 0
  end
  redis.call('HSET', key, 'status', 'queued')
  if is_again then
    push_first(KEYS[2], key, job)
  else
    redis.call('RPUSH', KEYS[2], job)
  end
  return 1
end

local due = 0
for _, job in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, most)) do
  redis.call('ZREM', KEYS[5], job)
  due = due + enqueue(job, false)
end

local JOB_AND_EXECUTION = '^(.*):([^:]*)$'
local recovered = 0
local started = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  started[string.match(member, JOB_AND_EXECUTION) or member] = true
end
for _, member in ipairs(in_grace and {} or redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, most)) do
  local job, again = string.match(member, JOB_AND_EXECUTION)
  job = job or member
  redis.call('ZREM', KEYS[4], member)
  redis.call('DEL', ARGV[1] .. 'execution:' .. member, ARGV[1] .. 'executions:' .. job)
  redis.call('LREM', KEYS[3], 1, job)
  -- Under a new id: an owner that was only out of touch removes the job that it knows when it ends, and the
  -- next owner may be at it by then.
  if again and redis.call('EXISTS', ARGV[1] .. 'job:' .. job) == 1 then
    redis.call('RENAME', ARGV[1] .. 'job:' .. job, ARGV[1] .. 'job:' .. again)
    redis.call('SREM', JOBS_KEY, job)
    redis.call('SADD', JOBS_KEY, again)
    job = again
  end
  recovered = recovered + enqueue(job, true)
end

local waiting = {}
for _, job in ipairs(redis.call('LRANGE', KEYS[3], 0, most)) do
  if not started[job] then
    waiting[job] = true
    local first_seen = redis.call('HGET', KEYS[6], job)
    if not first_seen then
      redis.call('HSET', KEYS[6], job, now_ms)
    elseif now_ms - tonumber(first_seen) >= tonumber(ARGV[3]) then
      redis.call('LREM', KEYS[3], 1, job)
      recovered = recovered + enqueue(job, true)
      waiting[job] = nil
    end
  end
end
for _, job in ipairs(redis.call('HKEYS', KEYS[6])) do
  if not waiting[job] then
    redis.call('HDEL', KEYS[6], job)
  end
end

for _, worker in ipairs(redis.call('SMEMBERS', KEYS[9])) do
  if redis.call('EXISTS', worker) == 0 then -- it died without signing off
    redis.call('SREM', KEYS[8], worker)
    redis.call('SREM', KEYS[9], worker)
  end
end

return {due, recovered}
