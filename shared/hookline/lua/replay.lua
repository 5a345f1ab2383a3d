-- Puts finished events back to run again on purpose: their old runs move aside, one job names them. Atomic.
-- KEYS  1 RQ queue · 2 RQ's set of queues · 3 unfinished events
-- ARGV  1 prefix of event keys · 2 prefix of RQ job keys · 3 queue name · 4 time (ISO 8601) · 5 time in ms
--       6 action, or '' for every action · 7 job id · 8 job data · 9 job description
--       10 lane · then the ids
-- Gives the ids that will run.
local replayed = {}
for i = 11, #ARGV do
  if put_back(ARGV[i], ARGV[1], KEYS[3], ARGV[6], ARGV[5]) then
    replayed[#replayed + 1] = ARGV[i]
  end
end
if #replayed > 0 then
  write_job(ARGV[2], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[3], ARGV[4], 'queued', KEYS[2], KEYS[1])
  redis.call('RPUSH', KEYS[1], ARGV[7])
end
write_tally(0)
return replayed
