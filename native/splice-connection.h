// One forwarded connection (tcp, sctp): two sockets, and what is on its way from one to the other.
#pragma once

#include "splice.h"

namespace tsdocker {

class Connection;

/** One end. Readiness is edge-triggered: kept here until a call says that there is no more. */
struct Side : Watched {
  Connection *connection = nullptr;
  int fd = -1;
  bool isReadable = false;
  bool isWritable = false;
  bool isShortLast = false; // a read that brings less than there was room for has brought all (epoll(7))
  void onEvents(ForwardLoop &loop, uint32_t events) override;
};

struct Direction {
  Side &from;
  Side &to;
  Pipe pipe{};
  size_t held = 0;     // bytes in the pipe
  bool isBulk = false; // the last read filled all the room there was
  bool hasEnded = false;
};

enum class Outcome { Waits, HasMore, Broke };

/** Whoever accepted it. */
class ConnectionOwner {
public:
  virtual ~ConnectionOwner() = default;
  /** It has ended. */
  virtual void forget(ForwardLoop &loop, Connection *connection) = 0;
};

class Connection : public Watched, public Busy {
public:
  /** Takes `client`, which came in by the port of that place. */
  Connection(ForwardLoop &loop, ConnectionOwner &owner, int client, uint16_t port);
  ~Connection() override;
  /** False when it could not even be begun. */
  bool connect(ForwardLoop &loop, const Target &target);
  /** A peer that vanished is noticed from now on. */
  void keepAlive();
  void onEvents(ForwardLoop &, uint32_t) override {}
  void onSide(ForwardLoop &loop, Side &side, uint32_t events);
  void resume(ForwardLoop &loop) override { pumpBoth(loop); }
  const uint16_t port;

private:
  bool begin(ForwardLoop &loop, const Target &target);
  void pumpBoth(ForwardLoop &loop);
  Outcome pump(ForwardLoop &loop, Direction &direction);
  Outcome fill(ForwardLoop &loop, Direction &direction, size_t &moved);
  ssize_t copy(ForwardLoop &loop, Direction &direction);
  ssize_t splice(ForwardLoop &loop, Direction &direction);
  bool put(ForwardLoop &loop, Direction &direction, const char *bytes, size_t size);
  Outcome drain(Direction &direction);
  void endOf(Direction &direction);
  void end(ForwardLoop &loop, bool isReset);
  void closeBoth(bool isReset);
  ForwardLoop &loop_;
  ConnectionOwner &owner_;
  Side client_;
  Side server_;
  Direction up_{client_, server_};
  Direction down_{server_, client_};
  bool isConnecting_ = true;
};

} // namespace tsdocker
