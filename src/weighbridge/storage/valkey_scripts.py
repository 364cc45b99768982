"""What a Valkey does for the limits that hosts share: three scripts, each of which runs whole and alone, by the server's clock.

A rate limit is kept under its key as `used at number low number low …`, as in `limits/table.py`: how much has been used and not
come back yet, up to which microsecond that was reckoned, and its marks (`limits/marks.py`), of which the last is the last draw's.
Draws are numbered by the time, so that a limit of which nothing is kept begins above them. Who has requests under way is a hash by
the *lives* of workers, and a life that has not been heard of for a while counts no more: what a dead host had is free by then. All
is in whole numbers, which are exact in Lua up to 2^53; beyond that each rounding is to the limit's side.

They run on Redis 5 and newer too.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

from weighbridge.limits.marks import MOST


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
local MOST = {MOST}
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

local function keep(key, used, at, marks, rate, per)
  if used <= 0 then
    redis.call('DEL', key)
  else
    local ms = math.ceil((time_of(used, rate, per) + at - now) / 1000) + 1
    local lasts = string.format('%.0f', math.max(1, math.min(ms, DAY_MS)))
    local kept = {string.format('%.0f %.0f', used, at)}
    for i, each in ipairs(marks) do kept[i + 1] = string.format('%.0f', each) end
    redis.call('SET', key, table.concat(kept, ' '), 'PX', lasts)
  end
end

-- What is still used of a limit, up to when that is reckoned, and its marks: number, low, number, low, ...
local function level(key, rate, per)
  local kept = redis.call('GET', key)
  if not kept then return 0, now, {} end
  local marks, used, at = {}
  for each in string.gmatch(kept, '%d+') do
    if not used then used = tonumber(each) elseif not at then at = tonumber(each) else marks[#marks + 1] = tonumber(each) end
  end
  local passed = now - at
  if passed < 0 then
    -- The clock was set back: nothing has come back since, and from now on it does.
    keep(key, used, now, marks, rate, per)
    return used, now, marks
  end
  local back = back_in(passed, rate, per)
  if back >= used then return 0, now, marks end
  if back > 0 then return used - back, at + time_of(back, rate, per), marks end
  return used, at, marks
end

-- The number of a draw that finds so much used; a part of the next unit may have come back already. Where there is no room for
-- another mark, the two that differ least become the lower of them.
local function mark(marks, used, at, rate, per)
  local low, n = used, #marks
  if now > at and used > 0 then
    local product = rate * (now - at)
    low = low - math.ceil(product / per)
    if product >= EXACT then low = low - 1 end
    low = math.max(0, low)
  end
  local number = math.max(now, (marks[n - 1] or 0) + 1)
  while n > 0 and marks[n] >= low do
    marks[n - 1], marks[n] = nil, nil
    n = n - 2
  end
  if n == 2 * MOST then
    local first = 2
    for i = 4, n - 2, 2 do
      if marks[i + 2] - marks[i] < marks[first + 2] - marks[first] then first = i end
    end
    local lower = math.min(marks[first], marks[first + 2])
    table.remove(marks, first - 1)
    table.remove(marks, first - 1)
    marks[first] = lower
    n = n - 2
  end
  marks[n + 1], marks[n + 2] = number, low
  return number
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
  local used, at, wait, number, marks = 0, now, 0, 0, {}
  if per == 0 then
    local heard = tonumber(redis.call('HGET', KEYS[1], me) or 0)
    if now - heard > lasts then return {-1} end
    used = others(KEYS[i]) + amount
  else
    used, at, marks = level(KEYS[i], rate, per)
    number = mark(marks, used, at, rate, per)
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
  told[n + 1], told[n + 2], told[n + 3] = burst - used, wait, number
  news[i] = {amount, used, at, marks, rate, per}
end
for i = 2, #KEYS do
  local amount, used, at, marks, rate, per = unpack(news[i])
  if per == 0 then
    redis.call('HINCRBY', KEYS[i], me, amount)
    redis.call('PEXPIRE', KEYS[i], DAY_MS)
  elseif amount > 0 then
    keep(KEYS[i], used, at, marks, rate, per)
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
-- KEYS: each limit. ARGV: who asks, then of each: how much more, its rate, in which time that comes back, and the draw's number.
for i = 1, #KEYS do
  local more, rate, per = tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
  local number = tonumber(ARGV[4 * i + 1])
  if per == 0 then
    if redis.call('HINCRBY', KEYS[i], ARGV[1], more) <= 0 then redis.call('HDEL', KEYS[i], ARGV[1]) end
  else
    local used, at, marks = level(KEYS[i], rate, per)
    if more > 0 then
      mark(marks, used, at, rate, per) -- as if it were drawn only now
    else
      local back = math.min(-more, used)
      for j = 1, #marks, 2 do
        if marks[j] > number then back = math.min(back, marks[j + 1]) end
      end
      for j = 1, #marks, 2 do
        if marks[j] > number then marks[j + 1] = marks[j + 1] - back end
      end
      more = -back
    end
    keep(KEYS[i], math.min(used + more, EXACT), at, marks, rate, per)
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
