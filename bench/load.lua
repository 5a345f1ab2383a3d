-- Sends the requests of a file, each once and in their order; see `write_requests` in deliveries.py.
--   wrk … -s load.lua URL -- FILE FIRST_BYTE ["once"]
-- With "once" it ends when every request was answered as new, and asks the last one again until then.

local file, first_byte, once
local held, fresh
local total, answered = 0, 0
sent, repeated, refused, unverified = 0, 0, 0, true
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  first_byte, once = tonumber(args[2]), args[3] == "once"
  file = assert(io.open(args[1], "rb"))
  file:seek("set", first_byte)
  if once then
    total = tonumber(args[4])
    response = count_answer
  end
end

local function read()
  local digits = file:read(8)
  if not digits then
    if once then
      return held
    end
    repeated = repeated + 1
    file:seek("set", 0)
    digits = file:read(8)
  end
  return file:read(tonumber(digits))
end

function request()
  if unverified then -- wrk asks for one that it only looks at
    unverified = false
    fresh = read()
    return fresh
  end
  held, fresh = fresh or read(), nil
  sent = sent + 1
  return held
end

function count_answer(status, headers, body)
  if status ~= 202 then
    refused = refused + 1
  elseif body:find("queued", 1, true) then
    answered = answered + 1
    if answered == total then
      io.stderr:write("all answered\n")
      wrk.thread:stop()
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  local thread = threads[1]
  io.stdout:write(string.format(
    '\nRESULT {"answered": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "refused": %d, "errors": %d, "repeated": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout, thread:get("repeated")))
end
