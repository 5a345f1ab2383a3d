-- Pops the next job, so that every lane has its turn: all jobs of one source are a lane, and replays are one.
-- Jobs are enqueued in one RQ queue and sorted into their lanes here. A lane is a list beside that queue, which
-- RQ shows as a queue of its own; the job goes to the intermediate list of the one queue, as with RQ's own pop.
-- KEYS  1 RQ queue · 2 its intermediate list · 3 lanes by their last turn · 4 RQ's set of queues · 5 paused lanes
-- ARGV  1 prefix of RQ job keys · 2 how many jobs to sort at the most · then the lanes to leave alone
-- Gives {job id, data, lane}, or how many jobs are still to be sorted when none was found.
local most = tonumber(ARGV[2])
local left_alone = {}
for _, lane in ipairs(redis.call('HKEYS', KEYS[5])) do
  left_alone[lane] = true
end
for i = 3, #ARGV do
  left_alone[ARGV[i]] = true
end

local function list_of(lane)
  return KEYS[1] .. '/' .. lane
end

for _ = 1, most do
  local id = redis.call('LPOP', KEYS[1])
  if not id then
    break
  end
  local job = redis.pcall('HMGET', ARGV[1] .. id, 'lane', 'first') -- it may be anything that anybody has put there
  local lane = job[1] or '*'
  redis.call(job[2] and 'LPUSH' or 'RPUSH', list_of(lane), id)
  if not redis.call('ZSCORE', KEYS[3], lane) then
    local soonest = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
    redis.call('ZADD', KEYS[3], soonest or 0, lane)
    redis.call('SADD', KEYS[4], list_of(lane))
  end
end

for _, lane in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local id = not left_alone[lane] and redis.call('LPOP', list_of(lane))
  if id then
    redis.call('RPUSH', KEYS[2], id)
    local last = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2]
    redis.call('ZADD', KEYS[3], last + 1, lane)
    local data = redis.pcall('HGET', ARGV[1] .. id, 'data')
    return {id, type(data) == 'string' and data, lane}
  end
end
return redis.call('LLEN', KEYS[1])
