-- Looks through events from the newest for those that are wanted. Reads only, and so much at a time that nobody has
-- to wait for it.
-- KEYS  1 the set of index names · then sorted sets of ids by received_at: all of them are looked through as one
-- ARGV  1 what is wanted, as JSON: `prefix` of event keys, `fields` to give of each;
--         `most` of them, after `looks` or with so many `bytes` of bodies read at the latest;
--         ids `before` this one (received at `before_ms` or earlier) from `low` on;
--         and if there: `state`, `action`, `failure`, `names`, `texts` (any of them, in lower case)
--       then, if there are no sorted sets, the ids to look at instead
-- Gives {1 when it is through, number of events looked at, ids of the first and the last one, names in the index,
--       for each event that is wanted its id and the list of its fields}.
local wanted = cjson.decode(ARGV[1])

-- A head is where one of the sorted sets is read; `heads` has the one with the newest id at its end.
local heads = {}

-- Reads little at first, as most sets have little to say to a page.
local function step(head)
  head.place = head.place + 1
  if head.place > #head.ids then
    head.chunk = math.min(2 * head.chunk, wanted.looks)
    head.ids = redis.call('ZREVRANGE', head.key, head.rank, head.rank + head.chunk - 1)
    head.rank, head.place = head.rank + head.chunk, 1
  end
  head.id = head.ids[head.place]
  return head.id and head.id >= wanted.low
end

local function starts(head)
  head.rank = redis.call('ZCOUNT', head.key, '(' .. wanted.before_ms, '+inf')
  local is_within = step(head)
  while is_within and head.id >= wanted.before do -- of the same millisecond
    is_within = step(head)
  end
  return is_within
end

local function put(head)
  local from, to = 1, #heads + 1
  while from < to do
    local middle = math.floor((from + to) / 2)
    if heads[middle].id < head.id then
      from = middle + 1
    else
      to = middle
    end
  end
  table.insert(heads, from, head)
end

for i = 2, #KEYS do
  local head = {key = KEYS[i], ids = {}, place = 0, chunk = 4}
  if starts(head) then
    put(head)
  end
end

local given = 1 -- place in ARGV of the last id that was looked at

local function newest()
  if #KEYS == 1 then
    return ARGV[given + 1]
  end
  return heads[#heads] and heads[#heads].id
end

local function go_on()
  if #KEYS == 1 then
    given = given + 1
  else
    local head = table.remove(heads)
    if step(head) then
      put(head)
    end
  end
end

local names
if wanted.names then
  names = {}
  for _, name in ipairs(wanted.names) do
    names[name] = true
  end
end

local function is_named(key)
  local event = redis.call('HMGET', key, 'source', 'type')
  return names[(event[1] or '') .. '/' .. (event[2] or '')]
end

local function is_in_state(key)
  if not wanted.action then
    return redis.call('HGET', key, 'state') == wanted.state
  end
  local run = redis.call('HGET', key, 'run:' .. wanted.action)
  return run and (not wanted.state or cjson.decode(run).state == wanted.state)
end

local function has_failure(key)
  local failures = redis.call('HGET', key, 'failures')
  return failures and string.find(' ' .. failures .. ' ', ' ' .. wanted.failure .. ' ', 1, true)
end

local function has_text(key)
  local body = string.lower(redis.call('HGET', key, 'body') or '')
  for _, text in ipairs(wanted.texts) do
    if string.find(body, text, 1, true) then
      return true
    end
  end
end

local function is_wanted(key)
  return (not (wanted.state or wanted.action) or is_in_state(key)) and (not wanted.failure or has_failure(key))
    and (not names or is_named(key)) and (not wanted.texts or has_text(key))
end

local found, looked, bytes = {}, 0, 0
local id = newest()
local first, last = id or '', ''
while id and looked < wanted.looks and #found < 2 * wanted.most do
  local key = wanted.prefix .. id
  if wanted.texts then
    bytes = bytes + redis.call('HSTRLEN', key, 'body')
    if bytes > wanted.bytes and looked > 0 then
      break
    end
  end
  if is_wanted(key) then
    found[#found + 1] = id
    found[#found + 1] = redis.call('HMGET', key, unpack(wanted.fields))
  end
  looked, last = looked + 1, id
  go_on()
  id = newest()
end
return {id and 0 or 1, looked, first, last, redis.call('SMEMBERS', KEYS[1]), found}
