// A forwarded connection. Few bytes are copied from socket to socket; many are moved by splice(2) through a pipe that
// the connection holds only while some are in transit, so that an idle one costs two descriptors and no buffer.

#include "splice-connection.h"

#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace tsdocker {
namespace {

constexpr size_t few = 8192;     // cheaper to copy than to splice, and fits into any pipe (two pages, pipe(7))
constexpr size_t many = 1 << 20; // at a time, by splice
constexpr size_t turnBytes = 4 << 20; // what one direction may move before others have their turn
constexpr uint32_t edges = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
// after the last byte comes the end; before a mark of urgent data a read stops short
constexpr uint32_t readsOn = EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

void setInt(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

/** Options of a socket towards a container. */
void tuneTcp(int fd) {
  setInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  setInt(fd, IPPROTO_TCP, TCP_SYNCNT, 4); // gives up after half a minute
  // There is no network between us and a container to be careful with: above all nothing to be paced (bbr), since the
  // timers of that cost as much as the bytes. Every kernel has this one, and every user may have it.
  setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

} // namespace

void Side::onEvents(ForwardLoop &loop, uint32_t events) { connection->onSide(loop, *this, events); }

Connection::Connection(ForwardLoop &loop, ConnectionOwner &owner, int client, uint16_t port) : port(port), loop_(loop), owner_(owner) {
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
  const bool isTcp = target.protocol == IPPROTO_TCP; // a read of sctp brings one message, and others may wait
  client_.isShortLast = server_.isShortLast = isTcp;
  if (isTcp) tuneTcp(server_.fd);
  if (!begin(loop, target)) return false;
  return loop.watch(server_.fd, &server_, edges) && loop.watch(client_.fd, &client_, edges);
}

/** What a client has said already goes along with the acknowledgement that completes the connection (tcp(7), QUICKACK). */
bool Connection::begin(ForwardLoop &loop, const Target &target) {
  char bytes[few];
  const ssize_t size = target.protocol == IPPROTO_TCP ? recv(client_.fd, bytes, few, MSG_DONTWAIT) : 0;
  if (size > 0) setInt(server_.fd, IPPROTO_TCP, TCP_QUICKACK, 0);
  const int done = ::connect(server_.fd, reinterpret_cast<const sockaddr *>(&target.address), target.length);
  if (done < 0 && errno != EINPROGRESS) return false;
  server_.isWritable = true; // on a local link it is, unless the kernel says otherwise
  if (size <= 0) return true;
  if (!put(loop, up_, bytes, size)) return false;
  loop.counters.bytes += size;
  isConnecting_ = up_.held > 0; // what it has taken it has taken as our peer
  return true;
}

void Connection::keepAlive() {
  for (int fd : {client_.fd, server_.fd}) {
    setInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    setInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15); // refused by sctp, which has a heartbeat of its own
    setInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  }
}

void Connection::onSide(ForwardLoop &loop, Side &side, uint32_t events) {
  if (client_.fd < 0) return; // ended earlier in this batch
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) side.isReadable = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) side.isWritable = true;
  if (events & readsOn) side.isShortLast = false;
  if (isConnecting_) {
    if (events & EPOLLERR || (&side == &client_ && events & EPOLLHUP)) {
      if (&side == &server_) loop.counters.refused++;
      return end(loop, true);
    }
    if (&side == &client_ || !(events & EPOLLOUT)) return;
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
    const Outcome drained = drain(direction);
    if (drained != Outcome::HasMore) return drained;
    const Outcome filled = fill(loop, direction, moved);
    if (filled == Outcome::HasMore) continue;
    if (direction.pipe && direction.held == 0) loop.pipes.give(direction.pipe);
    return filled;
  }
  return Outcome::HasMore;
}

/** Takes bytes from the socket. */
Outcome Connection::fill(ForwardLoop &loop, Direction &direction, size_t &moved) {
  auto &[from, to, pipe, held, isBulk, hasEnded] = direction;
  if (!from.isReadable) return Outcome::Waits;
  const ssize_t size = isBulk ? splice(loop, direction) : copy(loop, direction);
  if (size < 0 && errno != EAGAIN) return Outcome::Broke;
  if (size <= 0) {
    from.isReadable = false;
    if (size == 0) endOf(direction);
    return Outcome::Waits;
  }
  const bool isShort = static_cast<size_t>(size) < few;
  if (isShort && !isBulk && from.isShortLast) from.isReadable = false;
  isBulk = !isShort;
  moved += size;
  loop.counters.bytes += size;
  return Outcome::HasMore;
}

/** Few bytes from socket to socket. How many, or as recv(2). */
ssize_t Connection::copy(ForwardLoop &loop, Direction &direction) {
  char bytes[few];
  const ssize_t size = recv(direction.from.fd, bytes, few, MSG_DONTWAIT);
  if (size <= 0 || put(loop, direction, bytes, size)) return size;
  errno = EPIPE; // whatever it was, it is not the sender who has to wait
  return -1;
}

/** Many bytes into the empty pipe. How many, or as splice(2). */
ssize_t Connection::splice(ForwardLoop &loop, Direction &direction) {
  auto &[from, to, pipe, held, isBulk, hasEnded] = direction;
  if (!pipe && !loop.pipes.take(pipe)) return -1;
  ssize_t size;
  do size = ::splice(from.fd, nullptr, pipe.write, nullptr, many, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (size < 0 && errno == EINTR);
  if (size > 0) {
    held = size;
    loop.hasMovedMuch = true;
  }
  return size;
}

/** Sends few bytes; those that there is no room for wait in the empty pipe. False when it can't be. */
bool Connection::put(ForwardLoop &loop, Direction &direction, const char *bytes, size_t size) {
  auto &[from, to, pipe, held, isBulk, hasEnded] = direction;
  size_t sent = 0;
  while (sent < size && to.isWritable) {
    const ssize_t part = send(to.fd, bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (part >= 0) sent += part;
    else if (errno == EAGAIN) to.isWritable = false;
    else if (errno != EINTR) return false;
  }
  if (sent == size) return true;
  if (!pipe && !loop.pipes.take(pipe)) return false;
  held = size - sent;
  return write(pipe.write, bytes + sent, held) == static_cast<ssize_t>(held);
}

/** Bytes from the pipe into the socket. */
Outcome Connection::drain(Direction &direction) {
  auto &[from, to, pipe, held, isBulk, hasEnded] = direction;
  while (held > 0) {
    if (!to.isWritable) return Outcome::Waits;
    const ssize_t size = ::splice(pipe.read, nullptr, to.fd, nullptr, held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (size > 0) held -= size;
    else if (size < 0 && errno == EAGAIN) to.isWritable = false;
    else if (size == 0 || errno != EINTR) return Outcome::Broke;
  }
  return Outcome::HasMore;
}

void Connection::endOf(Direction &direction) {
  direction.hasEnded = true;
  if (!up_.hasEnded || !down_.hasEnded) shutdown(direction.to.fd, SHUT_WR); // else the close says it
}

void Connection::end(ForwardLoop &loop, bool isReset) {
  closeBoth(isReset);
  owner_.forget(loop, this);
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

} // namespace tsdocker
