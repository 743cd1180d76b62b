-- Writes the latest forecasts of products.
--
-- ARGV[1]: JSON array of rows: [product_id, version, features, fields]. features: a JSON document; empty to leave it
-- as it is. fields: name and text, alternating. A row without a product says that the flow is alive.
-- ARGV[2..4]: seconds after which the sign of life, the features and the forecast expire.
-- Returns two lists, as the script of prices does: the ids of rows that could not be written because their key has
-- another type, and those of rows of which Redis has a newer one.
local function write(row)
  if row[1] == '' then
    redis.call('SET', 'forecasting:alive', '1', 'EX', ARGV[2])
    return true
  end
  local key = 'forecast:' .. row[1]
  local stored = tonumber(redis.call('HGET', key, 'version') or '-1') or -1
  if stored > row[2] then return false end
  redis.call('DEL', key)
  redis.call('HSET', key, unpack(row[4]))
  redis.call('EXPIRE', key, ARGV[4])
  if row[3] ~= '' then redis.call('SET', 'features:' .. row[1], row[3], 'EX', ARGV[3]) end
  return true
end

local failed, older = {}, {}
for _, row in ipairs(cjson.decode(ARGV[1])) do
  local ok, written = pcall(write, row)
  if ok then
    if not written then table.insert(older, row[1]) end
  elseif string.find(tostring(type(written) == 'table' and written.err or written), 'WRONGTYPE') then
    redis.call('DEL', 'forecast:' .. row[1])
    ok = pcall(write, row)
    if not ok then table.insert(failed, row[1]) end
  else
    error(written)
  end
end
return {failed, older}
