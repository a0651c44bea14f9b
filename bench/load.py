"""What the forward measure sends through a proxy: sinks and senders that cost less than what they measure.

load.py sink ADDRESS PORT          reads and drops what comes, and closes when the sender has ended
load.py send ADDRESS PORT BYTES    sends as much on one connection and waits for the close; prints the
                                   seconds, and those that it had a processor
load.py http ADDRESS PORT          answers each connection's request and closes; takes none that has sent nothing
load.py echo ADDRESS PORT          answers each message on a connection
load.py ask ADDRESS PORT COUNT     as many questions one after the other on one connection; prints the seconds
"""

import os
import socket
import sys
import time

MSG_TRUNC = 0x20  # tcp(7): the bytes are dropped and not copied
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"


def listen(address, port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(4096)
    print("ready", flush=True)
    return listener


def sink(address, port):
    listener = listen(address, port)
    room = bytearray(1 << 20)
    while True:
        connection, _ = listener.accept()
        while connection.recv_into(room, len(room), MSG_TRUNC) > 0:
            pass
        connection.close()


def send(address, port, size):
    source = os.memfd_create("zeros")
    os.ftruncate(source, 1 << 24)
    start, cpu_start = time.monotonic(), time.process_time()
    connection = socket.socket()
    # what the kernel's pacing (bbr) makes of the sender is not what is measured
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
    connection.connect((address, port))
    left = size
    while left > 0:
        left -= os.sendfile(connection.fileno(), source, 0, min(left, 1 << 24))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    print(time.monotonic() - start, time.process_time() - cpu_start)


def http(address, port):
    listener = listen(address, port)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    while True:
        connection, _ = listener._accept()  # a descriptor: an object each would double what this costs
        if os.read(connection, 4096):
            os.write(connection, ANSWER)
        os.close(connection)


def echo(address, port):
    listener = listen(address, port)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(4096):
            connection.send(data)
        connection.close()


def ask(address, port, count):
    connection = socket.create_connection((address, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start = time.monotonic()
    for _ in range(count):
        connection.send(b"?")
        connection.recv(16)
    print(time.monotonic() - start)


what, address, port, *rest = sys.argv[1:]
globals()[what](address, int(port), *map(int, rest))
