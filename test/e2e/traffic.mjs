// Runs in a netns and keeps traffic going over IPC orders: echo servers, long streams, connection after connection,
// question after question. Whatever is not answered is counted.

import dgram from "node:dgram";
import net from "node:net";

/** Unanswered datagrams at a time: a peer that is short of processor time must not lose some in a full buffer. */
const mostOutstanding = 16;
/** Spent only where an answer is lost, or the machine busy. */
const patienceMs = 10_000;
/** Between one packet, connection or question of a flow and the next: often enough to notice, and no load of its own. */
const pauseMs = 4;
const rememberedFailures = 5;

const flows = new Map();

const operations = {
  async echo({ port }) {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.pipe(socket);
    });
    const socket = dgram.createSocket({ type: "udp6" });
    socket.on("message", (message, from) => socket.send(message, from.port, from.address));
    await new Promise((done, failed) => server.once("error", failed).listen({ host: "::", port }, done));
    await new Promise((done, failed) => socket.once("error", failed).bind(port, "::", done));
  },

  async start({ id, kind, ...target }) {
    const flow = { sent: 0, answered: 0, failed: 0, failures: [], isEnding: false };
    flow.fail = (why) => {
      flow.failed++;
      if (flow.failures.length < rememberedFailures) flow.failures.push(`${new Date().toISOString()} ${why}`);
    };
    flow.ended = kinds[kind](flow, target).catch((error) => flow.fail(String(error)));
    flows.set(id, flow);
  },

  async progress({ id }) {
    return flows.get(id).answered;
  },

  async stop({ id }) {
    const flow = flows.get(id);
    flow.isEnding = true;
    await flow.ended;
    const { sent, answered, failed, failures } = flow;
    return { sent, answered, failed, failures };
  },
};

const kinds = { tcp, udp, connects, dns };

const tick = (ms) => new Promise((go) => setTimeout(go, ms));

/** One connection for the whole time. */
async function tcp(flow, { address, port }) {
  const socket = net.connect({ host: address, port, noDelay: true });
  socket.on("error", (error) => flow.fail(error.code));
  socket.on("close", () => flow.isEnding || flow.fail("closed"));
  socket.on("data", (data) => {
    flow.answered += data.length;
  });
  while (!flow.isEnding && !socket.destroyed) {
    socket.write("x");
    flow.sent++;
    await tick(pauseMs);
  }
  for (const end = Date.now() + patienceMs; flow.answered < flow.sent && Date.now() < end; ) await tick(10);
  if (flow.answered !== flow.sent) flow.fail(`${flow.sent - flow.answered} bytes are missing`);
  socket.destroy();
}

/** A datagram after the other at a steady pace, each of which comes back. */
async function udp(flow, { address, port }) {
  const outstanding = new Map();
  const socket = dgram.createSocket(net.isIPv6(address) ? "udp6" : "udp4");
  socket.on("error", (error) => flow.fail(error.code));
  socket.on("message", (message) => {
    if (outstanding.delete(message.readUInt32BE())) flow.answered++;
  });
  await new Promise((done) => socket.connect(port, address, done));
  const giveUp = (before) => {
    for (const [number, at] of outstanding) {
      if (at > before) break;
      outstanding.delete(number);
      flow.fail(`no answer to datagram ${number}`);
    }
  };
  const begin = Date.now();
  while (!flow.isEnding) {
    for (
      const due = (Date.now() - begin) / pauseMs;
      flow.sent < due && outstanding.size < mostOutstanding;
    ) {
      const message = Buffer.alloc(4);
      message.writeUInt32BE(++flow.sent);
      outstanding.set(flow.sent, Date.now());
      socket.send(message);
    }
    giveUp(Date.now() - patienceMs);
    await tick(pauseMs);
  }
  for (const end = Date.now() + patienceMs; outstanding.size > 0 && Date.now() < end; ) await tick(10);
  giveUp(Date.now());
  socket.close();
}

/** One connection after the other, each with an answer. */
async function connects(flow, { address, port }) {
  while (!flow.isEnding) {
    flow.sent++;
    const error = await connectOnce(address, port);
    if (error) flow.fail(error);
    else flow.answered++;
    await tick(pauseMs);
  }
}

function connectOnce(address, port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port });
    const end = (error) => {
      socket.destroy();
      resolve(error);
    };
    socket.setTimeout(patienceMs, () => end("no answer in time"));
    socket.once("error", (error) => end(error.code));
    socket.once("close", () => end("closed without an answer"));
    socket.once("connect", () => socket.write("x"));
    socket.once("data", () => end(undefined));
  });
}

/** One question after the other for the addresses of a name. */
async function dns(flow, { name }) {
  const socket = dgram.createSocket("udp4");
  await new Promise((done) => socket.connect(53, "127.0.0.11", done));
  while (!flow.isEnding) {
    const id = ++flow.sent & 0xffff;
    const error = await askOnce(socket, id, name);
    if (error) flow.fail(error);
    else flow.answered++;
    await tick(pauseMs);
  }
  socket.close();
}

function askOnce(socket, id, name) {
  return new Promise((resolve) => {
    const end = (error) => {
      clearTimeout(timer);
      socket.removeAllListeners("message");
      socket.removeAllListeners("error");
      resolve(error);
    };
    const timer = setTimeout(() => end(`no answer about ${name}`), patienceMs);
    socket.once("error", (error) => end(error.code));
    socket.on("message", (answer) => {
      if (answer.readUInt16BE(0) !== id) return;
      const code = answer[3] & 15;
      end(code === 0 && answer.readUInt16BE(6) > 0 ? undefined : `code ${code}, no address of ${name}`);
    });
    const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
    socket.send(Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]));
  });
}

process.on("message", ({ call, operation, request }) => {
  operations[operation](request).then(
    (value) => process.send({ call, value }),
    (error) => process.send({ call, error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
