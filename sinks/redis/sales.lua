-- Writes the sums of sales of products.
--
-- ARGV[1]: JSON array of rows: [product_id, execution, count, fields]. fields: name and text, alternating.
-- Returns two lists, as the script of prices does: the ids of rows that could not be written because their key has
-- another type, and those of rows of which Redis has a newer one.
local function write(row)
  local key = 'sales:' .. row[1]
  local stored = redis.call('HMGET', key, 'execution', 'count')
  local execution, count = tonumber(stored[1] or '-1') or -1, tonumber(stored[2] or '-1') or -1
  if execution > row[2] or (execution == row[2] and count > row[3]) then return false end
  redis.call('HSET', key, 'execution', string.format('%.0f', row[2]), 'count', string.format('%.0f', row[3]),
    unpack(row[4]))
  redis.call('SADD', 'sales', row[1])
  return true
end

local failed, older = {}, {}
for _, row in ipairs(cjson.decode(ARGV[1])) do
  local ok, written = pcall(write, row)
  if ok then
    if not written then table.insert(older, row[1]) end
  elseif string.find(tostring(type(written) == 'table' and written.err or written), 'WRONGTYPE') then
    redis.call('DEL', 'sales:' .. row[1])
    ok = pcall(write, row)
    if not ok then table.insert(failed, row[1]) end
  else
    error(written)
  end
end
return {failed, older}
