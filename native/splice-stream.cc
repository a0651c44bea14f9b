// Forwarded tcp (and sctp) ports: they accept, within limits, and each connection does the rest.

#include "splice-connection.h"

#include <cerrno>
#include <netinet/in.h>
#include <unistd.h>
#include <unordered_set>

namespace tsdocker {
namespace {

constexpr int acceptsPerTurn = 64;

class StreamForward : public Forward, public ConnectionOwner {
public:
  StreamForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets)
      : Forward(loop, spec.id, spec.parked, sockets), target_(spec.target) {}
  void serve(ForwardLoop &loop, Port &port) override;
  void tick(ForwardLoop &loop) override;
  void forget(ForwardLoop &loop, Connection *connection) override;

protected:
  void endTraffic(uint16_t first, uint16_t end) override;
  void quiet(int socket) override;

private:
  void accept(ForwardLoop &loop, Port &port, int client);
  void pause(ForwardLoop &loop, Port &port);
  Target target_;
  std::vector<uint16_t> paused_;
  std::unordered_set<Connection *> young_; // not kept alive yet: most end before it would matter
  std::unordered_map<Connection *, std::unique_ptr<Connection>> connections_;
};

void StreamForward::endTraffic(uint16_t first, uint16_t end) {
  std::erase_if(young_, [&](const auto *connection) { return connection->port >= first && connection->port < end; });
  std::erase_if(connections_, [&](const auto &entry) { return entry.first->port >= first && entry.first->port < end; });
}

/** It stays bound and listens no more; forwarderAdd made it share its port, which only a listener keeps to itself. */
void StreamForward::quiet(int socket) {
  const int off = 0;
  shutdown(socket, SHUT_RDWR);
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off);
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
  young_.insert(connection);
  loop.wantTick();
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
  for (auto *connection : std::exchange(young_, {})) connection->keepAlive();
}

void StreamForward::forget(ForwardLoop &loop, Connection *connection) {
  auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  loop.unqueue(connection);
  young_.erase(connection);
  loop.bury(std::move(found->second));
  connections_.erase(found);
}

} // namespace

std::unique_ptr<Forward> streamForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets) {
  return std::make_unique<StreamForward>(loop, spec, sockets);
}

} // namespace tsdocker
