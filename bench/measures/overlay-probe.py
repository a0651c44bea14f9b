"""Reads `ping ADDRESS` and `name NAME` from stdin and asks until there is an answer.

Prints when that was, by CLOCK_MONOTONIC in nanoseconds, or `never` after five seconds.
"""

import os
import select
import socket
import struct
import sys
import time

PATIENCE = 5.0
EVERY = 0.001


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def until_answered(sock, send, is_answer):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            send()
        except OSError:
            pass  # nobody there yet
        if select.select([sock], [], [], EVERY)[0]:
            try:
                data = sock.recv(2048)
            except OSError:
                continue
            if is_answer(data):
                return str(time.monotonic_ns())
    return "never"


def ping(address):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.connect((address, 0))
    ident = struct.unpack("!H", os.urandom(2))[0]
    head = struct.pack("!BBHHH", 8, 0, 0, ident, 1)
    echo = struct.pack("!BBHHH", 8, 0, checksum(head), ident, 1)

    def is_answer(data):
        icmp = data[(data[0] & 15) * 4 :]
        return icmp[0] == 0 and struct.unpack("!H", icmp[4:6])[0] == ident

    return until_answered(sock, lambda: sock.send(echo), is_answer)


def name(wanted):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.11", 53))
    question = bytes([len(wanted)]) + wanted.encode() + b"\0\0\1\0\1"
    query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question
    return until_answered(sock, lambda: sock.send(query), lambda data: struct.unpack("!H", data[6:8])[0] > 0)


for line in sys.stdin:
    what, argument = line.split()
    print(ping(argument) if what == "ping" else name(argument), flush=True)
