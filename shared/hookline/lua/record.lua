-- Writes what became of runs, settles their events, counts them, and enqueues what is to run again. Atomic.
-- An event whose lease has passed to another owner is left alone.
-- KEYS  1 RQ queue · 2 RQ's schedule · 3 RQ's set of queues · 4 unfinished events
-- ARGV  1 token · 2 prefix of event keys · 3 prefix of RQ job keys · 4 queue name · 5 time (ISO 8601)
--       6 number of events
--       then for each event: id, new state or '' for none, the event's type if it is news (also a field), else '',
--       number of fields, the fields, number of failures, for each its group and label,
--       number of attempts that have ended, for each its action, outcome and ms
--       then for each job: id, data, description, lane, due in s or 0 for now
-- Gives the ids that were left alone.
local now_ms = redis_ms()
local lost = {}
local finished = {} -- by its key: scores and ids; likewise the rest
local closed, unread, typed = {}, {}, {}
local i = 7

local function into(groups, key, ...)
  local group = groups[key] or {}
  groups[key] = group
  for _, each in ipairs({...}) do
    group[#group + 1] = each
  end
end

-- An attempt is in the event's field already where this is the second try, after the answer to the first was lost.
local function count_runs(key, at, fields)
  local runs, is_new = tonumber(ARGV[at]), {}
  for r = at + 1, at + 3 * runs, 3 do
    local field = 'run:' .. ARGV[r]
    if is_new[field] == nil then
      is_new[field] = redis.call('HGET', key, field) ~= fields[field]
    end
    if is_new[field] then
      count_run(ARGV[r], ARGV[r + 1], tonumber(ARGV[r + 2]))
    end
  end
  return at + 1 + 3 * runs
end

for _ = 1, tonumber(ARGV[6]) do
  local id, state, type = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = ARGV[2] .. id
  local first_field, fields = i + 4, tonumber(ARGV[i + 3])
  local last_field = i + 3 + 2 * fields
  local failures_at = last_field + 1
  local runs_at = failures_at + 1 + 2 * tonumber(ARGV[failures_at])
  local now = redis.call('HMGET', key, 'lease', 'source', 'received_at', 'type')
  local source = now[2] or ''
  if now[1] ~= ARGV[1] then
    lost[#lost + 1] = id
    i = runs_at + 1 + 3 * tonumber(ARGV[runs_at])
  else
    local new = {}
    for f = first_field, last_field, 2 do
      new[ARGV[f]] = ARGV[f + 1]
    end
    i = count_runs(key, runs_at, new)
    if type ~= '' then
      into(unread, source, id)
      typed[source] = typed[source] or {}
      into(typed[source], type, now[3], id)
      if now[4] and now[4] ~= type then -- an earlier version called it something else
        remove_from_index(source, now[4], {id})
      end
    end
    if state == 'done' or state == 'dead' then
      redis.call('HSET', key, 'state', state, 'finished_at', now_ms, unpack(ARGV, first_field, last_field))
      redis.call('HDEL', key, 'lease', 'deaths', 'death', 'only')
      into(finished, finished_key(state, source), now_ms, id)
      into(closed, source, id)
      count(state .. ':' .. source, 1)
      for f = failures_at + 1, runs_at - 1, 2 do
        redis.call('ZADD', 'hookline:failure:' .. ARGV[f], now_ms, id)
        redis.call('HSETNX', 'hookline:failures', ARGV[f], ARGV[f + 1])
      end
    elseif state ~= '' then
      redis.call('HSET', key, 'state', state, unpack(ARGV, first_field, last_field))
      redis.call('HDEL', key, 'lease')
      if state == 'retrying' or state == 'paused' then
        redis.call('HSET', key, 'counted', state) -- until it is taken; see take.lua
        total(state .. ':' .. source, 1)
      end
    elseif fields > 0 then
      redis.call('HSET', key, unpack(ARGV, first_field, last_field))
    end
  end
end
for source, ids in pairs(unread) do
  for type, scores_and_ids in pairs(typed[source]) do
    add_to_index(source, type, scores_and_ids)
  end
  remove_from_index(source, '', ids)
end
for key, scores_and_ids in pairs(finished) do
  redis.call('ZADD', key, unpack(scores_and_ids))
end
for source, ids in pairs(closed) do
  total('open:' .. source, 0 - redis.call('SREM', KEYS[4], unpack(ids)))
end
while i <= #ARGV do
  local id, data, description, lane, due = unpack(ARGV, i, i + 4)
  due = tonumber(due)
  local status = due > 0 and 'scheduled' or 'queued'
  write_job(ARGV[3], id, data, description, lane, ARGV[4], ARGV[5], status, KEYS[3], KEYS[1])
  if due > 0 then
    redis.call('ZADD', KEYS[2], due, id)
  else
    push_first(KEYS[1], ARGV[3] .. id, id)
  end
  i = i + 5
end
write_tally(now_ms)
return lost
