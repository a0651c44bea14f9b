import { describeTraffic } from "./live-restore-traffic.ts";
import { useSite } from "./site.ts";

describeTraffic(useSite({ flags: ["--live-restore", "--firewall-backend=iptables"] }), { restarts: 10 });
