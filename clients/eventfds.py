#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Python's os.eventfd, as programs use it: between threads, between processes, and with an
epoll that is edge-triggered and never reads, as many event loops have it."""
import os
import select
import signal
import sys
import threading

POSTS = 200


def check(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got}, not {wanted}")


def counter():
    fd = os.eventfd(5, os.EFD_NONBLOCK)
    os.eventfd_write(fd, 3)
    os.eventfd_write(fd, 4)
    check("three values read at once", os.eventfd_read(fd), 12)
    try:
        check("what an empty eventfd gives", os.eventfd_read(fd), "nothing")
    except BlockingIOError:
        pass
    os.close(fd)


def semaphore(workers=4):
    """Every post lets one worker do one thing."""
    jobs = os.eventfd(0, os.EFD_SEMAPHORE)
    done = os.eventfd(0)
    each = [0] * workers

    def work(number):
        for _ in range(POSTS // workers):
            check("what a semaphore gives", os.eventfd_read(jobs), 1)
            each[number] += 1
            os.eventfd_write(done, 1)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for _ in range(POSTS):
        os.eventfd_write(jobs, 1)
    seen = 0
    while seen < POSTS:
        seen += os.eventfd_read(done)
    for thread in threads:
        thread.join()
    check("posts that a worker answered", (sum(each), seen), (POSTS, POSTS))
    os.close(jobs)
    os.close(done)


def processes():
    """A child adds one to each number and sends it back."""
    there, back = os.eventfd(0), os.eventfd(0)
    child = os.fork()
    if child == 0:
        for _ in range(POSTS):
            os.eventfd_write(back, os.eventfd_read(there) + 1)
        os._exit(0)
    for number in range(1, POSTS + 1):
        os.eventfd_write(there, number)
        check("what came back", os.eventfd_read(back), number + 1)
    check("the child's status", os.waitpid(child, 0)[1], 0)
    os.close(there)
    os.close(back)


def edges():
    """Each write is an event, also when nobody has read what was there before."""
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    answer = os.eventfd(0)
    seen = []

    def watch():
        with select.epoll() as loop:
            loop.register(fd, select.EPOLLIN | select.EPOLLET)
            while len(seen) < POSTS:
                seen.extend(loop.poll())
                os.eventfd_write(answer, 1)

    thread = threading.Thread(target=watch)
    thread.start()
    for _ in range(POSTS):
        os.eventfd_write(fd, 1)
        check("events of one write", os.eventfd_read(answer), 1)
    thread.join()
    check("events", seen, [(fd, select.EPOLLIN)] * POSTS)
    check("what nobody has read", os.eventfd_read(fd), POSTS)
    os.close(fd)
    os.close(answer)


if __name__ == "__main__":
    signal.alarm(100)
    counter()
    semaphore()
    processes()
    edges()
    print(f"{3 * POSTS} posts, each of them answered")
