// Runs inside a lab host's netns and does what the test asks over IPC: listens, asks, closes. One process per host.

import dgram from "node:dgram";
import net from "node:net";

const servers = new Map();

const operations = {
  /** Answers every connection or datagram with `<reply> <client's address>`. */
  async listen({ id, protocol, address, port, reply }) {
    const server =
      protocol === "udp" ? await listenUdp(address, port, reply) : await listenTcp(address, port, reply);
    servers.set(id, server);
    return server.address().port;
  },

  async close({ id }) {
    const server = servers.get(id);
    servers.delete(id);
    // a client that is cut off would keep it open for ever
    for (const socket of server?.sockets ?? []) socket.destroy();
    await new Promise((done) => (server ? server.close(done) : done()));
  },

  /** Sends `text` and resolves with the answer; rejects with the error's code. */
  ask({ protocol, address, port, text, timeoutMs, localAddress }) {
    return protocol === "udp"
      ? askUdp({ address, port, text, timeoutMs, localAddress })
      : askTcp({ address, port, text, timeoutMs, localAddress });
  },
};

function listenTcp(address, port, reply) {
  const sockets = new Set();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end(`${reply} ${socket.remoteAddress}`));
  });
  server.sockets = sockets;
  return opened(server, () => server.listen({ host: address, port, ipv6Only: net.isIPv6(address) }));
}

function listenUdp(address, port, reply) {
  const socket = dgram.createSocket({
    type: net.isIPv6(address) ? "udp6" : "udp4",
    ipv6Only: net.isIPv6(address),
  });
  // an answer that may not leave, or finds no way, is lost like any datagram
  socket.on("error", () => undefined);
  socket.on("message", (_, peer) => socket.send(`${reply} ${peer.address}`, peer.port, peer.address));
  return opened(socket, () => socket.bind(port, address));
}

function opened(server, open) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => resolve(server));
    open();
  });
}

function askTcp({ address, port, text, timeoutMs, localAddress }) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: address, port, ...(localAddress && { localAddress }) });
    let answer = "";
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(Object.assign(new Error("timeout"), { code: "ETIMEDOUT" })),
    );
    socket.once("connect", () => socket.write(text));
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.once("end", () => resolve(answer));
    socket.once("error", reject);
    socket.once("close", () => reject(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
  });
}

function askUdp({ address, port, text, timeoutMs, localAddress }) {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(net.isIPv6(address) ? "udp6" : "udp4");
    const timer = setTimeout(
      () => end(reject, Object.assign(new Error("timeout"), { code: "ETIMEDOUT" })),
      timeoutMs,
    );
    const end = (settle, value) => {
      clearTimeout(timer);
      socket.close();
      settle(value);
    };
    socket.once("message", (message) => end(resolve, String(message)));
    socket.once("error", (error) => end(reject, error));
    const connected = (error) => (error ? end(reject, error) : socket.send(text));
    socket.bind(0, localAddress, () => socket.connect(port, address, connected));
  });
}

process.on("message", ({ call, operation, request }) => {
  operations[operation](request).then(
    (value) => process.send({ call, value }),
    (error) => process.send({ call, error: error.code ?? String(error) }),
  );
});
process.on("disconnect", () => process.exit());
