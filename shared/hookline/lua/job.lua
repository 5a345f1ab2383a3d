-- Put before every script that makes jobs: an RQ job's hash, as RQ 3.0 writes it, with its queue made known.
local function write_job(key, data, description, queue_name, time, status, queues_key, queue_key)
  redis.call('HSET', key, 'created_at', time, 'enqueued_at', time, 'data', data, 'description', description,
    'origin', queue_name, 'status', status, 'timeout', -1, 'result_ttl', 0)
  redis.call('SADD', queues_key, queue_key)
end

