-- Commits a group: every event that is new is stored and indexed, and one RQ job names them all. Atomic.
-- KEYS  1 index of events · 2 counters · 3 RQ queue · 4 RQ job · 5 RQ's set of queues
-- ARGV  1 prefix of event keys · 2 job id · 3 job data · 4 job description · 5 queue name · 6 time (ISO 8601)
--       then for each event: id, prefix of its dedupe buckets, dedupe key, window in ms, source, provider,
--       received_at in ms, headers, body
-- Gives {number of jobs waiting, then for each event the id under which it is stored}.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function received_at(id) -- an id begins with it
  return tonumber(string.sub(id, 1, 12), 16)
end

-- A dedupe bucket takes the keys of one window's time, so this one and the one before reach back far enough.
-- Small hashes cost a third of what a string with an expiry of its own does.
local function first_within(window, bucket, period, key, id)
  for p = period, period - 1, -1 do
    local first = redis.call('HGET', bucket .. p, key)
    if first and received_at(id) - received_at(first) < window then
      return first
    end
  end
end

local function remember(window, bucket, period, key, id)
  redis.call('HSET', bucket .. period, key, id)
  if redis.call('HLEN', bucket .. period) == 1 then
    redis.call('PEXPIREAT', bucket .. period, (period + 2) * window)
  end
end

local ids = {}
local received, repeated = {}, {}
local index = {}
for i = 7, #ARGV, 9 do
  local id, bucket, dedupe, window, source = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]
  local period = math.floor(now_ms / window)
  local first = first_within(window, bucket, period, dedupe, id)
  if not first then
    first = id
    received[source] = (received[source] or 0) + 1
    remember(window, bucket, period, dedupe, id)
    redis.call('HSET', ARGV[1] .. id, 'source', source, 'provider', ARGV[i + 5], 'received_at', ARGV[i + 6],
      'headers', ARGV[i + 7], 'body', ARGV[i + 8], 'state', 'queued')
    index[#index + 1] = ARGV[i + 6]
    index[#index + 1] = id
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
if #index > 0 then
  redis.call('ZADD', KEYS[1], unpack(index))
  write_job(KEYS[4], ARGV[3], ARGV[4], ARGV[5], ARGV[6], 'queued', KEYS[5], KEYS[3])
  redis.call('RPUSH', KEYS[3], ARGV[2])
end
table.insert(ids, 1, redis.call('LLEN', KEYS[3]))
return ids
