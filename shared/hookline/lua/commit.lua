-- Commits a group: every event that is new is stored and indexed, and one RQ job names them all, or one for each
-- source when the workers are behind, so that no source waits behind another's. Atomic.
-- KEYS  1 RQ queue · 2 RQ's set of queues · 3 unfinished events · 4 lanes · 5 paused lanes · 6 counters
-- ARGV  1 prefix of event keys · 2 prefix of RQ job keys · 3 queue name · 4 time (ISO 8601)
--       5 more jobs waiting than this: the workers are behind · 6 'again' for events that may be stored already
--       7 number of jobs, then for each, the one for all of the group first: id, data, description, lane
--       then for each event: id, prefix of its dedupe buckets, dedupe key, window in ms, source, provider,
--       received_at in ms, headers, body, trace context or ''
-- Gives {number of jobs waiting, then for each event the id under which it is stored}.
local now_ms = redis_ms()

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

-- What waits because it is paused does not make the workers late.
local waiting = redis.call('LLEN', KEYS[1])
for _, lane in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  waiting = waiting + redis.call('LLEN', KEYS[1] .. '/' .. lane)
end
for _, lane in ipairs(redis.call('HKEYS', KEYS[5])) do
  waiting = waiting - redis.call('LLEN', KEYS[1] .. '/' .. lane)
end

local ids = {}
local new, index, latest = {}, {}, {}
local jobs = tonumber(ARGV[7])
for i = 8 + 4 * jobs, #ARGV, 10 do
  local id, bucket, dedupe, source = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
  local window = math.max(1, tonumber(ARGV[i + 3])) -- without one there would be no end of periods
  local period = math.floor(now_ms / window)
  local first = first_within(window, bucket, period, dedupe, id)
  if not first and ARGV[6] == 'again' and redis.call('EXISTS', ARGV[1] .. id) == 1 then
    first = id -- committed before a crash, and its dedupe window is over
  end
  if not first then
    first = id
    remember(window, bucket, period, dedupe, id)
    redis.call('HSET', ARGV[1] .. id, 'source', source, 'provider', ARGV[i + 5], 'received_at', ARGV[i + 6],
      'headers', ARGV[i + 7], 'body', ARGV[i + 8], 'state', 'queued')
    if ARGV[i + 9] ~= '' then
      redis.call('HSET', ARGV[1] .. id, 'trace', ARGV[i + 9])
    end
    index[source] = index[source] or {}
    table.insert(index[source], ARGV[i + 6])
    table.insert(index[source], id)
    latest[source] = math.max(latest[source] or 0, tonumber(ARGV[i + 6]))
    new[#new + 1] = id
  elseif first ~= id then -- the same id is this very commit, sent again because its answer was lost
    count('repeated:' .. source, 1)
    if redis.call('EXISTS', ARGV[1] .. first) == 1 then
      redis.call('HINCRBY', ARGV[1] .. first, 'repeats', 1)
      redis.call('HSET', ARGV[1] .. first, 'repeated_at', now_ms)
    end
  end
  ids[#ids + 1] = first
end
for source, scores_and_ids in pairs(index) do
  add_to_index(source, '', scores_and_ids)
  count('received:' .. source, #scores_and_ids / 2)
  total('open:' .. source, #scores_and_ids / 2)
  if latest[source] > tonumber(redis.call('HGET', KEYS[6], 'last:' .. source) or 0) then
    redis.call('HSET', KEYS[6], 'last:' .. source, latest[source])
  end
end
if #new > 0 then
  redis.call('SADD', KEYS[3], unpack(new))
  local first_job, last_job = 1, 1
  if jobs > 1 and waiting > tonumber(ARGV[5]) then
    first_job, last_job = 2, jobs
  end
  for j = first_job, last_job do
    local id, data, description, lane = unpack(ARGV, 4 * j + 4, 4 * j + 7)
    if j == 1 or index[lane] then -- else it would name repeats alone
      write_job(ARGV[2], id, data, description, lane, ARGV[3], ARGV[4], 'queued', KEYS[2], KEYS[1])
      redis.call('RPUSH', KEYS[1], id)
      waiting = waiting + 1
    end
  end
end
write_tally(now_ms)
table.insert(ids, 1, waiting)
return ids
