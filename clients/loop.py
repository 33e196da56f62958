#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Python's asyncio: workers in threads tell the loop by an eventfd that they have something, and
sleep until it has taken that."""
import asyncio
import collections
import concurrent.futures.thread
import os
import signal
import sys
import threading

VALUES = 200


async def main(workers):
    loop = asyncio.get_running_loop()
    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    ready = collections.deque()
    got = []
    told = 0

    def readable():
        nonlocal told
        told += os.eventfd_read(fd)
        while ready:
            value, taken = ready.popleft()
            got.append(value)
            taken.release()

    def work(number):
        taken = threading.Semaphore(0)
        for i in range(VALUES // workers):
            ready.append((number + i, taken))
            os.eventfd_write(fd, 1)
            taken.acquire()

    loop.add_reader(fd, readable)
    with concurrent.futures.thread.ThreadPoolExecutor(workers) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, work, n) for n in range(0, VALUES, VALUES // workers)))
    loop.remove_reader(fd)
    # what was taken together with the value before it
    try:
        told += os.eventfd_read(fd)
    except BlockingIOError:
        pass
    os.close(fd)
    if told != VALUES:
        sys.exit(f"{told} writes, not {VALUES}")
    return sorted(got)


if __name__ == "__main__":
    signal.alarm(100)
    # of one alone, nobody else wakes the loop by the way
    for many in (4, 1):
        if asyncio.run(main(many)) != list(range(VALUES)):
            sys.exit("values are missing, or came twice")
    print(f"{VALUES} values of four workers, and of one")
