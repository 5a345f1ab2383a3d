-- Deletes events that are finished, with all that leads to them. Atomic.
-- ARGV  1 prefix of event keys · 2 their source, or '' · then the ids
-- Gives the ids of those that are deleted.
local purged = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local now = redis.call('HMGET', ARGV[1] .. id, 'state', 'source', 'type', 'failures')
  local state, source = now[1], now[2]
  if state == 'done' or state == 'dead' then
    redis.call('DEL', ARGV[1] .. id)
    remove_from_index(source, now[3], {id})
    remove_from_finished(id, state, source, now[4])
    total('purged:' .. source, 1)
    purged[#purged + 1] = id
  elseif not state and ARGV[2] ~= '' then -- somebody deleted the hash alone
    remove_from_finished(id, 'done', ARGV[2])
    remove_from_finished(id, 'dead', ARGV[2])
  end
end
write_tally(0)
return purged
