// Netlink sockets: open one in a network namespace, exchange bytes on the netlink threads, receive events.
// Of the messages only nlmsghdr is read, and of that only whether an exchange has come to its end.

#include "worker.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tsdocker {
namespace {

/** A namespace file to open for one exchange; its fd number is written at `offset` of the message. */
struct FdPatch {
  size_t offset;
  std::string path;
};

struct Exchange {
  int fd;
  std::string bytes;
  uint32_t lastSequence;
  std::vector<FdPatch> patches;
};

int openSocket(int protocol, const std::optional<std::string> &netns, const std::vector<int> &groups) {
  InNetns in(netns);
  Fd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (fd.get() < 0) fail("socket", "netlink " + std::to_string(protocol));
  const int on = 1;
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  if (protocol == NETLINK_ROUTE) setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  // Limits, not allocations: room for the acknowledgements of thousands of requests and for bursts of events.
  const int size = 16 << 20;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) < 0) fail("bind", "netlink");
  for (int group : groups)
    if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
      fail("setsockopt", "netlink group " + std::to_string(group));
  return fd.release();
}

/** Appends one datagram from the kernel to `into`; false when none waits. */
bool receive(int fd, std::string &into) {
  for (;;) {
    ssize_t size = recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return false;
    if (size < 0) fail("recv", "netlink");
    const size_t at = into.size();
    into.resize(at + NLMSG_ALIGN(size));
    sockaddr_nl sender{};
    socklen_t length = sizeof sender;
    ssize_t got = recvfrom(fd, into.data() + at, size, MSG_DONTWAIT, reinterpret_cast<sockaddr *>(&sender), &length);
    into.resize(at + (got > 0 && sender.nl_pid == 0 ? NLMSG_ALIGN(got) : 0)); // only the kernel is heard
    if (got < 0 && errno != EINTR && errno != EAGAIN) fail("recv", "netlink");
    if (got >= 0) return true;
  }
}

/** Whether the bytes from `at` on hold the acknowledgement, error or end of dump of request `sequence`. */
bool completes(const std::string &bytes, size_t at, uint32_t sequence) {
  while (at + sizeof(nlmsghdr) <= bytes.size()) {
    nlmsghdr header;
    memcpy(&header, bytes.data() + at, sizeof header);
    if (header.nlmsg_len < sizeof header) return false;
    if (header.nlmsg_seq == sequence && (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE)) return true;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return false;
}

/** Takes all that waits: what a broken-off exchange left behind, events that are no use any more. */
void discard(int fd) {
  char byte;
  while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno == EINTR || errno == ENOBUFS) {
  }
}

void send(int fd, const std::string &bytes) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  while (sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr *>(&kernel), sizeof kernel) < 0)
    if (errno != EINTR) fail("send", "netlink");
}

/** The kernel answers before send returns and goes on with a dump whenever a part of it is read: a read that finds
 *  nothing is the end, so nothing here ever waits. */
std::string exchange(Exchange request) {
  std::vector<Fd> opened;
  for (const auto &patch : request.patches) {
    opened.emplace_back(open(patch.path.c_str(), O_RDONLY | O_CLOEXEC));
    const int fd = opened.back().get();
    if (fd < 0) fail("open", patch.path);
    memcpy(request.bytes.data() + patch.offset, &fd, sizeof fd);
  }
  discard(request.fd);
  send(request.fd, request.bytes);
  std::string answer;
  try {
    for (size_t at = 0; receive(request.fd, answer); at = answer.size())
      if (completes(answer, at, request.lastSequence)) break;
  } catch (const SystemError &) {
    discard(request.fd);
    throw;
  }
  return answer;
}

Napi::Value bufferOf(Napi::Env env, const std::string &bytes) {
  return Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size());
}

/** What is asked of one socket, in order. */
Line lineOf(const Napi::CallbackInfo &info, int fd) { return {Addon::of(info.Env()).netlink, fd}; }

// netlinkOpen(protocol, netns | undefined, groups): Promise<fd>
Napi::Value netlinkOpen(const Napi::CallbackInfo &info) {
  const int protocol = info[0].As<Napi::Number>().Int32Value();
  auto netns = optionalString(info[1]);
  auto list = info[2].As<Napi::Array>();
  std::vector<int> groups;
  for (uint32_t i = 0; i < list.Length(); i++) groups.push_back(list.Get(i).As<Napi::Number>().Int32Value());
  auto &addon = Addon::of(info.Env());
  const int nobodys = --addon.lastOpening; // below 0: a line that no socket has
  return promise(info.Env(), lineOf(info, nobodys), [=] { return openSocket(protocol, netns, groups); }, numberOf);
}

// netlinkExchange(fd, bytes, lastSequence, [offset, path, …]): Promise<Buffer>
Napi::Value netlinkExchange(const Napi::CallbackInfo &info) {
  Exchange request{info[0].As<Napi::Number>().Int32Value(), bytesOf(info[1]), info[2].As<Napi::Number>().Uint32Value(), {}};
  auto list = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i + 1 < list.Length(); i += 2) {
    const size_t offset = list.Get(i).As<Napi::Number>().Uint32Value();
    if (offset + sizeof(int) > request.bytes.size()) throw Napi::RangeError::New(info.Env(), "fd offset outside the message");
    request.patches.push_back({offset, list.Get(i + 1).As<Napi::String>().Utf8Value()});
  }
  const Line line = lineOf(info, request.fd);
  return promise(info.Env(), line, [request = std::move(request)] { return exchange(request); }, bufferOf);
}

// netlinkClose(fd): Promise<void>; after every exchange that was asked for before
Napi::Value netlinkClose(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  auto work = [fd] {
    close(fd);
    return Nothing{};
  };
  return promise(info.Env(), lineOf(info, fd), work, undefinedOf);
}

// netlinkReceive(fd): Buffer | undefined; some waiting datagrams, without blocking. Throws ENOBUFS when events were lost
Napi::Value netlinkReceive(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  auto bytes = now(info.Env(), [fd] {
    std::string bytes;
    try {
      for (int i = 0; i < 64 && receive(fd, bytes); i++) {
      }
    } catch (const SystemError &) {
      // Once events were lost the kernel sends no more until all that wait are read: only then is it worth looking again.
      discard(fd);
      throw;
    }
    return bytes;
  });
  return bytes.empty() ? info.Env().Undefined() : bufferOf(info.Env(), bytes);
}

} // namespace

void initNetlink(Napi::Env env, Napi::Object exports) {
  exports.Set("netlinkOpen", Napi::Function::New(env, netlinkOpen));
  exports.Set("netlinkExchange", Napi::Function::New(env, netlinkExchange));
  exports.Set("netlinkClose", Napi::Function::New(env, netlinkClose));
  exports.Set("netlinkReceive", Napi::Function::New(env, netlinkReceive));
}

} // namespace tsdocker
