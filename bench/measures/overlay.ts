// One network over hosts: how soon a container is reached from another host, what a stream between hosts gets, what a start
// costs beside one on a bridge, and how a large cluster is followed. Everything is between namespaces of this machine.

import type { Measure } from "../measure.ts";
import { withOverlayHosts } from "./overlay-hosts.ts";
import { measureReach, measureStarts } from "./overlay-starts.ts";
import { measureStreams } from "./overlay-streams.ts";
import { measureWatchers } from "./overlay-watchers.ts";

export const overlayMeasure: Measure = {
  name: "overlay",
  needsDaemons: true,
  async run(bench) {
    await withOverlayHosts(async (hosts) => {
      await measureReach(bench, hosts);
      await measureStarts(bench, hosts);
      await measureStreams(bench, hosts);
    });
    await measureWatchers(bench);
  },
};
