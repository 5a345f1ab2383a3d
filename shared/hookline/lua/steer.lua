-- Changes the state of a bulk replay, if it is in one of those from which it may, and adds events to its list. Atomic.
-- KEYS  1 the bulk replay · 2 its list
-- ARGV  1 new state · 2 ms for which it lives on: while it is being counted, and when it is over
--       3 number of states that it may be in · then these · then ids to add, each to go before the ones before it
-- Gives 1 if it was in one of them, else 0.
local may = false
local state = redis.call('HGET', KEYS[1], 'state')
local first = 4 + tonumber(ARGV[3])
for i = 4, first - 1 do
  may = may or state == ARGV[i]
end
if not may then
  return 0
end
local now_ms = redis_ms()
local new = ARGV[1]
if #ARGV >= first then
  redis.call('HINCRBY', KEYS[1], 'total', #ARGV - first + 1)
  redis.call('LPUSH', KEYS[2], unpack(ARGV, first))
end
if new == 'running' and redis.call('EXISTS', KEYS[2]) == 0 then
  new = 'done'
end
redis.call('HSET', KEYS[1], 'state', new)
if new == 'counting' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
elseif new == 'done' or new == 'cancelled' then
  redis.call('HSET', KEYS[1], 'ended_at', now_ms)
  redis.call('DEL', KEYS[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('HSET', KEYS[1], 'fed_at', now_ms)
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
end
return 1
