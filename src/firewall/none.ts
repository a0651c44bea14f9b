// The back end that changes nothing (`--iptables=false`): rules are kept and conflicts found, the kernel is left alone.

import type { Backend } from "./backend.ts";

export const noBackend: Backend = {
  name: "none",
  restore: async () => false,
  apply: async () => undefined,
  watch: async () => undefined,
  remove: async () => undefined,
  close: async () => undefined,
};
