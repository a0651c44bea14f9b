// Forwarded udp ports: a flow per client, with a socket of its own towards the target. A reply leaves from the very
// address that the client had sent to (ip(7), ipv6(7): PKTINFO).

#include "parked.h"
#include "splice.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
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

std::string keyOf(const Peer &peer, uint16_t port) {
  std::string key(reinterpret_cast<const char *>(&port), sizeof port);
  key.append(reinterpret_cast<const char *>(&peer.client), peer.clientLength);
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
  Flow(ForwardLoop &loop, DatagramForward &forward, Port &port, Peer peer, std::string key);
  ~Flow() override;
  void onEvents(ForwardLoop &loop, uint32_t events) override;
  ForwardLoop &loop;
  DatagramForward &forward;
  Port &port;
  const Peer peer;
  const std::string key;
  int fd = -1;
  int64_t usedMs = 0;
  std::list<Flow *>::iterator place; // in the forward's order of use
};

class DatagramForward : public Forward {
public:
  DatagramForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets);
  void serve(ForwardLoop &loop, Port &port) override;
  void tick(ForwardLoop &loop) override;
  void used(Flow &flow, int64_t nowMs);

protected:
  void endTraffic(uint16_t first, uint16_t end) override;
  void quiet(int socket) override;

private:
  Flow *flowOf(ForwardLoop &loop, Port &port, const Peer &peer);
  Flow *open(ForwardLoop &loop, Port &port, const Peer &peer, std::string key);
  void drop(ForwardLoop &loop, Flow *flow);
  Target target_;
  std::list<Flow *> byUse_; // least recent first
  std::unordered_map<std::string, std::unique_ptr<Flow>> flows_;
};

Flow::Flow(ForwardLoop &loop, DatagramForward &forward, Port &port, Peer peer, std::string key)
    : loop(loop), forward(forward), port(port), peer(peer), key(std::move(key)) {
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
    const int socket = loop.open(port);
    if (socket < 0) return; // lost, as datagrams may be
    for (int i = 0; i < count; i++) {
      const size_t size = replies.messages[i].msg_len;
      loop.counters.bytes += size;
      sendTo(socket, peer, static_cast<char *>(replies.parts[i].iov_base), size);
    }
    if (count < static_cast<int>(batch)) return;
  }
}

DatagramForward::DatagramForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets)
    : Forward(loop, spec.id, spec.parked, sockets), target_(spec.target) {
  const int on = 1;
  for (const auto &socket : sockets) {
    setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  }
}

/** Nothing may pile up in it either. forwarderAdd takes the filter away. */
void DatagramForward::quiet(int socket) {
  dropAll(socket);
  char byte;
  while (recv(socket, &byte, 1, MSG_DONTWAIT) >= 0) continue;
}

void DatagramForward::endTraffic(uint16_t first, uint16_t end) {
  std::erase_if(byUse_, [&](const Flow *flow) { return flow->port.at >= first && flow->port.at < end; });
  std::erase_if(flows_, [&](const auto &entry) { return entry.second->port.at >= first && entry.second->port.at < end; });
}

void DatagramForward::serve(ForwardLoop &loop, Port &port) {
  Batch questions(loop);
  for (int turn = 0; turn < batchesPerTurn; turn++) {
    const int socket = loop.open(port);
    if (socket < 0) return loop.wantTick(), void(port.isPaused = true);
    const int count = questions.receive(socket);
    for (int i = 0; i < count; i++) {
      auto &message = questions.messages[i];
      Flow *flow = flowOf(loop, port, peerOf(message.msg_hdr));
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
  loop.queue(&port); // its edge has been seen: nobody will tell of those that wait
}

Flow *DatagramForward::flowOf(ForwardLoop &loop, Port &port, const Peer &peer) {
  auto key = keyOf(peer, port.at);
  auto found = flows_.find(key);
  if (found != flows_.end()) return found->second.get();
  if (loop.isFull() || flows_.size() >= loop.limits.connectionsEach) {
    if (byUse_.empty()) return nullptr;
    drop(loop, byUse_.front());
  }
  return open(loop, port, peer, std::move(key));
}

Flow *DatagramForward::open(ForwardLoop &loop, Port &port, const Peer &peer, std::string key) {
  auto flow = std::make_unique<Flow>(loop, *this, port, peer, key);
  const Target target = target_.plus(port.at);
  flow->fd = ::socket(target.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (flow->fd < 0) return nullptr;
  if (connect(flow->fd, reinterpret_cast<const sockaddr *>(&target.address), target.length) < 0) return nullptr;
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
  for (Port &port : ports_) {
    if (!port.isPaused) continue;
    port.isPaused = false;
    if (port.forward) serve(loop, port);
  }
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

std::unique_ptr<Forward> datagramForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets) {
  return std::make_unique<DatagramForward>(loop, spec, sockets);
}

} // namespace tsdocker
