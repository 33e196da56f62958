#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""memcached: who accepts a connection gives it to a thread, and wakes that by its eventfd.
Connections come one after the other and many at a time, each with values of its own."""
import os
import signal
import socket
import subprocess
import sys
import time

PATH = "/tmp/memcached.sock"
THREADS = 4
CONNECTIONS = 40
ROUNDS = 5


class Connection:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(PATH)
        self.file = self.socket.makefile("rb")

    def ask(self, line, lines=1):
        self.socket.sendall(line.encode() + b"\r\n")
        return [self.file.readline().decode().strip() for _ in range(lines)]

    def close(self):
        self.file.close()
        self.socket.close()


def check(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got}, not {wanted}")


def put(connection, number):
    value = str(number * number)
    check("an answer to set", connection.ask(f"set k{number} 0 0 {len(value)}\r\n{value}"), ["STORED"])


def get(connection, number):
    value = str(number * number)
    check("an answer to get", connection.ask(f"get k{number}", 3), [f"VALUE k{number} 0 {len(value)}", value, "END"])


def listens():
    """Its socket has a name before it can be connected to."""
    try:
        Connection().close()
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def main():
    user = ["-u", "root"] if os.getuid() == 0 else []
    with subprocess.Popen(["memcached", *user, "-s", PATH, "-t", str(THREADS), "-m", "16"]) as server:
        try:
            end = time.monotonic() + 60
            while not listens() and server.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            for number in range(CONNECTIONS * ROUNDS):
                connection = Connection()
                put(connection, number % CONNECTIONS)
                connection.close()
            many = [Connection() for _ in range(CONNECTIONS)]
            for number, connection in enumerate(many):
                get(connection, CONNECTIONS - 1 - number)
            many[0].socket.sendall(b"stats\r\n")
            stats = {}
            for line in iter(many[0].file.readline, b"END\r\n"):
                word = line.decode().split()
                stats[word[1]] = word[2]
            check("threads", stats["threads"], str(THREADS))
            check("hits", stats["get_hits"], str(CONNECTIONS))
            for connection in many:
                connection.close()
        finally:
            server.terminate()
        check("the server's status", server.wait(60), 0)
    print(f"{(ROUNDS + 1) * CONNECTIONS} connections, {CONNECTIONS} values")


if __name__ == "__main__":
    signal.alarm(200)
    main()
