-- SPDX-License-Identifier: Apache-2.0
-- Runs one of sysbench's own OLTP loads ($BENCH_KIND) and writes down when each transaction ended and how long it took.
--
-- $BENCH_FLAGS is a file of 1 + threads bytes, mapped by us and by the program that measures: the first becomes 1 when the
-- load is to end, and the one of each thread becomes 1 once that thread is connected. $BENCH_LOG is a directory; a thread
-- leaves a file there with one line a transaction: seconds since 1970, seconds it took. A transaction that is tried again
-- after a deadlock counts once, from its first attempt.

require(os.getenv("BENCH_KIND"))

local ffi = require("ffi")
ffi.cdef [[
   struct bench_time { long seconds, nanoseconds; };
   int bench_clock(int clock, struct bench_time *time) __asm__("clock_gettime");
   int bench_open(const char *path, int flags) __asm__("open");
   void *bench_map(void *at, size_t length, int protection, int flags, int fd, long offset) __asm__("mmap");
]]
local READ_WRITE, MAPPED_READ_WRITE, SHARED, REALTIME = 2, 3, 1, 0

local flags, time, began
local ends, durations, count = {}, {}, 0

local function now()
   ffi.C.bench_clock(REALTIME, time)
   return tonumber(time.seconds) + tonumber(time.nanoseconds) * 1e-9
end

local connect, transaction, disconnect = thread_init, event, thread_done

function thread_init()
   local file = ffi.C.bench_open(os.getenv("BENCH_FLAGS"), READ_WRITE)
   assert(file >= 0, "cannot open $BENCH_FLAGS")
   flags = ffi.cast("volatile uint8_t *", ffi.C.bench_map(nil, sysbench.opt.threads + 1, MAPPED_READ_WRITE, SHARED, file, 0))
   time = ffi.new("struct bench_time")
   connect()
   flags[1 + sysbench.tid] = 1
end

function event(thread)
   -- sysbench ends a thread whose event returns something, and does not count that event.
   if flags[0] ~= 0 then return true end
   began = began or now()
   transaction(thread)
   count = count + 1
   ends[count] = now()
   durations[count] = ends[count] - began
   began = nil
end

function thread_done()
   local log = assert(io.open(os.getenv("BENCH_LOG") .. "/" .. sysbench.tid, "w"))
   for at = 1, count do
      log:write(string.format("%.6f %.6f\n", ends[at], durations[at]))
   end
   log:close()
   disconnect()
end
