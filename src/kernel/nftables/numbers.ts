// The numbers of linux/netfilter/nf_tables.h and nfnetlink.h that our messages use.

/** NFNL_SUBSYS_NFTABLES in the high byte of a message type. */
export const subsystem = 10 << 8;

/** NFNL_MSG_BATCH_BEGIN and _END; their res_id names the subsystem. */
export const batchType = { begin: 16, end: 17 } as const;

/** NFT_MSG_*. */
export const nftType = {
  newTable: subsystem | 0,
  getTable: subsystem | 1,
  deleteTable: subsystem | 2,
  newChain: subsystem | 3,
  getChain: subsystem | 4,
  deleteChain: subsystem | 5,
  newRule: subsystem | 6,
  getRule: subsystem | 7,
  deleteRule: subsystem | 8,
  newSet: subsystem | 9,
  getSet: subsystem | 10,
  deleteSet: subsystem | 11,
  newElement: subsystem | 12,
  getElement: subsystem | 13,
  deleteElement: subsystem | 14,
  newGeneration: subsystem | 15,
  getGeneration: subsystem | 16,
} as const;

/** The multicast group of every nftables change (NFNLGRP_NFTABLES). */
export const nftablesGroup = 7;

/** NFPROTO_*. */
export const familyNumber = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

/** NFTA_LIST_ELEM. */
export const listItem = 1;

export const tableAttribute = { name: 1, flags: 2, use: 3, handle: 4, userData: 6 } as const;

/** NFT_TABLE_F_*. An owned table is its maker's socket's alone; with `persist` it outlives the socket (Linux 6.9). */
export const tableFlag = { dormant: 1, owner: 2, persist: 4 } as const;

export const chainAttribute = {
  table: 1,
  handle: 2,
  name: 3,
  hook: 4,
  policy: 5,
  use: 6,
  type: 7,
} as const;

export const hookAttribute = { number: 1, priority: 2, devices: 4 } as const;

/** NFTA_DEVICE_NAME. */
export const deviceName = 1;

export const ruleAttribute = {
  table: 1,
  chain: 2,
  handle: 3,
  expressions: 4,
  position: 6,
  userData: 7,
} as const;

export const expressionAttribute = { name: 1, data: 2 } as const;

export const setAttribute = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  description: 9,
  id: 10,
  userData: 13,
  handle: 16,
} as const;

export const setDescription = { size: 1, concatenation: 2, fieldLength: 1 } as const;

export const setFlag = { constant: 0x2, interval: 0x4, map: 0x8, concatenation: 0x80 } as const;

export const elementList = { table: 1, set: 2, elements: 3 } as const;

export const elementAttribute = { key: 1, data: 2, flags: 3, keyEnd: 10 } as const;

/** NFT_SET_ELEM_INTERVAL_END: the first value behind an interval. */
export const intervalEndFlag = 1;

export const dataAttribute = { value: 1, verdict: 2 } as const;

export const verdictAttribute = { code: 1, chain: 2 } as const;

/** NFT_DATA_VERDICT: the data type of verdict maps. */
export const verdictDataType = 0xffffff00;

/** NF_* and NFT_*, as 32 bits. */
export const verdictCode = { drop: 0, accept: 1, jump: -3 >>> 0, goto: -4 >>> 0, return: -5 >>> 0 } as const;
