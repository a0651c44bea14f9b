// Addresses of the town, by family.

export const addresses = {
  4: {
    host: "192.0.2.1",
    otherHost: "198.51.100.1",
    peer: "192.0.2.2",
    attacker: "198.51.100.2",
    gateway1: "172.20.1.1",
    gateway2: "172.20.2.1",
    gateway9: "172.20.9.1",
    c1: "172.20.1.2",
    c2: "172.20.1.3",
    c3: "172.20.2.2",
    guest: "172.20.9.2",
  },
  6: {
    host: "2001:db8:a::1",
    otherHost: "2001:db8:b::1",
    peer: "2001:db8:a::2",
    attacker: "2001:db8:b::2",
    gateway1: "fd00:1::1",
    gateway2: "fd00:2::1",
    gateway9: "fd00:9::1",
    c1: "fd00:1::2",
    c2: "fd00:1::3",
    c3: "fd00:2::2",
    guest: "fd00:9::2",
  },
} as const;
