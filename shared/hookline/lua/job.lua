-- Put before every script that makes jobs: an RQ job's hash, as RQ 3.0 writes it, with its queue made known, the
-- lane in which it waits (see next.lua), and its id noted, so that one that gets lost is missed (see reconcile.lua).
local JOBS_KEY = 'hookline:jobs'

local function write_job(prefix, id, data, description, lane, queue_name, time, status, queues_key, queue_key)
  redis.call('HSET', prefix .. id, 'created_at', time, 'enqueued_at', time, 'data', data, 'description', description,
    'origin', queue_name, 'status', status, 'timeout', -1, 'result_ttl', 0, 'lane', lane)
  redis.call('SADD', JOBS_KEY, id)
  redis.call('SADD', queues_key, queue_key)
end

-- A job that has waited once already goes before the others of its lane.
local function push_first(queue_key, key, id)
  redis.call('HSET', key, 'first', 1)
  redis.call('LPUSH', queue_key, id)
end

