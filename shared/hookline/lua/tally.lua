-- Put before every script that counts: totals since the beginning, and the same for the current minute. What is
-- counted is gathered, and written at the end with `write_tally`.
local MINUTE_SECONDS = 26 * 3600
local RUN_BOUNDS_MS = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000}
local totals, minutely = {}, {}

-- A number that also goes down, or that nobody looks at by the minute.
local function total(name, n)
  totals[name] = (totals[name] or 0) + n
end

local function count(name, n)
  total(name, n)
  minutely[name] = (minutely[name] or 0) + n
end

-- One attempt of an action: how it ended, and how long it took.
local function count_run(action, outcome, ms)
  count('runs:' .. outcome .. ':' .. action, 1)
  total('run_ms:' .. action, ms)
  local bound = 'inf'
  for _, each in ipairs(RUN_BOUNDS_MS) do
    if ms <= each then
      bound = each
      break
    end
  end
  total('run_le:' .. bound .. ':' .. action, 1)
end

local function write_tally(now_ms)
  for name, n in pairs(totals) do
    if n ~= 0 then
      redis.call('HINCRBY', 'hookline:counters', name, n)
    end
  end
  if next(minutely) then
    local key = 'hookline:minute:' .. math.floor(now_ms / 60000)
    for name, n in pairs(minutely) do
      redis.call('HINCRBY', key, name, n)
    end
    redis.call('EXPIRE', key, MINUTE_SECONDS)
  end
end

local function redis_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

