-- Put before every script that changes where an event is found: by source and type, among those that are done or dead,
-- and among the dead letters of one action and error.
local INDEX_KEY = 'hookline:index'

local function events_key(source, type)
  return 'hookline:events:' .. source .. '/' .. (type or '')
end

local function add_to_index(source, type, scores_and_ids)
  redis.call('SADD', INDEX_KEY, source .. '/' .. (type or ''))
  redis.call('ZADD', events_key(source, type), unpack(scores_and_ids))
end

local function remove_from_index(source, type, ids)
  local key = events_key(source, type)
  if redis.call('ZREM', key, unpack(ids)) > 0 and redis.call('EXISTS', key) == 0 then
    redis.call('SREM', INDEX_KEY, source .. '/' .. (type or ''))
  end
end

local function finished_key(state, source)
  return 'hookline:' .. state .. ':' .. source
end

-- A finished event that is to be so no longer.
local function remove_from_finished(id, state, source, failures)
  redis.call('ZREM', finished_key(state, source), id)
  for group in string.gmatch(failures or '', '%S+') do
    local key = 'hookline:failure:' .. group
    redis.call('ZREM', key, id)
    if redis.call('EXISTS', key) == 0 then
      redis.call('HDEL', 'hookline:failures', group)
    end
  end
end

