// A name server for a lab host: answers every question for an address with 203.0.113.99, over UDP and TCP, and prints
// each name that it was asked for. `node name-server.mjs ADDRESS`; says "ready" when it listens.

import dgram from "node:dgram";
import net from "node:net";
import packet from "dns-packet";

const address = process.argv[2];

function answer(query) {
  const [question] = query.questions;
  console.log(question.name);
  const answers =
    question.type === "A" ? [{ type: "A", name: question.name, ttl: 5, data: "203.0.113.99" }] : [];
  return {
    type: "response",
    id: query.id,
    flags: packet.RECURSION_DESIRED,
    questions: query.questions,
    answers,
  };
}

const udp = dgram.createSocket("udp4");
udp.on("message", (bytes, peer) =>
  udp.send(packet.encode(answer(packet.decode(bytes))), peer.port, peer.address),
);
const tcp = net.createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", (bytes) => socket.end(packet.streamEncode(answer(packet.streamDecode(bytes)))));
});
udp.bind(53, address, () => tcp.listen(53, address, () => console.log("ready")));
