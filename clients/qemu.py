#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""QEMU without a machine: its main loop, its I/O threads and its disks tell each other by
eventfds that something is done; the disk with aio=native gets it from the kernel. What is
written to three disks has to be what is read from them."""
import json
import os
import signal
import subprocess
import sys

SIZE = 1 << 20
COMMANDS = 20


class Machine:
    def __init__(self):
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-M", "none", "-nodefaults", "-no-user-config", "-nographic",
             "-S", "-qmp", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.events = []
        if "QMP" not in self.line():
            sys.exit("QEMU does not greet")
        self.do("qmp_capabilities")

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"QEMU has ended with {self.process.wait()}")
        return json.loads(line)

    def do(self, command, **arguments):
        self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}).encode())
        self.process.stdin.flush()
        while True:
            answer = self.line()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                sys.exit(f"{command}: {answer['error']['desc']}")
            self.events.append(answer["event"])

    def io(self, disk, command):
        """What it has to say goes to stdout, between the answers; so does an error."""
        said = self.do("human-monitor-command", **{"command-line": f'qemu-io {disk} "{command}"'})
        if said:
            sys.exit(f"{disk}: {command}: {said.strip()}")


def main():
    machine = Machine()
    kinds = {"threads": False, "native": True, "io_uring": False}
    for kind, direct in kinds.items():
        name = f"/tmp/disk-{kind}"
        with open(name, "wb") as disk:
            disk.truncate(SIZE)
        machine.do("object-add", **{"qom-type": "iothread", "id": f"thread-{kind}"})
        machine.do("blockdev-add", driver="file", filename=name, **{
            "node-name": kind, "aio": kind, "cache": {"direct": direct}})
    for number in range(COMMANDS):
        for kind in kinds:
            machine.io(kind, f"write -q -P {number + 1} {number * 16384} 16384")
    for kind in kinds:
        machine.do("blockdev-del", **{"node-name": kind})
        machine.do("object-del", id=f"thread-{kind}")
        with open(f"/tmp/disk-{kind}", "rb") as disk:
            for number in range(COMMANDS):
                if disk.read(16384) != bytes([number + 1]) * 16384:
                    sys.exit(f"{kind}: other bytes than were written")
        os.unlink(f"/tmp/disk-{kind}")
    machine.do("quit")
    machine.process.stdin.close()
    rest = machine.process.stdout.read()
    status = machine.process.wait(60)
    if status or b"SHUTDOWN" not in rest + " ".join(machine.events).encode():
        sys.exit(f"QEMU ended with {status}")
    print(f"{COMMANDS} writes on each of {len(kinds)} disks")


if __name__ == "__main__":
    signal.alarm(200)
    main()
