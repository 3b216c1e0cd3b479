-- The first argument names the file with the request body. With "own" as the second, every request has its own keys.
-- Prints one line of JSON at the end.
local headers, body, own, sent = { ["content-type"] = "application/json" }, nil, false, 0

function init(words)
  local file = assert(io.open(words[1], "rb"))
  body, own = file:read("*a"), words[2] == "own"
  file:close()
end

function request()
  if own then
    sent = sent + 1
    for _, vendor in ipairs({ "nemo", "langsmith", "meibel" }) do
      headers["x-" .. vendor .. "-key"] = string.format("%s-%d-%d", vendor, os.time(), sent)
    end
  end
  return wrk.format("POST", nil, headers, body)
end

function done(summary, latency)
  local failed = 0
  for _, count in pairs(summary.errors) do failed = failed + count end
  io.write(string.format('MEASURED {"requests": %d, "seconds": %.3f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
