// A name server that knows one answer and gives it to every question, so that what is measured is whoever asks it.
// Listens on port 53 of every address of the network namespace it is started in; says "ready".

import {
  datagramBatch,
  datagramIn,
  onReadable,
  putDatagram,
  receiveDatagrams,
  sendDatagrams,
} from "../src/kernel/datagrams.ts";
import { bindSocketsNow } from "../src/kernel/socket.ts";

const batch = datagramBatch(2048);
/** The question's name, A, IN, a minute, 203.0.113.1. */
const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 1]);

const [fd = -1] = bindSocketsNow([{ protocol: "udp", address: { family: 4, value: 0n }, port: 53 }]);
onReadable(fd, () => {
  const count = receiveDatagrams(fd, batch);
  for (let slot = 0; slot < count; slot++) {
    const question = datagramIn(batch, slot);
    putDatagram(batch, slot, question && answerTo(question));
  }
  sendDatagrams(fd, batch, count);
});
process.stdout.write("ready\n");

function answerTo(question: Buffer): Buffer {
  let end = 12;
  while ((question[end] ?? 0) > 0) end += (question[end] ?? 0) + 1;
  const answer = Buffer.concat([question.subarray(0, end + 5), record]);
  answer.writeUInt16BE(0x8180, 2);
  answer.writeUInt16BE(1, 6); // an answer, no authority and nothing additional
  answer.writeUInt32BE(0, 8);
  return answer;
}
