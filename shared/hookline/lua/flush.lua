-- Adds what a receiver has counted to the totals and to their minutes. Sent again, since its answer was lost, it
-- changes nothing.
-- KEYS  1 the number of what this receiver sent last
-- ARGV  1 number of what it sends now · 2 for how many seconds that number is kept
--       3 number of totals, then for each: name, how many
--       then number of counts by the minute, for each: key of the minute, name, how many
--       then how many refused deliveries are kept, and for each: key of its source's list, JSON; the oldest first
if tonumber(ARGV[1]) <= tonumber(redis.call('GET', KEYS[1]) or 0) then
  return
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])

local at = 4
for _ = 1, tonumber(ARGV[3]) do
  total(ARGV[at], tonumber(ARGV[at + 1]))
  at = at + 2
end
write_tally(redis_ms())

at = at + 1
for _ = 1, tonumber(ARGV[at - 1]) do
  redis.call('HINCRBY', ARGV[at], ARGV[at + 1], ARGV[at + 2])
  redis.call('EXPIRE', ARGV[at], MINUTE_SECONDS)
  at = at + 3
end

for i = at + 1, #ARGV, 2 do
  redis.call('LPUSH', ARGV[i], ARGV[i + 1])
  redis.call('LTRIM', ARGV[i], 0, ARGV[at] - 1)
end
