"""What a Valkey does for the limits that hosts share: three scripts, each of which runs whole and alone, by the server's clock.

A rate limit is kept under its key as in `limits/table.py`: how much has been used and not come back yet, up to which microsecond
that was reckoned (both in digits), and packed behind them the number of the last draw, and what `limits/marks.py` keeps: `held`,
`since`, and `low` and `number` of each mark. Draws are numbered by the time, so that a limit of which nothing is kept begins above
them.

Who has requests under way is a hash by the *lives* of workers, and a life that has not been heard of for a while counts no more:
what a dead host had is free by then. All is in whole numbers, which are exact in Lua up to 2^53; beyond that each rounding is to
the limit's side.

They run on Redis 5 and newer too.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

from weighbridge.limits.marks import JOINED, MOST


class Script:
    """A script, and the name by which a server knows it that has seen it before."""

    __slots__ = ("sha", "source")

    def __init__(self, source: str) -> None:
        self.source = source.encode()
        self.sha = sha1(self.source, usedforsecurity=False).hexdigest().encode()


_NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
"""

_MARKS: Final = f"""
local MOST, JOINED, FIRST = {MOST}, {JOINED}, 4
"""

_RATES: Final = """
local EXACT = 9007199254740992
local DAY_MS = 86400000

-- What comes back of a limit in so many microseconds, and how many it takes until so much is back.
local function back_in(passed, rate, per)
  local product = rate * passed
  local back = math.floor(product / per)
  if product >= EXACT then back = back - 1 end
  return back
end

local function time_of(amount, rate, per)
  if rate == 0 then return DAY_MS * 1000 end
  local product = amount * per
  local time = math.ceil(product / rate)
  if product >= EXACT then time = time + 1 end
  return time
end

local function keep(key, used, at, past, rate, per)
  if used <= 0 then
    redis.call('DEL', key)
  else
    local ms = math.ceil((time_of(used, rate, per) + at - now) / 1000) + 1
    local lasts = string.format('%.0f', math.max(1, math.min(ms, DAY_MS)))
    redis.call('SET', key, string.format('%.0f %.0f ', used, at) .. cmsgpack.pack(unpack(past)), 'PX', lasts)
  end
end

-- What is still used of a limit, up to when that is reckoned, and its past: the last draw's number, what is held, since when,
-- then of each mark: low, number.
local function level(key, rate, per)
  local kept = redis.call('GET', key)
  if not kept then return 0, now, {0, 0, 0} end
  local used, at, packed = string.match(kept, '^(%d+) (%d+) ?(.*)$')
  local past = {0, 0, 0}
  if packed ~= '' then past = {cmsgpack.unpack(packed)} end
  used, at = tonumber(used), tonumber(at)
  local passed = now - at
  if passed < 0 then
    -- The clock was set back: nothing has come back since, and from now on it does.
    keep(key, used, now, past, rate, per)
    return used, now, past
  end
  local back = back_in(passed, rate, per)
  if back >= used then return 0, now, past end
  if back > 0 then return used - back, at + time_of(back, rate, per), past end
  return used, at, past
end

-- Make room for another mark: neighbours that differ least become the lower of both.
local function join(past, newest)
  local differences, sorted, n = {}, {}, #past
  for i = FIRST, n - 3, 2 do
    local rise, time = (past[i + 2] - past[i]) / (past[i] + 1), (past[i + 3] - past[i + 1]) / (newest - past[i + 1])
    differences[i] = rise * time
    sorted[#sorted + 1] = rise * time
  end
  table.sort(sorted)
  local most, i, last = sorted[JOINED], FIRST, FIRST - 1
  while i < n do
    local low, number = past[i], past[i + 1]
    if differences[i] and differences[i] <= most then
      i = i + 2
      low, number = math.min(low, past[i]), past[i + 1]
    end
    past[last + 1], past[last + 2] = low, number
    i, last = i + 2, last + 2
  end
  for each = n, last + 1, -1 do past[each] = nil end
end

-- A draw finds so much used; a part of the next unit may have come back already.
local function begin(past, used, at, rate, per, amount)
  local low = used
  if now > at and used > 0 then
    local product = rate * (now - at)
    low = low - math.ceil(product / per)
    if product >= EXACT then low = low - 1 end
    low = math.max(0, low)
  end
  local number = math.max(now, past[1] + 1)
  local needed = low > 0 and low < past[2]
  local bound = low
  if low > past[2] then bound = past[2] end
  local n = #past
  while n > FIRST and past[n - 1] >= bound do
    past[n - 1], past[n] = nil, nil
    n = n - 2
  end
  if low == 0 then past[2], past[3] = 0, number end
  if needed then
    if n == FIRST - 1 + 2 * MOST then join(past, number) end
    n = #past
    past[n + 1], past[n + 2] = low, number
  end
  past[1] = number
  if amount > 1 then past[2] = math.min(past[2] + amount, EXACT) end
end

-- How much of what a draw did not use is given back; later draws have found so much less from now on. Of a draw of one nobody tells
-- that it was used, so it is not held, and is given back only while nobody has drawn since.
local function finish(past, number, amount, unused)
  if number < past[3] or amount <= 1 and number < past[1] then return 0 end
  if amount <= 1 then return unused end
  past[2] = math.max(0, past[2] - amount)
  for i = FIRST, #past, 2 do
    if past[i + 1] > number then unused = math.min(unused, past[i]) end
  end
  if unused > 0 then
    for i = FIRST, #past, 2 do
      if past[i + 1] > number then past[i] = past[i] - unused end
    end
  end
  return unused
end
"""

DRAW: Final = Script(
    _NOW
    + _MARKS
    + _RATES
    + """
-- Take from all limits or, where one has not enough, from none.
-- KEYS: the lives, then each limit. ARGV: who asks, how long a life lasts that is not heard of, then of each limit: the amount,
-- its burst, its rate, and in which time that comes back; 0 of requests at a time.
-- Returned: 0 and (left, until all is back, its number) of each; or the place of the one that has not enough, with (left, until it
-- has, 0); or -1 where who asks is not known.
local me, lasts = ARGV[1], tonumber(ARGV[2])

local function others(key)
  local total, kept = 0, redis.call('HGETALL', key)
  for i = 1, #kept, 2 do
    local heard = now
    if kept[i] ~= me then heard = tonumber(redis.call('HGET', KEYS[1], kept[i]) or 0) end
    if now - heard <= lasts then
      total = total + tonumber(kept[i + 1])
    else
      redis.call('HDEL', key, kept[i])
    end
  end
  return total
end

local told, news = {0}, {}
for i = 2, #KEYS do
  local amount, burst = tonumber(ARGV[4 * i - 5]), tonumber(ARGV[4 * i - 4])
  local rate, per = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local used, at, wait, past = 0, now, 0, {0}
  if per == 0 then
    local heard = tonumber(redis.call('HGET', KEYS[1], me) or 0)
    if now - heard > lasts then return {-1} end
    used = others(KEYS[i]) + amount
  else
    used, at, past = level(KEYS[i], rate, per)
    begin(past, used, at, rate, per, amount)
    used = used + amount
  end
  if used > burst and amount > 0 then
    if per == 0 then
      wait = 1
    elseif rate == 0 or amount > burst then
      wait = DAY_MS * 1000
    else
      wait = math.min(math.max(1, time_of(used - burst, rate, per) - (now - at)), DAY_MS * 1000)
    end
    return {i - 1, burst - used, wait, 0}
  end
  if per > 0 then wait = math.min(math.max(0, time_of(used, rate, per) - (now - at)), DAY_MS * 1000) end
  local n = #told
  told[n + 1], told[n + 2], told[n + 3] = burst - used, wait, past[1]
  news[i] = {amount, used, at, past, rate, per}
end
for i = 2, #KEYS do
  local amount, used, at, past, rate, per = unpack(news[i])
  if per == 0 then
    redis.call('HINCRBY', KEYS[i], me, amount)
    redis.call('PEXPIRE', KEYS[i], DAY_MS)
  elseif amount > 0 then
    keep(KEYS[i], used, at, past, rate, per)
  end
end
return told
"""
)

CORRECT: Final = Script(
    _NOW
    + _MARKS
    + _RATES
    + """
-- More was used than was drawn, or less. What was not used is given back only as far as it has not come back by itself.
-- KEYS: each limit. ARGV: who asks, then of each: how much more, its rate, in which time that comes back, the draw's amount and
-- its number.
for i = 1, #KEYS do
  local more, rate, per = tonumber(ARGV[5 * i - 3]), tonumber(ARGV[5 * i - 2]), tonumber(ARGV[5 * i - 1])
  local amount, number = tonumber(ARGV[5 * i]), tonumber(ARGV[5 * i + 1])
  if per == 0 then
    if redis.call('HINCRBY', KEYS[i], ARGV[1], more) <= 0 then redis.call('HDEL', KEYS[i], ARGV[1]) end
  else
    local used, at, past = level(KEYS[i], rate, per)
    local unused = finish(past, number, amount, math.max(0, math.min(-more, used)))
    if more > 0 then
      begin(past, used, at, rate, per, 0) -- as if it were drawn only now
    else
      more = -unused
    end
    keep(KEYS[i], math.min(used + more, EXACT), at, past, rate, per)
  end
end
return 0
"""
)

LIVE: Final = Script(
    _NOW
    + """
-- Say that a worker is there. KEYS: the lives, then limits of requests at a time. ARGV: who it is (`host/life`), how long a life
-- lasts that is not heard of, whether it begins (1) or should be known (0), which one it was before, then what it has under way
-- of each limit.
-- Returned: how many hosts there are; or -1 where it should be known and is not.
local me, lasts = ARGV[1], tonumber(ARGV[2])
if ARGV[3] == '0' and now - tonumber(redis.call('HGET', KEYS[1], me) or 0) > lasts then return -1 end
redis.call('HDEL', KEYS[1], ARGV[4])
redis.call('HSET', KEYS[1], me, string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], 86400000)
for i = 2, #KEYS do
  redis.call('HSET', KEYS[i], me, ARGV[i + 3])
  redis.call('PEXPIRE', KEYS[i], 86400000)
end
local n, hosts = 0, {}
local lives = redis.call('HGETALL', KEYS[1])
for i = 1, #lives, 2 do
  if now - tonumber(lives[i + 1]) > lasts then
    redis.call('HDEL', KEYS[1], lives[i])
  else
    local host = string.match(lives[i], '^[^/]*')
    if not hosts[host] then n, hosts[host] = n + 1, true end
  end
end
return n
"""
)
