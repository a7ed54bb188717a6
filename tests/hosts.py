"""Several hosts on one machine: network namespaces with addresses of their own, and a delay between them.

Run as a program, this is the wire: it holds a TUN device in each namespace, and hands every packet on to the one whose
address it bears, so many seconds later. (The kernel's own delay, ``tc netem``, is missing on many small machines.)
"""

import contextlib
import ctypes
import fcntl
import heapq
import itertools
import os
import select
import shutil
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000


def address(number: int) -> str:
    """Of host 1, 2, ..."""
    return f"10.77.0.{number}"


def reason_why_not() -> str:
    """Why hosts cannot be made here; nothing if they can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    if shutil.which("ip") is None or not os.path.exists("/dev/net/tun"):
        return "network namespaces need the program ip and the device /dev/net/tun"
    name = f"try{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode:
        return f"network namespaces are not permitted here: {done.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return ""


class Hosts:
    """So many hosts, from 1, with `delay` seconds between each two; to be used in a `with`."""

    def __init__(self, count: int, delay: float):
        self.names = [f"host{os.getpid()}x{number + 1}" for number in range(count)]
        self.delay, self._started = delay, []

    def __enter__(self) -> "Hosts":
        try:
            for name in self.names:
                subprocess.run(["ip", "netns", "add", name], check=True)
                subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
            wire = [sys.executable, __file__, str(self.delay), *self.names]
            self._started.append(subprocess.Popen(wire, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            assert self._started[0].stdout.readline() == b"ready\n"
            for number, name in enumerate(self.names, start=1):
                ip = ["ip", "-n", name]
                subprocess.run([*ip, "addr", "add", f"{address(number)}/24", "dev", "wire"], check=True)
                subprocess.run([*ip, "link", "set", "wire", "up"], check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self, number: int, *command: str, **options) -> subprocess.Popen:
        """Start a program on a host; it is killed in the end."""
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
        process = subprocess.Popen(["ip", "netns", "exec", self.names[number - 1], *command], **options)
        self._started.append(process)
        return process

    def cut(self, one: int, other: int) -> None:
        """From now on nothing goes from the one to the other, nor back; neither is told."""
        self._say(f"{one} {other}\n")

    def heal(self) -> None:
        """All lines are whole again."""
        self._say("\n")

    def _say(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended
            self._started[0].stdin.write(line.encode())
            self._started[0].stdin.flush()

    def __exit__(self, *_) -> None:
        for process in reversed(self._started):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def enter(space: str) -> None:
    """This thread, and whatever it starts from now on, is on the host whose file this is."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(space, "rb") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {space}")


@contextlib.contextmanager
def on(name: str):
    """What is in this block happens on that host."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter(f"/run/netns/{name}")
        yield
    finally:
        enter(f"/proc/self/fd/{here}")
        os.close(here)


def device(name: str) -> int:
    """A TUN device in a namespace."""
    enter(f"/run/netns/{name}")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", b"wire", IFF_TUN | IFF_NO_PI))
    return fd


def carry(delay: float, devices: list[int]) -> None:
    """Hand packets on, each after its delay, without end; but not between hosts that stdin says are cut off."""
    later, number, apart = [], itertools.count(), set()
    while True:
        wait = max(0.0, later[0][0] - time.monotonic()) if later else None
        for fd in select.select([*devices, sys.stdin], [], [], wait)[0]:
            if fd is sys.stdin:
                ends = frozenset(map(int, sys.stdin.readline().split()))
                apart = {*apart, ends} if ends else set()
                continue
            packet = os.read(fd, 65536)
            if frozenset((packet[15], packet[19])) in apart:
                continue
            if packet[0] >> 4 == 4 and packet[16:19] == bytes([10, 77, 0]) and packet[19] <= len(devices):
                heapq.heappush(later, (time.monotonic() + delay, next(number), packet[19], packet))
        while later and later[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(later)
            try:
                os.write(devices[to - 1], packet)
            except OSError:  # not up, or its queue is full: lost, as on a real wire
                continue


if __name__ == "__main__":
    made = [device(name) for name in sys.argv[2:]]
    print("ready", flush=True)
    carry(float(sys.argv[1]), made)
