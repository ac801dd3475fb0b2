#!/usr/bin/env python3
"""Measures puts into etcd: etcd_puts.py CLIENTS SECONDS PID,... PORT...

CLIENTS clients, spread evenly over the members at PORT... of 127.0.0.1, each with one put of a new
key and 256 bytes under way, over two HTTP/2 connections to each member. Prints, tab by tab: puts
a second, p50 and p99 in milliseconds, CPU µs of one member for each put, cores that this client
took, puts in all.

gRPC is written here by hand: every request has the same header block (RFC 7541, literals without
indexing), so that a put costs this client about a tenth of what it costs etcd. Standard library
alone. Ends with an exception if a put is refused.
"""

import os
import selectors
import socket
import struct
import sys
import time

VALUE = bytes(256)
CONNECTIONS_PER_MEMBER = 2
LEAD = 0.5
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def literal(text):
    return bytes([len(text)]) + text


HEADER_BLOCK = (
    b"\x83\x86"  # :method POST, :scheme http
    + b"\x04" + literal(b"/etcdserverpb.KV/Put")
    + b"\x01" + literal(b"localhost")
    + b"\x0f\x10" + literal(b"application/grpc")
    + b"\x00" + literal(b"te") + literal(b"trailers")
)


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class Connection:
    """One HTTP/2 connection; its clients are known by the streams of their puts."""

    def __init__(self, port, run):
        self.run = run
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.next_stream = 1
        self.window = 65535
        # Stream: when its put was sent; None once the answer's body came.
        self.puts = {}
        self.answered = set()
        self.out = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            frame(SETTINGS, 0, 0, b""),
            frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFFFFFF - 65535)),
        ]

    def put(self):
        stream = self.next_stream
        self.next_stream += 2
        key = b"k%d" % self.run.next_key()
        body = b"\x0a" + literal(key) + b"\x12\x80\x02" + VALUE
        body = b"\x00" + struct.pack(">I", len(body)) + body
        self.window -= len(body)
        if self.window < 0:
            raise RuntimeError("the member's flow window is used up")
        self.out.append(frame(HEADERS, END_HEADERS, stream, HEADER_BLOCK))
        self.out.append(frame(DATA, END_STREAM, stream, body))
        self.puts[stream] = time.perf_counter()

    def flush(self):
        if self.out:
            self.socket.sendall(b"".join(self.out))
            self.out = []

    def read(self):
        more = self.socket.recv(1 << 16)
        if not more:
            raise RuntimeError("the member closed the connection")
        data, at = self.received + more, 0
        while len(data) - at >= 9:
            size = int.from_bytes(data[at : at + 3], "big")
            if len(data) - at < 9 + size:
                break
            kind, flags, stream = struct.unpack_from(">BBI", data, at + 3)
            self.handle(kind, flags, stream, data[at + 9 : at + 9 + size])
            at += 9 + size
        self.received = data[at:]
        self.flush()

    def handle(self, kind, flags, stream, payload):
        if kind == DATA and len(payload) > 5:
            self.answered.add(stream)
        elif kind == HEADERS and flags & END_STREAM:
            # An error has no body before its trailers.
            if stream not in self.answered:
                raise RuntimeError("a put was refused: %r" % payload)
            self.answered.discard(stream)
            self.run.note(self.puts.pop(stream), time.perf_counter())
            if not self.run.is_over():
                self.put()
        elif kind == SETTINGS and not flags & ACK:
            self.out.append(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self.out.append(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and stream == 0:
            self.window += struct.unpack(">I", payload)[0]
        elif kind in (RESET, GOAWAY):
            raise RuntimeError("the member broke off: %r" % payload)


class Run:
    def __init__(self, seconds, pids):
        self.pids = pids
        self.seconds = seconds
        self.start = time.perf_counter() + LEAD
        self.end = self.start + seconds
        self.keys = int(time.time() * 1000) << 20
        self.times = []
        self.count = 0
        self.used = None

    def next_key(self):
        self.keys += 1
        return self.keys

    def is_over(self):
        return time.perf_counter() >= self.end

    def note(self, sent, now):
        self.count += 1
        if now < self.start:
            return
        if self.used is None:
            self.used = (self.member_cpu(), time.process_time())
        if now < self.end:
            self.times.append(now - sent)

    def member_cpu(self):
        ticks = 0
        for pid in self.pids:
            with open("/proc/%d/stat" % pid) as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def report(self):
        members, own = self.member_cpu() - self.used[0], time.process_time() - self.used[1]
        times = sorted(1000 * each for each in self.times)
        if not times:
            raise RuntimeError("nothing was put")
        cpu = 1e6 * members / len(times) / max(1, len(self.pids))
        figures = (
            "%.1f" % (len(times) / self.seconds), "%.3f" % times[len(times) // 2],
            "%.3f" % times[len(times) * 99 // 100], "%.1f" % cpu, "%.2f" % (own / self.seconds),
            "%d" % self.count,
        )
        print("\t".join(figures))


def main():
    clients, seconds = int(sys.argv[1]), float(sys.argv[2])
    run = Run(seconds, [int(each) for each in sys.argv[3].split(",")])
    ports = [int(each) for each in sys.argv[4:]]
    lines = [Connection(port, run) for _ in range(CONNECTIONS_PER_MEMBER) for port in ports]
    chooser = selectors.DefaultSelector()
    for line in lines:
        line.flush()
        chooser.register(line.socket, selectors.EVENT_READ, line)
    for client in range(clients):
        lines[client % len(lines)].put()
    for line in lines:
        line.flush()
    while any(line.puts for line in lines):
        if time.perf_counter() > run.end + 20:
            raise RuntimeError("puts were not answered within 20 s")
        for key, _ in chooser.select(1):
            key.data.read()
    run.report()


main()
