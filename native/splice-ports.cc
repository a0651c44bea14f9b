// Rows of forwarded ports: their sockets in the epoll and, while they have something to do, in the descriptor table.

#include "parked.h"
#include "splice.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace tsdocker {
namespace {

constexpr size_t mostOpen = 256; // ports with a descriptor at a time

// Events of ports name them by number, not by pointer: a socket that could not be taken out of the epoll hurts nobody.
constexpr uint64_t portTag = 1ULL << 63;
uint64_t tagOf(uint32_t forward, const Port &port) { return portTag | uint64_t(forward) << 16 | port.at; }

} // namespace

Target Target::plus(uint16_t offset) const {
  Target target = *this;
  // at the same place in sockaddr_in and sockaddr_in6
  auto &port = reinterpret_cast<sockaddr_in *>(&target.address)->sin_port;
  port = htons(ntohs(port) + offset);
  return target;
}

Forward::Forward(ForwardLoop &loop, uint32_t id, const Parked &parked, const std::vector<Fd> &sockets)
    : ports_(sockets.size()), left_(sockets.size()) {
  for (uint16_t at = 0; at < sockets.size(); at++) {
    ports_[at].forward = this;
    ports_[at].at = at;
  }
  repark(0, sockets.size(), parked);
  for (uint16_t at = 0; at < sockets.size(); at++) loop.watchPort(id, ports_[at], sockets[at].get());
}

void Forward::repark(uint16_t first, uint16_t count, const Parked &parked) {
  for (uint16_t i = 0; i < count && first + i < ports_.size(); i++) {
    ports_[first + i].parked = parked.fd;
    ports_[first + i].place = parked.skip + i * parked.stride;
  }
}

bool Forward::remove(ForwardLoop &loop, uint16_t first, uint16_t count) {
  const uint16_t end = std::min<size_t>(ports_.size(), size_t(first) + count);
  int batch = -1;
  std::vector<Fd> sockets;
  for (uint16_t at = first; at < end; at++) {
    Port &port = ports_[at];
    if (!port.forward) continue;
    if (port.parked != batch) {
      batch = port.parked;
      try {
        sockets = peekParked(batch);
      } catch (const SystemError &) {
        sockets.clear(); // no descriptors left: it stays in the epoll, where its number means nobody
      }
    }
    if (port.place < sockets.size()) {
      loop.unwatchPort(sockets[port.place].get());
      quiet(sockets[port.place].get());
    }
    loop.unqueue(&port);
    loop.cool(port);
    port.forward = nullptr;
    left_--;
  }
  endTraffic(first, end);
  return left_ > 0;
}

void Port::resume(ForwardLoop &loop) {
  if (forward) forward->serve(loop, *this);
}

void ForwardLoop::watchPort(uint32_t forward, const Port &port, int socket) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = tagOf(forward, port);
  dup3(socket, slot_.get(), O_CLOEXEC);
  epoll_ctl(epoll_, EPOLL_CTL_ADD, slot_.get(), &event);
  dup3(epoll_, slot_.get(), O_CLOEXEC); // which keeps the number ours, and the socket closable
}

void ForwardLoop::unwatchPort(int socket) {
  dup3(socket, slot_.get(), O_CLOEXEC);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, slot_.get(), nullptr);
  dup3(epoll_, slot_.get(), O_CLOEXEC);
}

int ForwardLoop::open(Port &port) {
  if (port.fd >= 0) {
    open_.splice(open_.end(), open_, port.use);
    return port.fd;
  }
  if (open_.size() >= mostOpen) cool(*open_.front());
  try {
    port.fd = peekParkedOne(port.parked, port.place).release();
  } catch (const SystemError &) {
    return -1;
  }
  port.use = open_.insert(open_.end(), &port);
  return port.fd;
}

void ForwardLoop::cool(Port &port) {
  if (port.fd < 0) return;
  open_.erase(port.use);
  close(std::exchange(port.fd, -1));
}

void ForwardLoop::onPort(uint64_t tag) {
  auto found = forwards_.find(tag >> 16 & 0xffffffff);
  if (found == forwards_.end()) return;
  if (Port *port = found->second->portAt(tag & 0xffff)) found->second->serve(*this, *port);
}

} // namespace tsdocker
