-- Writes the latest tick of symbols and their last ticks, and publishes ticks.
--
-- ARGV[1]: JSON array of rows: [symbol, execution, ts_us, seq, fields, ticks, published, is_whole]. fields: name and
-- text of further fields of `tick:{symbol}`, alternating. ticks: [seq, text] of ticks for `ticks:{symbol}`, the oldest
-- first. published: texts for the channel `stock_updates`, the oldest first. is_whole: `ticks` are all of the list.
-- ARGV[2]: the length of a list, at most.
-- Returns two lists, as the script of prices does: the symbols of rows that could not be written because one of their
-- keys has another type, and an empty one, because a symbol's older latest tick is no fault: its ticks may come in any
-- order.
--
-- An execution of the flow begins with the state of its last commit and applies the ticks after it once more, perhaps
-- in another order. So the ticks of an execution take the place of those of the executions before it.
local history = tonumber(ARGV[2])

-- The number of a field; below all others if it is missing, or is no number.
local function number(text) return tonumber(text or '-1') or -1 end

-- Removes the ticks of the list that this execution applies once more: those from number `seq` on.
-- What another program has put there goes as well.
local function forget_from(list, seq)
  local head = redis.call('LINDEX', list, 0)
  while head do
    local ok, tick = pcall(cjson.decode, head)
    if ok and type(tick) == 'table' and type(tick.seq) == 'number' and tick.seq < seq then return end
    redis.call('LPOP', list)
    head = redis.call('LINDEX', list, 0)
  end
end

local function write_ticks(key, list, execution, ticks, is_whole)
  local stored = redis.call('HMGET', key, 'execution', 'applied')
  local of, applied = number(stored[1]), number(stored[2])
  if of > execution then return end
  if is_whole then
    -- In the same execution, ticks that are newer than the whole may be there already.
    if of == execution and applied > ticks[#ticks][1] then return end
    redis.call('DEL', list)
    applied = -1
  elseif of < execution then
    forget_from(list, ticks[1][1])
    applied = -1
  end
  for _, tick in ipairs(ticks) do
    if tick[1] > applied then redis.call('LPUSH', list, tick[2]) end
  end
  redis.call('LTRIM', list, 0, history - 1)
  redis.call('HSET', key, 'execution', string.format('%.0f', execution),
    'applied', string.format('%.0f', math.max(applied, ticks[#ticks][1])))
end

-- True if the latest tick is newer than that of the row: of the same execution by its number, else by its time.
local function is_newer(key, execution, ts_us, seq)
  local stored = redis.call('HMGET', key, 'ts_us', 'seq', 'written_by')
  local stored_us, by = number(stored[1]), number(stored[3])
  if stored_us ~= ts_us then return stored_us > ts_us end
  return by > execution or (by == execution and number(stored[2]) > seq)
end

local function write(row)
  local symbol, execution, ts_us, seq, ticks = row[1], row[2], row[3], row[4], row[6]
  local key = 'tick:' .. symbol
  if not is_newer(key, execution, ts_us, seq) then
    redis.call('HSET', key, 'ts_us', string.format('%.0f', ts_us), 'seq', string.format('%.0f', seq),
      'written_by', string.format('%.0f', execution), unpack(row[5]))
  end
  if #ticks > 0 then write_ticks(key, 'ticks:' .. symbol, execution, ticks, row[8]) end
  redis.call('SADD', 'symbols', symbol)
end

local failed = {}
for _, row in ipairs(cjson.decode(ARGV[1])) do
  local ok, problem = pcall(write, row)
  if not ok and string.find(tostring(type(problem) == 'table' and problem.err or problem), 'WRONGTYPE') then
    redis.call('DEL', 'tick:' .. row[1], 'ticks:' .. row[1])
    ok, problem = pcall(write, row)
    if not ok then table.insert(failed, row[1]) end
  elseif not ok then
    error(problem)
  end
  for _, text in ipairs(row[7]) do redis.call('PUBLISH', 'stock_updates', text) end
end
return {failed, {}}
