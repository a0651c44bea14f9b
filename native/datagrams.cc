// Datagrams in batches (recvmmsg, sendmmsg) between a socket and JS memory, and connect. Frames of a link (AF_PACKET).

#include "datagrams.h"

#include <cerrno>
#include <cstring>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tsdocker {
namespace {

constexpr size_t peerSize = 32; // a slot for a sockaddr_in or sockaddr_in6; its last byte is the length

// datagramsReceive(fd, slab, sizes, peers | undefined): count; 0 when nothing waits. A datagram that does not fit its
// slot gets size -1
Napi::Value datagramsReceive(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const Slots slots = slotsOf(info, 1);
  const size_t count = now(info.Env(), [&] { return Messages().receive(fd, slots); });
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

// datagramsSend(fd, slab, sizes, peers | undefined, count): sent; slots of size 0 or less are skipped. What the kernel
// has no room for, or cannot deliver, is lost: datagrams may be
Napi::Value datagramsSend(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const Slots slots = slotsOf(info, 1);
  const size_t count = std::min<size_t>(info[4].As<Napi::Number>().Uint32Value(), slots.count);
  Messages messages;
  for (size_t slot = 0; slot < count; slot++) {
    const int32_t size = slots.sizes[slot];
    if (size > 0 && static_cast<size_t>(size) <= slots.slotSize) messages.add(slots, slot, size);
  }
  return Napi::Number::New(info.Env(), static_cast<double>(messages.send(fd)));
}

// socketConnect(fd, address, port, scope): void; of a stream socket it only begins (EINPROGRESS)
Napi::Value socketConnect(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  auto bytes = bytesOf(info[1]);
  const auto port = htons(info[2].As<Napi::Number>().Uint32Value());
  sockaddr_in in{AF_INET, port, {}, {}};
  sockaddr_in6 in6{AF_INET6, port, 0, {}, info[3].As<Napi::Number>().Uint32Value()};
  const bool six = bytes.size() == 16;
  memcpy(six ? static_cast<void *>(&in6.sin6_addr) : &in.sin_addr, bytes.data(), six ? 16 : std::min<size_t>(4, bytes.size()));
  now(info.Env(), [&] {
    const auto *address = six ? reinterpret_cast<sockaddr *>(&in6) : reinterpret_cast<sockaddr *>(&in);
    if (connect(fd, address, six ? sizeof in6 : sizeof in) < 0 && errno != EINPROGRESS) fail("connect");
  });
  return info.Env().Undefined();
}

/** Closing a packet socket waits for RCU, some 20 ms (packet_release in net/packet/af_packet.c): nobody waits with it. */
class ClosedAside {
public:
  explicit ClosedAside(int fd) : fd_(fd) {}
  ClosedAside(const ClosedAside &) = delete;
  ~ClosedAside() {
    std::thread([fd = fd_] { close(fd); }).detach();
  }

private:
  int fd_;
};

Nothing sendFrames(const std::optional<std::string> &netns, int link, const std::vector<std::string> &frames) {
  const InNetns in(netns);
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); // no protocol: it hears nothing
  if (fd < 0) fail("socket", "AF_PACKET");
  const ClosedAside closing(fd);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = link;
  for (const auto &frame : frames)
    if (sendto(fd, frame.data(), frame.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr *>(&to), sizeof to) < 0) fail("sendto");
  return {};
}

// framesSend(netns | undefined, link, frames): Promise<void>; whole frames, their link headers included
Napi::Value framesSend(const Napi::CallbackInfo &info) {
  auto netns = optionalString(info[0]);
  const int link = info[1].As<Napi::Number>().Int32Value();
  auto list = info[2].As<Napi::Array>();
  std::vector<std::string> frames;
  for (uint32_t i = 0; i < list.Length(); i++) frames.push_back(bytesOf(list.Get(i)));
  auto work = [=] { return sendFrames(netns, link, frames); };
  return promise(info.Env(), Addon::of(info.Env()).work, work, undefinedOf);
}

} // namespace

Slots slotsOf(const Napi::CallbackInfo &info, size_t at) {
  auto slab = info[at].As<Napi::Uint8Array>();
  auto sizes = info[at + 1].As<Napi::Int32Array>();
  const size_t count = sizes.ElementLength();
  if (count == 0 || count > mostSlots) throw Napi::RangeError::New(info.Env(), "a batch has 1 to 64 datagrams");
  char *peers = nullptr;
  if (info[at + 2].IsTypedArray()) {
    auto array = info[at + 2].As<Napi::Uint8Array>();
    if (array.ByteLength() < count * peerSize) throw Napi::RangeError::New(info.Env(), "32 bytes per peer");
    peers = reinterpret_cast<char *>(array.Data());
  }
  return {reinterpret_cast<char *>(slab.Data()), slab.ByteLength() / count, sizes.Data(), peers, count};
}

void Messages::set(size_t at, const Slots &slots, size_t slot, size_t size) {
  parts_[at] = {slots.bytes + slot * slots.slotSize, size};
  auto &header = headers_[at].msg_hdr;
  header = {};
  header.msg_iov = &parts_[at];
  header.msg_iovlen = 1;
  if (!slots.peers) return;
  header.msg_name = slots.peers + slot * peerSize;
  header.msg_namelen = peerSize - 1;
}

size_t Messages::receive(int fd, const Slots &slots) {
  for (size_t i = 0; i < slots.count; i++) set(i, slots, i, slots.slotSize);
  int count;
  do count = recvmmsg(fd, headers_.data(), slots.count, MSG_DONTWAIT, nullptr);
  while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count < 0) fail("recvmmsg");
  for (int i = 0; i < count; i++) {
    const auto &header = headers_[i];
    slots.sizes[i] = header.msg_hdr.msg_flags & MSG_TRUNC ? -1 : static_cast<int32_t>(header.msg_len);
    if (slots.peers) slots.peers[i * peerSize + peerSize - 1] = static_cast<char>(header.msg_hdr.msg_namelen);
  }
  return count;
}

void Messages::add(const Slots &slots, size_t slot, size_t size) {
  set(count_, slots, slot, size);
  if (slots.peers) headers_[count_].msg_hdr.msg_namelen = slots.peers[slot * peerSize + peerSize - 1];
  count_++;
}

size_t Messages::send(int fd) {
  size_t sent = 0;
  for (size_t at = 0; at < count_;) {
    const int done = sendmmsg(fd, headers_.data() + at, count_ - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done > 0) sent += done;
    at += done > 0 ? done : 1; // the first one failed
  }
  return sent;
}

void initDatagrams(Napi::Env env, Napi::Object exports) {
  exports.Set("datagramsReceive", Napi::Function::New(env, datagramsReceive));
  exports.Set("datagramsSend", Napi::Function::New(env, datagramsSend));
  exports.Set("socketConnect", Napi::Function::New(env, socketConnect));
  exports.Set("framesSend", Napi::Function::New(env, framesSend));
}

} // namespace tsdocker
