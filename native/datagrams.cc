// Datagrams in batches (recvmmsg, sendmmsg) between a socket and JS memory, and connect. Frames of a link (AF_PACKET).

#include "datagrams.h"

#include <cerrno>
#include <cstring>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tsdocker {
namespace {

constexpr size_t peerSize = 32; // a slot for a sockaddr_in or sockaddr_in6; its last byte is the length
constexpr size_t largestGroup = 60000; // bytes: until it is taken apart it is one datagram

/** To or from the slot's peer. */
mmsghdr headerOf(const Slots &slots, size_t slot, iovec *parts, size_t count) {
  mmsghdr header{};
  header.msg_hdr.msg_iov = parts;
  header.msg_hdr.msg_iovlen = count;
  if (!slots.peers) return header;
  header.msg_hdr.msg_name = slots.peers + slot * peerSize;
  header.msg_hdr.msg_namelen = slots.peers[slot * peerSize + peerSize - 1];
  return header;
}

// datagramsReceive(fd, slab, sizes, peers | undefined): count; 0 when nothing waits. A datagram that does not fit its
// slot gets size -1
Napi::Value datagramsReceive(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const Slots slots = slotsOf(info, 1);
  const size_t count = now(info.Env(), [&] { return Receiving().receive(fd, slots); });
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

// datagramsSend(fd, slab, sizes, peers | undefined, count): sent; slots of size 0 or less are skipped. What the kernel
// has no room for, or cannot deliver, is lost: datagrams may be
Napi::Value datagramsSend(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const Slots slots = slotsOf(info, 1);
  const size_t count = std::min<size_t>(info[4].As<Napi::Number>().Uint32Value(), slots.count);
  Sending sending(slots);
  for (size_t slot = 0; slot < count; slot++) {
    const int32_t size = slots.sizes[slot];
    if (size > 0 && static_cast<size_t>(size) <= slots.slotSize) sending.add(slot);
  }
  return Napi::Number::New(info.Env(), static_cast<double>(sending.send(fd)));
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

size_t Receiving::receive(int fd, const Slots &slots) {
  for (size_t i = 0; i < slots.count; i++) {
    parts_[i] = {slots.bytes + i * slots.slotSize, slots.slotSize};
    headers_[i] = headerOf(slots, i, &parts_[i], 1);
    headers_[i].msg_hdr.msg_namelen = slots.peers ? peerSize - 1 : 0;
  }
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

size_t Sending::send(int fd) {
  group();
  size_t sent = 0;
  for (size_t at = 0; at < groupCount_;) {
    const int done = sendmmsg(fd, headers_.data() + at, groupCount_ - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    for (int i = 0; i < done; i++) sent += groups_[at + i].count;
    if (done <= 0) sent += sendOneByOne(fd, at); // the first one failed
    at += done > 0 ? done : 1;
  }
  return sent;
}

/** A group is a message with a part for each datagram. */
void Sending::group() {
  std::array<bool, mostSlots> isTaken{};
  size_t part = 0;
  for (size_t i = 0; i < waitingCount_; i++) {
    if (isTaken[i]) continue;
    Group &group = groups_[groupCount_];
    group = {part, 0, {}};
    const size_t size = slots_.sizes[waiting_[i]];
    for (size_t j = i; j < waitingCount_ && (j == i || (group.count + 1) * size <= largestGroup); j++) {
      if (isTaken[j] || !isAlike(waiting_[i], waiting_[j])) continue;
      isTaken[j] = true;
      parts_[part++] = {slots_.bytes + waiting_[j] * slots_.slotSize, size};
      group.count++;
    }
    setHeader(groupCount_++, waiting_[i]);
  }
}

bool Sending::isAlike(size_t slot, size_t other) const {
  if (slots_.sizes[slot] != slots_.sizes[other]) return false;
  return !slots_.peers || memcmp(slots_.peers + slot * peerSize, slots_.peers + other * peerSize, peerSize) == 0;
}

void Sending::setHeader(size_t at, size_t slot) {
  Group &group = groups_[at];
  headers_[at] = headerOf(slots_, slot, &parts_[group.first], group.count);
  if (group.count == 1) return;
  auto &header = headers_[at].msg_hdr;
  header.msg_control = group.control;
  header.msg_controllen = sizeof group.control;
  cmsghdr *part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_UDP;
  part->cmsg_type = UDP_SEGMENT;
  part->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  const auto size = static_cast<uint16_t>(parts_[group.first].iov_len);
  memcpy(CMSG_DATA(part), &size, sizeof size);
}

/** A group is refused by links that could not take it apart, and when a part is larger than a packet. */
size_t Sending::sendOneByOne(int fd, size_t at) {
  const Group &group = groups_[at];
  if (group.count == 1) return 0;
  msghdr header = headers_[at].msg_hdr;
  header.msg_control = nullptr;
  header.msg_controllen = 0;
  header.msg_iovlen = 1;
  size_t sent = 0;
  for (size_t i = 0; i < group.count; i++) {
    header.msg_iov = &parts_[group.first + i];
    if (sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) sent++;
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
