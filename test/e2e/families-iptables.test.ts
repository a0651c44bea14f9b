import { describeFamilies } from "./families.ts";
import { useSite } from "./site.ts";

describeFamilies(useSite({ flags: ["--firewall-backend=iptables"] }));
