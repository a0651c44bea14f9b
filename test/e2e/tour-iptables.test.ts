import { useSite } from "./site.ts";
import { describeTour } from "./tour.ts";

const site = useSite({ flags: ["--firewall-backend=iptables"], images: ["busybox", "nginx"] });

for (const client of ["tsdocker", "docker"] as const) describeTour(client, site);
