// The forwarding thread: one epoll for every forwarded port, connection and flow of the process. It knows sockets and
// where to connect them; what is forwarded is decided in src/proxy.
//
// Everything here but Forwarder's public functions runs on that thread.
#pragma once

#include "worker.h"

#include <atomic>
#include <future>
#include <list>
#include <string_view>
#include <sys/socket.h>
#include <unordered_map>
#include <unordered_set>

namespace tsdocker {

/** Where to connect for a client. */
struct Target {
  sockaddr_storage address{};
  socklen_t length = 0;
  int protocol = 0; // IPPROTO_TCP, IPPROTO_SCTP, IPPROTO_UDP
};

struct ForwarderLimits {
  size_t connections; // of all forwards, flows included
  size_t connectionsEach;
  int64_t idleMs; // of a udp flow
};

struct ForwarderCounters {
  std::atomic<uint64_t> connections{0}; // open now
  std::atomic<uint64_t> flows{0};       // open now
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> refused{0}; // the target did not take the connection
  std::atomic<uint64_t> bytes{0};
};

class ForwardLoop;

/** Something with a descriptor in the epoll. */
class Watched {
public:
  virtual ~Watched() = default;
  virtual void onEvents(ForwardLoop &loop, uint32_t events) = 0;
};

/** An empty pipe, kept for the next one who has bytes in transit. */
struct Pipe {
  int read = -1;
  int write = -1;
  explicit operator bool() const { return read >= 0; }
};

class PipePool {
public:
  ~PipePool();
  /** False when the process has no descriptors left. */
  bool take(Pipe &pipe);
  /** `pipe` must be empty. */
  void give(Pipe &pipe);
  static void destroy(Pipe &pipe);

private:
  std::vector<Pipe> idle_;
};

/** One forwarded port. */
class Forward : public Watched {
public:
  virtual void tick(ForwardLoop &) {}
};

/** A connection that still had something to move when its turn was over. */
class Busy {
public:
  virtual ~Busy() = default;
  virtual void resume(ForwardLoop &loop) = 0;
};

/** What the thread has in hand. */
class ForwardLoop {
public:
  explicit ForwardLoop(ForwarderLimits limits, ForwarderCounters &counters);
  ~ForwardLoop();
  bool watch(int fd, Watched *watched, uint32_t events);
  void change(int fd, Watched *watched, uint32_t events);
  /** Needed before a descriptor is closed whose socket somebody else holds on to: the epoll follows the socket (epoll(7)). */
  void unwatch(int fd);
  /** Frees after the current batch of events, some of which may still name it. */
  void bury(std::unique_ptr<Watched> watched);
  void queue(Busy *busy);
  void unqueue(Busy *busy);
  /** Asks for `tick` of all forwards about ten times a second, until none wants it. */
  void wantTick() { wantTick_ = true; }
  void add(uint32_t id, std::unique_ptr<Forward> forward);
  /** Ends it at once, so never from within a batch of events. */
  void remove(uint32_t id);
  /** Waits for events once and deals with them; runs `commands` when `wake` was written to. */
  void turn(int wake, const std::function<void()> &commands);
  int64_t nowMs() const { return nowMs_; }
  bool isFull() const { return counters.connections + counters.flows >= limits.connections; }

  const ForwarderLimits limits;
  ForwarderCounters &counters;
  PipePool pipes;
  std::vector<char> scratch; // for datagrams

private:
  void tick();
  int epoll_;
  int64_t nowMs_ = 0;
  int64_t tickedMs_ = 0;
  bool wantTick_ = false;
  std::vector<Busy *> busy_;
  std::vector<std::unique_ptr<Watched>> buried_;
  std::unordered_map<uint32_t, std::unique_ptr<Forward>> forwards_;
};

/** Both take `fd` over, which is bound; the stream one listens already. */
std::unique_ptr<Forward> streamForward(ForwardLoop &loop, Fd fd, const Target &target);
std::unique_ptr<Forward> datagramForward(ForwardLoop &loop, Fd fd, const Target &target);

} // namespace tsdocker
