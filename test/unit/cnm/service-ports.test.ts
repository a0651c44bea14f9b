// Published ports of services: agreed on by the hosts of a cluster, one service's each.

import { describe, expect, test } from "vitest";
import { failure, serve } from "./global-hosts.ts";
import { blue, recordsOf, reserved, shown, useHostsOfServices, vipOf } from "./service-world.ts";

const { cluster, settled, two } = useHostsOfServices();

describe("published ports", () => {
  const port = (publishedPort: number, targetPort = 80) =>
    ({ protocol: "tcp", publishedPort, targetPort }) as const;

  test("are known on every host until they are closed", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    const made = await h2.controller.publishService(blue(h2), "WEB", [port(8080), port(443, 443)]);
    expect(made.published).toEqual([port(443, 443), port(8080)]);
    await settled(h1, h2);
    expect(h1.controller.services()[0]?.published).toEqual(made.published);
    const fewer = await h1.controller.unpublishService(blue(h1), "web", [port(8080)]);
    expect(fewer.published).toEqual([port(443, 443)]);
  });

  test("are one service's each, of two that ask at once one gets it", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1", "web");
    await serve(h2, "c2", "api", { network: "red" });
    await settled(h1, h2);
    const both = await Promise.all([
      failure(h1.controller.publishService(blue(h1), "web", [port(8080)])),
      failure(h2.controller.publishService(h2.controller.network("red").id, "api", [port(8080)])),
    ]);
    expect(both.toSorted()).toEqual([
      expect.stringMatching(
        /^conflict: publish port 8080\/tcp: it is service (web's of network blue|api's of network red)$/,
      ),
      "no failure",
    ]);
    const published = h1.controller.services().flatMap((service) => service.published);
    expect(published).toEqual([port(8080)]);
  });

  test("are opened all or none", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1", "web");
    await serve(h1, "c2", "api");
    await settled(h1, h2);
    await h1.controller.publishService(blue(h1), "api", [port(81)]);
    expect(await failure(h1.controller.publishService(blue(h1), "web", [port(80), port(81)]))).toMatch(
      /^conflict: publish port 81\/tcp/,
    );
    expect(h1.controller.services().find(({ name }) => name === "web")?.published).toEqual([]);
    await h1.controller.publishService(blue(h1), "api", [port(80)]);
  });

  test("may be asked for again in the same way, and not in another", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    await h1.controller.publishService(blue(h1), "web", [port(8080)]);
    await h1.controller.publishService(blue(h1), "web", [port(8080), { ...port(8080), protocol: "udp" }]);
    expect(await failure(h1.controller.publishService(blue(h1), "web", [port(8080, 81)]))).toBe(
      "conflict: publish port 8080/tcp: the service has it already, for its port 80",
    );
    expect(await failure(h1.controller.unpublishService(blue(h1), "web", [port(8080, 81)]))).toBe(
      "not-found: service web does not publish port 8080/tcp",
    );
  });

  test("are refused where there is no such service, and with what is no port", async () => {
    const [h1] = await two();
    const publish = (name: string, ports: Parameters<typeof h1.controller.publishService>[2]) =>
      failure(h1.controller.publishService(blue(h1), name, ports));
    expect(await publish("web", [port(80)])).toBe("not-found: service web not found on network blue");
    expect(await publish("web", [])).toBe("invalid: publish a service: no port was given");
    expect(await publish("web", [port(0)])).toBe("invalid: publish a service: 0 is no port");
    expect(await publish("web", [port(80, 65_536)])).toBe("invalid: publish a service: 65536 is no port");
    expect(await publish("web", [port(80), port(80)])).toBe(
      "invalid: publish a service: port tcp/80 is there twice",
    );
    expect(await failure(h1.controller.publishService("nothing", "web", [port(80)]))).toMatch(/^not-found/);
  });

  test("wait for no store that is away", async () => {
    const [h1, h2] = await two();
    await serve(h1, "c1");
    await settled(h1, h2);
    cluster().partition("h1");
    expect(await failure(h1.controller.publishService(blue(h1), "web", [port(80)]))).toBe(
      "unavailable: change the ports of service web: the cluster's store is away",
    );
  });

  test("keep a service without endpoints, and its address; with the last one it goes", async () => {
    const [h1, h2] = await two();
    const sandbox = await serve(h1, "c1");
    await settled(h1, h2);
    const [vip] = vipOf(h1);
    await h1.controller.publishService(blue(h1), "web", [port(8080)]);
    await sandbox.delete();
    await settled(h1, h2);
    expect(shown(h2)).toEqual([`web ${vip}: `]);
    const closed = await h2.controller.unpublishService(blue(h2), "web", [port(8080)]);
    expect(closed.published).toEqual([]);
    await settled(h1, h2);
    expect(await recordsOf(h1)).toEqual([]);
    expect(await reserved(h1)).toBe(0);
  });

  test("go with their network", async () => {
    const [h1, h2] = await two();
    const sandbox = await serve(h1, "c1");
    await settled(h1, h2);
    await h1.controller.publishService(blue(h1), "web", [port(8080)]);
    await sandbox.delete();
    await settled(h1, h2);
    await h2.controller.deleteNetwork("blue");
    await settled(h1, h2);
    expect([...shown(h1), ...(await recordsOf(h1))]).toEqual([]);
    await serve(h1, "c2", "api", { network: "red" });
    await settled(h1, h2);
    await h1.controller.publishService(h1.controller.network("red").id, "api", [port(8080)]);
  });
});
