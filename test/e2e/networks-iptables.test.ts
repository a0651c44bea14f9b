import { describeNetworks } from "./networks.ts";
import { useSite } from "./site.ts";

describeNetworks(useSite({ flags: ["--firewall-backend=iptables"], images: ["busybox", "nginx"] }));
