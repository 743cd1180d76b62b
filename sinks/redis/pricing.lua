-- Writes rows of prices, products and freezes. A price, its override and the indexes change together, and only if the
-- row is not older than what is stored.
--
-- ARGV[1]: JSON array of rows. A row of a price: [product_id, updated_at_ms, update, override or null, day_open or null].
-- Of a product without a price: [product_id, updated_at_ms, null, override or null, version]. Of the catalogue:
-- [product_id, product or null]. Of a freeze: [scope, freeze or null, "freeze"]. Of stock, clicks and competitors:
-- [product_id, fields, parts, "signals"].
-- ARGV[2]: the format of a price, '%.2f' for a currency with two decimals.
-- Returns two lists: the names of rows that could not be written because one of their keys has another type, and the
-- ids of products whose stored version is newer.
--
-- Numbers are formatted by this and '%.17g', because Lua's own conversion has 14 digits.
local older = {}
local money = ARGV[2]

local function write_product(id, product)
  local category = redis.call('HGET', 'product:' .. id, 'category')
  if category then
    redis.call('SREM', 'category:' .. category, id)
    if redis.call('EXISTS', 'category:' .. category) == 0 then redis.call('SREM', 'categories', category) end
  end
  redis.call('DEL', 'product:' .. id)
  if product == cjson.null then return end
  redis.call('HSET', 'product:' .. id, 'name', product.name, 'category', product.category,
    'base_price', string.format('%.17g', product.base_price))
  for _, name in ipairs({'unit_cost', 'list_price', 'map_price'}) do
    if product[name] ~= cjson.null then
      redis.call('HSET', 'product:' .. id, name, string.format('%.17g', product[name]))
    end
  end
  if product.category == '' then return end
  redis.call('SADD', 'categories', product.category)
  redis.call('SADD', 'category:' .. product.category, id)
end

local function write_freeze(scope, freeze)
  if freeze == cjson.null then redis.call('HDEL', 'freezes', scope)
  else redis.call('HSET', 'freezes', scope, cjson.encode(freeze)) end
end

-- parts: the sets `inventory:PART` that the product belongs to. Without fields nothing is known of it.
local function write_signals(id, fields, parts)
  local key = 'signals:' .. id
  redis.call('DEL', key)
  for _, part in ipairs({'Low', 'Medium', 'High', 'low', 'oversold'}) do redis.call('SREM', 'inventory:' .. part, id) end
  if #fields == 0 then
    redis.call('SREM', 'inventory', id)
    return
  end
  redis.call('HSET', key, unpack(fields))
  redis.call('SADD', 'inventory', id)
  for _, part in ipairs(parts) do redis.call('SADD', 'inventory:' .. part, id) end
end

local function write_override(id, override)
  redis.call('HSET', 'override:' .. id, 'override_price', string.format(money, override.override_price),
    'reason', override.reason, 'set_by', override.set_by,
    'set_at', override.set_at, 'expires_at', override.expires_at)
  redis.call('SADD', 'overrides', id)
end

local function end_override(id)
  redis.call('DEL', 'override:' .. id)
  redis.call('SREM', 'overrides', id)
end

-- True, and the id is reported, if the stored price has a newer version.
local function is_older(id, version, stored)
  if not stored or tonumber(stored) <= version then return false end
  table.insert(older, id)
  return true
end

-- A product may have an override and no price: its bounds cannot be used.
local function withdraw(id, override, version)
  if is_older(id, version, redis.call('HGET', 'price:' .. id, 'version')) then return end
  redis.call('DEL', 'price:' .. id)
  redis.call('SREM', 'products', id)
  if override ~= cjson.null then write_override(id, override) else end_override(id) end
end

local function write_price(id, updated_at, update, override, day_open)
  local key = 'price:' .. id
  local stored = redis.call('HMGET', key, 'version', 'price_source')
  if is_older(id, update.version, stored[1]) then return end
  local demand = string.format(update.demand % 1 == 0 and '%.0f' or '%.17g', update.demand)
  local previous = ''
  if update.previous_price ~= cjson.null then previous = string.format(money, update.previous_price) end
  redis.call('HSET', key, 'price', string.format(money, update.new_price), 'demand', demand,
    'version', string.format('%.0f', update.version), 'price_source', update.price_source,
    'previous_price', previous, 'updated_at_ms', string.format('%.0f', updated_at),
    'adjustments', cjson.encode(update.adjustments),
    'event_time_ms', string.format('%.0f', update.event_time_ms), 'policy', update.policy)
  if day_open and day_open ~= cjson.null then
    redis.call('HSET', key, 'day_open', string.format(money, day_open),
      'day', string.format('%.0f', math.floor(update.event_time_ms / 86400000)))
  end
  redis.call('SADD', 'products', id)
  if override ~= cjson.null then
    write_override(id, override)
  elseif stored[2] == 'override' or not stored[1] then
    end_override(id)
  end
end

local function write(row)
  if #row == 2 then write_product(row[1], row[2])
  elseif #row == 3 then write_freeze(row[1], row[2])
  elseif #row == 4 then write_signals(row[1], row[2], row[3])
  elseif row[3] == cjson.null then withdraw(row[1], row[4], row[5])
  else write_price(row[1], row[2], row[3], row[4], row[5]) end
end

-- If a key of a row has another type, the row's keys are deleted and the row is written once more. If that fails too,
-- the other rows are still written.
local failed = {}
for _, row in ipairs(cjson.decode(ARGV[1])) do
  local ok, problem = pcall(write, row)
  if not ok and string.find(tostring(type(problem) == 'table' and problem.err or problem), 'WRONGTYPE') then
    if #row == 3 then redis.call('DEL', 'freezes')
    elseif #row == 4 then
      redis.call('DEL', 'signals:' .. row[1], 'inventory', 'inventory:Low', 'inventory:Medium', 'inventory:High',
        'inventory:low', 'inventory:oversold')
    else redis.call('DEL', 'price:' .. row[1], 'override:' .. row[1], 'product:' .. row[1]) end
    ok, problem = pcall(write, row)
    if not ok then table.insert(failed, row[1]) end
  elseif not ok then
    error(problem)
  end
end
return {failed, older}
