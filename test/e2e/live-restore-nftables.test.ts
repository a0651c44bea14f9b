import { describeTraffic } from "./live-restore-traffic.ts";
import { useSite } from "./site.ts";

describeTraffic(useSite({ flags: ["--live-restore", "--firewall-backend=nftables"] }), {
  restarts: Number(process.env.TSDOCKER_RESTARTS ?? 20),
});
