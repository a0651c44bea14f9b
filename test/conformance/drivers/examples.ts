// The drivers of examples/, each as its README has it verified.

import { join } from "node:path";
import { traits as lanTraits } from "../../../examples/lan-driver/ipam.ts";
import { loadSubjects } from "../../../src/driververify/index.ts";
import type { Tried } from "./built-in.ts";
import { serveLan } from "./plugins.ts";

const folder = join(import.meta.dirname, "../../../examples");

/** What `tsdocker driver verify --kind KIND` makes of it. */
function loaded(name: string, kind: "network" | "ipam"): Tried {
  return {
    open: async () => {
      const [subject] = await loadSubjects(`./${name}`, { kind, from: folder });
      if (!subject) throw new RangeError(`${name} is no driver`);
      return subject;
    },
  };
}

export const examples = {
  "smallest-driver": loaded("smallest-driver", "network"),
  "point-to-point": loaded("point-to-point", "network"),
  "point-to-point, addresses": loaded("point-to-point", "ipam"),
  // its networks are what the driver `remote` is tried with
  "lan-driver, addresses": {
    open: async (undo) => ({ kind: "ipam plugin", path: (await serveLan(undo)).path, traits: lanTraits }),
  },
} satisfies Record<string, Tried>;
