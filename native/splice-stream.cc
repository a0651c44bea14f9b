// Forwarded tcp (and sctp) ports: each connection's bytes are moved by splice(2) through a pipe that it holds only
// while some are in transit, so that an idle connection costs two descriptors and no buffer.

#include "splice.h"

#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace tsdocker {
namespace {

constexpr size_t chunk = 1 << 20;
constexpr size_t turnBytes = 4 << 20; // what one direction may move before others have their turn
constexpr int acceptsPerTurn = 64;
constexpr uint32_t edges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

void setInt(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

} // namespace

/** No delay, and a peer that vanished is noticed. */
void tune(int fd, int protocol) {
  setInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (protocol != IPPROTO_TCP) return;
  setInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  setInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);
  setInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
}

namespace {

class StreamForward;

/** One end of a connection. Readiness is edge-triggered: kept here until a call says EAGAIN. */
struct Side : Watched {
  class Connection *connection = nullptr;
  int fd = -1;
  bool isReadable = false;
  bool isWritable = false;
  void onEvents(ForwardLoop &loop, uint32_t events) override;
};

struct Direction {
  Side &from;
  Side &to;
  Pipe pipe{};
  size_t held = 0; // bytes in the pipe
  bool hasEnded = false;
};

enum class Outcome { Waits, HasMore, Broke };

class Connection : public Watched, public Busy {
public:
  Connection(ForwardLoop &loop, StreamForward &forward, int client, uint16_t port);
  ~Connection() override;
  /** False when it could not even be begun. */
  bool connect(ForwardLoop &loop, const Target &target);
  void onEvents(ForwardLoop &, uint32_t) override {}
  void onSide(ForwardLoop &loop, Side &side, uint32_t events);
  void resume(ForwardLoop &loop) override { pumpBoth(loop); }
  const uint16_t port; // the place of the one it came in by

private:
  void pumpBoth(ForwardLoop &loop);
  Outcome pump(ForwardLoop &loop, Direction &direction);
  Outcome fill(ForwardLoop &loop, Direction &direction);
  Outcome drain(ForwardLoop &loop, Direction &direction);
  void end(ForwardLoop &loop, bool isReset);
  void closeBoth(bool isReset);
  ForwardLoop &loop_;
  StreamForward &forward_;
  Side client_;
  Side server_;
  Direction up_{client_, server_};
  Direction down_{server_, client_};
  bool isConnecting_ = true;
};

class StreamForward : public Forward {
public:
  StreamForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets)
      : Forward(loop, spec.id, spec.parked, sockets), target_(spec.target) {}
  void serve(ForwardLoop &loop, Port &port) override;
  void tick(ForwardLoop &loop) override;
  void forget(ForwardLoop &loop, Connection *connection);

protected:
  void endTraffic(uint16_t first, uint16_t end) override;
  void quiet(int socket) override;

private:
  void accept(ForwardLoop &loop, Port &port, int client);
  void pause(ForwardLoop &loop, Port &port);
  Target target_;
  std::vector<uint16_t> paused_;
  std::unordered_map<Connection *, std::unique_ptr<Connection>> connections_;
};

void Side::onEvents(ForwardLoop &loop, uint32_t events) { connection->onSide(loop, *this, events); }

Connection::Connection(ForwardLoop &loop, StreamForward &forward, int client, uint16_t port) : port(port), loop_(loop), forward_(forward) {
  client_.connection = server_.connection = this;
  client_.fd = client;
  loop.counters.connections++;
}

Connection::~Connection() {
  loop_.unqueue(this);
  for (auto *direction : {&up_, &down_}) PipePool::destroy(direction->pipe);
  closeBoth(true);
  loop_.counters.connections--;
}

bool Connection::connect(ForwardLoop &loop, const Target &target) {
  server_.fd = socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, target.protocol);
  if (server_.fd < 0) return false;
  tune(server_.fd, target.protocol);
  if (target.protocol == IPPROTO_TCP) setInt(server_.fd, IPPROTO_TCP, TCP_SYNCNT, 4); // gives up after half a minute
  const int done = ::connect(server_.fd, reinterpret_cast<const sockaddr *>(&target.address), target.length);
  if (done < 0 && errno != EINPROGRESS) return false;
  return loop.watch(server_.fd, &server_, edges) && loop.watch(client_.fd, &client_, edges);
}

void Connection::onSide(ForwardLoop &loop, Side &side, uint32_t events) {
  if (client_.fd < 0) return; // ended earlier in this batch
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) side.isReadable = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) side.isWritable = true;
  if (isConnecting_) {
    if (&side == &client_) {
      if (events & (EPOLLERR | EPOLLHUP)) end(loop, true);
      return;
    }
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(side.fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      loop.counters.refused++;
      return end(loop, true);
    }
    if (!side.isWritable) return;
    isConnecting_ = false;
  }
  pumpBoth(loop);
}

void Connection::pumpBoth(ForwardLoop &loop) {
  const Outcome up = pump(loop, up_);
  const Outcome down = up == Outcome::Broke ? up : pump(loop, down_);
  if (down == Outcome::Broke) return end(loop, true);
  if (up_.hasEnded && down_.hasEnded) return end(loop, false);
  if (up == Outcome::HasMore || down == Outcome::HasMore) loop.queue(this);
}

/** Moves what there is, for one turn. A direction that has ended has handed its end on. */
Outcome Connection::pump(ForwardLoop &loop, Direction &direction) {
  if (direction.hasEnded) return Outcome::Waits;
  for (size_t moved = 0; moved < turnBytes;) {
    if (direction.held == 0) {
      const Outcome filled = fill(loop, direction);
      if (filled != Outcome::HasMore) return filled;
      moved += direction.held;
    }
    const Outcome drained = drain(loop, direction);
    if (drained != Outcome::HasMore) return drained;
  }
  return Outcome::HasMore;
}

/** Bytes from the socket into the empty pipe. */
Outcome Connection::fill(ForwardLoop &loop, Direction &direction) {
  Outcome outcome = Outcome::Waits;
  if (direction.from.isReadable) {
    if (!direction.pipe && !loop.pipes.take(direction.pipe)) return Outcome::Broke;
    ssize_t size;
    do size = splice(direction.from.fd, nullptr, direction.pipe.write, nullptr, chunk, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (size < 0 && errno == EINTR);
    if (size > 0) {
      direction.held = size;
      loop.counters.bytes += size;
      return Outcome::HasMore;
    }
    if (size < 0 && errno != EAGAIN) return Outcome::Broke;
    direction.from.isReadable = false;
    if (size == 0) {
      direction.hasEnded = true;
      if (!up_.hasEnded || !down_.hasEnded) shutdown(direction.to.fd, SHUT_WR); // else the close says it
    }
  }
  if (direction.pipe) loop.pipes.give(direction.pipe);
  return outcome;
}

/** Bytes from the pipe into the socket. */
Outcome Connection::drain(ForwardLoop &, Direction &direction) {
  while (direction.held > 0) {
    if (!direction.to.isWritable) return Outcome::Waits;
    const ssize_t size = splice(direction.pipe.read, nullptr, direction.to.fd, nullptr, direction.held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (size > 0) direction.held -= size;
    else if (size < 0 && errno == EAGAIN) direction.to.isWritable = false;
    else if (size == 0 || errno != EINTR) return Outcome::Broke;
  }
  return Outcome::HasMore;
}

void Connection::end(ForwardLoop &loop, bool isReset) {
  closeBoth(isReset);
  forward_.forget(loop, this);
}

/** `isReset`: the peers learn that the connection broke, not that it is complete. */
void Connection::closeBoth(bool isReset) {
  const linger now{1, 0};
  for (auto *side : {&client_, &server_}) {
    if (side->fd < 0) continue;
    if (isReset) setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(std::exchange(side->fd, -1));
  }
}

void StreamForward::endTraffic(uint16_t first, uint16_t end) {
  std::erase_if(connections_, [&](const auto &entry) { return entry.first->port >= first && entry.first->port < end; });
}

/** It stays bound and listens no more; forwarderAdd made it share its port, which only a listener keeps to itself. */
void StreamForward::quiet(int socket) {
  shutdown(socket, SHUT_RDWR);
  setInt(socket, SOL_SOCKET, SO_REUSEADDR, 0);
}

void StreamForward::serve(ForwardLoop &loop, Port &port) {
  for (int i = 0; i < acceptsPerTurn; i++) {
    if (loop.isFull() || connections_.size() >= loop.limits.connectionsEach) return pause(loop, port);
    const int listener = loop.open(port);
    if (listener < 0) return pause(loop, port);
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client >= 0) {
      accept(loop, port, client);
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM || errno == EINVAL) return pause(loop, port);
    // everything else is the trouble of the one connection (accept(2), "error handling")
  }
  loop.queue(&port); // its edge has been seen: nobody will tell of those who wait
}

void StreamForward::accept(ForwardLoop &loop, Port &port, int client) {
  loop.counters.accepted++;
  auto owned = std::make_unique<Connection>(loop, *this, client, port.at);
  Connection *connection = owned.get();
  connections_[connection] = std::move(owned);
  if (connection->connect(loop, target_.plus(port.at))) return;
  loop.counters.refused++;
  forget(loop, connection);
}

/** Clients wait in the kernel's backlog until a tick finds room again. */
void StreamForward::pause(ForwardLoop &loop, Port &port) {
  if (!port.isPaused) paused_.push_back(port.at);
  port.isPaused = true;
  loop.wantTick();
}

void StreamForward::tick(ForwardLoop &loop) {
  for (uint16_t at : std::exchange(paused_, {})) {
    ports_[at].isPaused = false;
    if (Port *port = portAt(at)) serve(loop, *port);
  }
}

void StreamForward::forget(ForwardLoop &loop, Connection *connection) {
  auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  loop.unqueue(connection);
  loop.bury(std::move(found->second));
  connections_.erase(found);
}

} // namespace

std::unique_ptr<Forward> streamForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets) {
  return std::make_unique<StreamForward>(loop, spec, sockets);
}

} // namespace tsdocker
