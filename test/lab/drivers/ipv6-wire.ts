// IPv6 on a lab's wire: a router that advertises a prefix, and an ear for the frames of one MAC.

import type { Mac } from "../../../src/netip/index.ts";
import type { LabHost } from "../lab.ts";

/** A router advertisement for 2001:db8:bad::/64 to all nodes (RFC 4861 4.2, 4.6.2), from a host's eth0. */
export async function advertiseRouter(host: LabHost): Promise<void> {
  await host.run("python3", "-c", advertisement);
}

/** Counts IPv6 frames that a MAC sends, as they arrive at a host's eth0, from now until it is asked. */
export async function listenForIpv6(host: LabHost, mac: Mac): Promise<{ frames(): Promise<number> }> {
  const child = host.spawn("python3", ["-u", "-c", ear, mac], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  let output = "";
  const ready = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.stdout?.on("data", (chunk) => {
      output += chunk;
      resolve();
    });
  });
  await ready;
  return {
    async frames() {
      child.stdin?.end();
      await ended;
      return Number(output.trim().split("\n").at(-1));
    },
  };
}

const advertisement = `
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
header = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xc0, 86400, 14400, 0, socket.inet_pton(socket.AF_INET6, "2001:db8:bad::"))
for _ in range(3):
    s.sendto(header + prefix, ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
`;

const ear = `
import socket, select, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
s.bind(("eth0", 0x86dd))
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
seen = 0
print("ready")
while True:
    readable, _, _ = select.select([s, sys.stdin], [], [])
    if s in readable:
        if s.recv(2048)[6:12] == mac: seen += 1
    elif sys.stdin in readable:
        break
print(seen)
`;
