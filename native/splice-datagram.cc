// Forwarded udp ports: a flow per client, with a socket of its own towards the target. A reply leaves from the very
// address that the client had sent to (ip(7), ipv6(7): PKTINFO).

#include "splice.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace tsdocker {
namespace {

constexpr size_t batch = 16;
constexpr size_t largest = 65536; // more than any datagram
constexpr int batchesPerTurn = 4;

/** Who sent, and to which of our addresses. Compared as bytes: everything unused is zero. */
struct Peer {
  sockaddr_storage client{};
  socklen_t clientLength = 0;
  in_addr local4{};
  in6_pktinfo local6{};
  bool hasLocal4 = false;
  bool hasLocal6 = false;
};

std::string keyOf(const Peer &peer) {
  std::string key(reinterpret_cast<const char *>(&peer.client), peer.clientLength);
  key.append(reinterpret_cast<const char *>(&peer.local4), sizeof peer.local4);
  key.append(reinterpret_cast<const char *>(&peer.local6.ipi6_addr), sizeof peer.local6.ipi6_addr);
  return key;
}

using Control = std::array<char, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo))>;

/** Datagrams of one recvmmsg. The bytes are the loop's scratch memory. */
struct Batch {
  explicit Batch(ForwardLoop &loop) {
    loop.scratch.resize(batch * largest); // pages that no datagram reaches are never touched
    for (size_t i = 0; i < batch; i++) {
      parts[i] = {loop.scratch.data() + i * largest, largest};
      auto &header = messages[i].msg_hdr;
      header = {};
      header.msg_iov = &parts[i];
      header.msg_iovlen = 1;
      header.msg_name = &names[i];
      header.msg_namelen = sizeof names[i];
      header.msg_control = controls[i].data();
      header.msg_controllen = controls[i].size();
    }
  }
  int receive(int fd) { return recvmmsg(fd, messages.data(), batch, MSG_DONTWAIT, nullptr); }
  std::array<iovec, batch> parts;
  std::array<sockaddr_storage, batch> names{};
  alignas(cmsghdr) std::array<Control, batch> controls;
  std::array<mmsghdr, batch> messages{};
};

Peer peerOf(msghdr &header) {
  Peer peer;
  peer.clientLength = std::min<socklen_t>(header.msg_namelen, sizeof peer.client);
  memcpy(&peer.client, header.msg_name, peer.clientLength);
  for (cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      memcpy(&info, CMSG_DATA(part), sizeof info);
      peer.local4 = info.ipi_spec_dst; // ipi_addr would be the group of a multicast
      peer.hasLocal4 = true;
    }
    if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      memcpy(&peer.local6, CMSG_DATA(part), sizeof peer.local6);
      if (!IN6_IS_ADDR_LINKLOCAL(&peer.local6.ipi6_addr)) peer.local6.ipi6_ifindex = 0; // the route decides
      peer.hasLocal6 = !IN6_IS_ADDR_MULTICAST(&peer.local6.ipi6_addr);
    }
  }
  return peer;
}

void attach(msghdr &header, int level, int type, const void *value, size_t size) {
  header.msg_controllen = CMSG_SPACE(size);
  cmsghdr *part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = level;
  part->cmsg_type = type;
  part->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(part), value, size);
}

/** Sends from the address that the peer had sent to. What the kernel has no room for is lost, as datagrams may be. */
void sendTo(int fd, const Peer &peer, const char *bytes, size_t size) {
  iovec part{const_cast<char *>(bytes), size};
  alignas(cmsghdr) Control control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_name = const_cast<sockaddr_storage *>(&peer.client);
  header.msg_namelen = peer.clientLength;
  header.msg_control = control.data();
  if (peer.hasLocal6) {
    attach(header, IPPROTO_IPV6, IPV6_PKTINFO, &peer.local6, sizeof peer.local6);
  } else if (peer.hasLocal4) {
    const in_pktinfo info{0, peer.local4, {}};
    attach(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  } else {
    header.msg_control = nullptr;
  }
  while (sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
}

class DatagramForward;

struct Flow : Watched {
  Flow(ForwardLoop &loop, DatagramForward &forward, Peer peer, std::string key);
  ~Flow() override;
  void onEvents(ForwardLoop &loop, uint32_t events) override;
  ForwardLoop &loop;
  DatagramForward &forward;
  const Peer peer;
  const std::string key;
  int fd = -1;
  int64_t usedMs = 0;
  std::list<Flow *>::iterator place; // in the forward's order of use
};

class DatagramForward : public Forward {
public:
  DatagramForward(ForwardLoop &loop, Fd fd, const Target &target);
  ~DatagramForward() override;
  void onEvents(ForwardLoop &loop, uint32_t events) override;
  void tick(ForwardLoop &loop) override;
  void used(Flow &flow, int64_t nowMs);
  int socket() const { return fd_.get(); }

private:
  Flow *flowOf(ForwardLoop &loop, const Peer &peer);
  Flow *open(ForwardLoop &loop, const Peer &peer, std::string key);
  void drop(ForwardLoop &loop, Flow *flow);
  ForwardLoop &loop_;
  Fd fd_;
  Target target_;
  std::list<Flow *> byUse_; // least recent first
  std::unordered_map<std::string, std::unique_ptr<Flow>> flows_;
};

Flow::Flow(ForwardLoop &loop, DatagramForward &forward, Peer peer, std::string key)
    : loop(loop), forward(forward), peer(peer), key(std::move(key)) {
  loop.counters.flows++;
}

Flow::~Flow() {
  if (fd >= 0) close(fd);
  loop.counters.flows--;
}

void Flow::onEvents(ForwardLoop &loop, uint32_t) {
  if (fd < 0) return; // dropped earlier in this batch
  Batch replies(loop);
  for (int turn = 0; turn < batchesPerTurn; turn++) {
    const int count = replies.receive(fd);
    if (count <= 0) return; // also after ECONNREFUSED, which reading has cleared
    forward.used(*this, loop.nowMs());
    for (int i = 0; i < count; i++) {
      const size_t size = replies.messages[i].msg_len;
      loop.counters.bytes += size;
      sendTo(forward.socket(), peer, static_cast<char *>(replies.parts[i].iov_base), size);
    }
    if (count < static_cast<int>(batch)) return;
  }
}

DatagramForward::DatagramForward(ForwardLoop &loop, Fd fd, const Target &target) : loop_(loop), fd_(std::move(fd)), target_(target) {
  const int on = 1;
  setsockopt(fd_.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  loop.watch(fd_.get(), this, EPOLLIN);
}

/** Whoever reserved the port may hold the socket on: let nothing pile up in it. forwarderAdd takes the filter away. */
DatagramForward::~DatagramForward() {
  loop_.unwatch(fd_.get());
  sock_filter dropAll[] = {{BPF_RET | BPF_K, 0, 0, 0}};
  const sock_fprog program{1, dropAll};
  setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
  char byte;
  while (recv(fd_.get(), &byte, 1, MSG_DONTWAIT) >= 0) continue;
}

void DatagramForward::onEvents(ForwardLoop &loop, uint32_t) {
  Batch questions(loop);
  for (int turn = 0; turn < batchesPerTurn; turn++) {
    const int count = questions.receive(fd_.get());
    for (int i = 0; i < count; i++) {
      auto &message = questions.messages[i];
      Flow *flow = flowOf(loop, peerOf(message.msg_hdr));
      if (!flow) continue;
      used(*flow, loop.nowMs());
      loop.counters.bytes += message.msg_len;
      // a second try: the first may only have fetched the error of an earlier datagram (ECONNREFUSED)
      for (int tries = 0; tries < 2; tries++)
        if (send(flow->fd, questions.parts[i].iov_base, message.msg_len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) break;
    }
    if (count < static_cast<int>(batch)) return;
    for (size_t i = 0; i < batch; i++) { // the kernel has written over the lengths
      questions.messages[i].msg_hdr.msg_namelen = sizeof questions.names[i];
      questions.messages[i].msg_hdr.msg_controllen = questions.controls[i].size();
    }
  }
}

Flow *DatagramForward::flowOf(ForwardLoop &loop, const Peer &peer) {
  auto key = keyOf(peer);
  auto found = flows_.find(key);
  if (found != flows_.end()) return found->second.get();
  if (loop.isFull() || flows_.size() >= loop.limits.connectionsEach) {
    if (byUse_.empty()) return nullptr;
    drop(loop, byUse_.front());
  }
  return open(loop, peer, std::move(key));
}

Flow *DatagramForward::open(ForwardLoop &loop, const Peer &peer, std::string key) {
  auto flow = std::make_unique<Flow>(loop, *this, peer, key);
  flow->fd = ::socket(target_.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (flow->fd < 0) return nullptr;
  if (connect(flow->fd, reinterpret_cast<const sockaddr *>(&target_.address), target_.length) < 0) return nullptr;
  if (!loop.watch(flow->fd, flow.get(), EPOLLIN)) return nullptr;
  Flow *opened = flow.get();
  opened->place = byUse_.insert(byUse_.end(), opened);
  flows_[std::move(key)] = std::move(flow);
  loop.wantTick();
  return opened;
}

void DatagramForward::used(Flow &flow, int64_t nowMs) {
  flow.usedMs = nowMs;
  byUse_.splice(byUse_.end(), byUse_, flow.place);
}

void DatagramForward::tick(ForwardLoop &loop) {
  while (!byUse_.empty() && loop.nowMs() - byUse_.front()->usedMs >= loop.limits.idleMs) drop(loop, byUse_.front());
  if (!byUse_.empty()) loop.wantTick();
}

void DatagramForward::drop(ForwardLoop &loop, Flow *flow) {
  byUse_.erase(flow->place);
  close(std::exchange(flow->fd, -1));
  auto found = flows_.find(flow->key);
  loop.bury(std::move(found->second));
  flows_.erase(found);
}

} // namespace

std::unique_ptr<Forward> datagramForward(ForwardLoop &loop, Fd fd, const Target &target) {
  return std::make_unique<DatagramForward>(loop, std::move(fd), target);
}

} // namespace tsdocker
