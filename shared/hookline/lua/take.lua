-- Leases events to one owner, so that no two jobs run the same event at the same time. Atomic.
-- The lease is the owner's token in the event, and it holds while the key of that token lives.
-- KEYS  1 the owner's lease key
-- ARGV  1 token · 2 lease in ms · 3 prefix of event keys · 4 prefix of lease keys · then the ids
-- Gives Redis's time in ms, then for each id: nil when there is nothing to do, the ms for which another owner's
-- lease holds at the least, or the event's whole hash.
local time = redis.call('TIME')
local taken = {time[1] * 1000 + math.floor(time[2] / 1000)}
local any = false
for i = 5, #ARGV do
  local key = ARGV[3] .. ARGV[i]
  local now = redis.call('HMGET', key, 'state', 'lease')
  local state, lease = now[1], now[2]
  if not state or state == 'done' or state == 'dead' then
    taken[#taken + 1] = false
  elseif lease and lease ~= ARGV[1] and redis.call('EXISTS', ARGV[4] .. lease) == 1 then
    taken[#taken + 1] = redis.call('PTTL', ARGV[4] .. lease)
  else
    if lease and lease ~= ARGV[1] then -- its owner died without a word
      redis.call('HINCRBY', key, 'deaths', 1)
    end
    redis.call('HSET', key, 'lease', ARGV[1], 'state', 'running')
    any = true
    taken[#taken + 1] = redis.call('HGETALL', key)
  end
end
if any then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
end
return taken
