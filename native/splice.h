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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unordered_map>
#include <unordered_set>

namespace tsdocker {

/** Where to connect for a client. */
struct Target {
  sockaddr_storage address{};
  socklen_t length = 0;
  int protocol = 0; // IPPROTO_TCP, IPPROTO_SCTP, IPPROTO_UDP
  /** The same address, `offset` ports further. */
  Target plus(uint16_t offset) const;
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

/** Someone who still had something to do when his turn was over. */
class Busy {
public:
  virtual ~Busy() = default;
  virtual void resume(ForwardLoop &loop) = 0;
};

class Forward;

/**
 * One forwarded port. Its socket is parked, and watched all the same: an epoll follows the open socket and not the
 * descriptor (epoll(7)). Only a port that has something to do takes a descriptor, and the least used one gives it back.
 */
struct Port : Busy {
  Forward *forward = nullptr; // null: removed
  uint16_t at = 0;            // its place in the forward
  uint16_t place = 0;         // its socket's in the batch
  int parked = -1;            // the batch, which is not ours
  int fd = -1;
  bool isPaused = false;
  std::list<Port *>::iterator use; // in the loop's order, while `fd` is open
  void resume(ForwardLoop &loop) override;
};

/** Where sockets are: every `stride`th of a batch from `skip` on. */
struct Parked {
  int fd;
  uint16_t skip;
  uint16_t stride;
};

/** Forwarded ports in a row, each leading to the port of the target that has its place. */
class Forward {
public:
  /** `sockets`: copies, in the order of the ports, needed until this returns. */
  Forward(ForwardLoop &loop, uint32_t id, const Parked &parked, const std::vector<Fd> &sockets);
  virtual ~Forward() = default;
  /** Its socket may have something for us. */
  virtual void serve(ForwardLoop &loop, Port &port) = 0;
  virtual void tick(ForwardLoop &) {}
  /** Ends the ports and what came in by them. False when none is left. */
  bool remove(ForwardLoop &loop, uint16_t first, uint16_t count);
  /** The sockets are in this batch from now on. */
  void repark(uint16_t first, uint16_t count, const Parked &parked);
  Port *portAt(uint16_t at) { return at < ports_.size() && ports_[at].forward ? &ports_[at] : nullptr; }

protected:
  /** Ends what came in by the ports of `first` to before `end`. */
  virtual void endTraffic(uint16_t first, uint16_t end) = 0;
  /** Whoever reserved the port may hold the socket on: it shall take nothing in any more. */
  virtual void quiet(int socket) = 0;
  std::vector<Port> ports_; // never resized: others point into it

private:
  size_t left_;
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
  /** Watches the socket of a port, edge-triggered, for as long as it is open anywhere. */
  void watchPort(uint32_t forward, const Port &port, int socket);
  void unwatchPort(int socket);
  /** A descriptor of the port's socket, good until the next call for another port; -1 when there are none left. */
  int open(Port &port);
  /** Gives the descriptor back. */
  void cool(Port &port);
  void add(uint32_t id, std::unique_ptr<Forward> forward);
  /** Ends ports at once, so never from within a batch of events. */
  void remove(uint32_t id, uint16_t first, uint16_t count);
  void repark(uint32_t id, uint16_t first, uint16_t count, const Parked &parked);
  /** Waits for events once and deals with them; runs `commands` when `wake` was written to. */
  void turn(int wake, const std::function<void()> &commands);
  int64_t nowMs() const { return nowMs_; }
  bool isFull() const { return counters.connections + counters.flows >= limits.connections; }

  const ForwarderLimits limits;
  ForwarderCounters &counters;
  PipePool pipes;
  std::vector<char> scratch; // for datagrams
  bool hasMovedMuch = false; // in this turn

private:
  void tick();
  int wait(epoll_event *events, int most, int timeout);
  void onPort(uint64_t tag);
  int epoll_;
  Fd slot_; // the number under which parked sockets are known to the epoll, whose keys are socket and number
  std::list<Port *> open_; // least recently used first
  int64_t nowMs_ = 0;
  int64_t tickedMs_ = 0;
  bool wantTick_ = false;
  std::vector<Busy *> busy_;
  std::vector<std::unique_ptr<Watched>> buried_;
  std::unordered_map<uint32_t, std::unique_ptr<Forward>> forwards_;
};

/** The sockets are bound; those of streams listen already. */
struct ForwardSpec {
  uint32_t id;
  Parked parked;
  Target target;
};
std::unique_ptr<Forward> streamForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets);
std::unique_ptr<Forward> datagramForward(ForwardLoop &loop, const ForwardSpec &spec, const std::vector<Fd> &sockets);

} // namespace tsdocker
