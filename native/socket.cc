// Sockets opened and bound in any network namespace, many at a time, handed back as file descriptors.

#include "socket.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

namespace tsdocker {
namespace {

struct Outcome {
  int fd;
  SystemError error; // when fd < 0
};

void set(int fd, int level, int name, int value, const char *words) {
  if (setsockopt(fd, level, name, &value, sizeof value) < 0) fail("setsockopt", words);
}

void setOptions(int fd, const Binding &binding) {
  const uint32_t on = binding.options;
  const bool six = binding.address.size() == 16;
  if (on & ReuseAddress) set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  if (on & ReusePort) set(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
  if (six) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, on & DualStack ? 0 : 1, "IPV6_V6ONLY");
  if (on & FreeBind) set(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_FREEBIND : IP_FREEBIND, 1, "IP_FREEBIND");
  if (on & Transparent) set(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1, "IP_TRANSPARENT");
  // as large as the link takes it, in one piece, whatever is known of the path (ip(7), IP_MTU_DISCOVER)
  if (on & PathProbe && six) set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, "IPV6_MTU_DISCOVER");
  if (on & PathProbe && !six) set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, "IP_MTU_DISCOVER");
  if (on & PacketInfo) set(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, 1, "IP_PKTINFO");
}

socklen_t fill(sockaddr_storage &storage, const Binding &binding) {
  if (binding.address.size() == 4) {
    auto *in = reinterpret_cast<sockaddr_in *>(&storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(binding.port);
    memcpy(&in->sin_addr, binding.address.data(), 4);
    return sizeof *in;
  }
  auto *in6 = reinterpret_cast<sockaddr_in6 *>(&storage);
  in6->sin6_family = AF_INET6;
  in6->sin6_port = htons(binding.port);
  in6->sin6_scope_id = binding.scope;
  memcpy(&in6->sin6_addr, binding.address.data(), 16);
  return sizeof *in6;
}

} // namespace

int openBound(const Binding &binding) {
  const int family = binding.address.size() == 4 ? AF_INET : AF_INET6;
  const int flags = SOCK_CLOEXEC | (binding.options & Blocking ? 0 : SOCK_NONBLOCK);
  Fd fd(socket(family, binding.type | flags, binding.protocol));
  if (fd.get() < 0) fail("socket");
  setOptions(fd.get(), binding);
  sockaddr_storage address{};
  const socklen_t length = fill(address, binding);
  int bound = bind(fd.get(), reinterpret_cast<sockaddr *>(&address), length);
  if (bound < 0 && errno == EADDRINUSE && binding.options & OverTimeWait) {
    set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
    bound = bind(fd.get(), reinterpret_cast<sockaddr *>(&address), length);
  }
  if (bound < 0) fail("bind");
  if (binding.backlog >= 0 && listen(fd.get(), binding.backlog) < 0) fail("listen");
  return fd.release();
}

namespace {

/** Neighbours in the list that share a namespace share one visit to it. */
std::vector<Outcome> openAll(const std::vector<Binding> &bindings) {
  std::vector<Outcome> outcomes;
  for (size_t at = 0; at < bindings.size();) {
    const size_t start = at;
    try {
      InNetns in(bindings[start].netns);
      for (; at < bindings.size() && bindings[at].netns == bindings[start].netns; at++) {
        try {
          outcomes.push_back({openBound(bindings[at]), {}});
        } catch (const SystemError &error) {
          outcomes.push_back({-1, error});
        }
      }
    } catch (const SystemError &error) { // no such namespace
      outcomes.push_back({-1, error});
      at = start + 1;
    }
  }
  return outcomes;
}

} // namespace

Binding bindingOf(const Napi::Object &object) {
  auto number = [&](const char *key) { return object.Get(key).As<Napi::Number>().Int64Value(); };
  return {
      optionalString(object.Get("netns")),
      static_cast<int>(number("type")),
      static_cast<int>(number("protocol")),
      bytesOf(object.Get("address")),
      static_cast<uint16_t>(number("port")),
      static_cast<uint32_t>(number("scope")),
      static_cast<int>(number("backlog")),
      static_cast<uint32_t>(number("options")),
  };
}

namespace {

std::vector<Binding> bindingsOf(const Napi::Array &list) {
  std::vector<Binding> bindings;
  for (uint32_t i = 0; i < list.Length(); i++) bindings.push_back(bindingOf(list.Get(i).As<Napi::Object>()));
  return bindings;
}

Napi::Value outcomesOf(Napi::Env env, const std::vector<Outcome> &outcomes) {
  auto array = Napi::Array::New(env, outcomes.size());
  for (size_t i = 0; i < outcomes.size(); i++) {
    const auto &[fd, error] = outcomes[i];
    if (fd < 0) array.Set(i, error.toJs(env));
    else array.Set(i, Napi::Number::New(env, fd));
  }
  return array;
}

// socketsBind(bindings): Promise<(fd | Error)[]>
Napi::Value socketsBind(const Napi::CallbackInfo &info) {
  auto bindings = bindingsOf(info[0].As<Napi::Array>());
  auto work = [bindings = std::move(bindings)] { return openAll(bindings); };
  return promise(info.Env(), Addon::of(info.Env()).work, work, outcomesOf);
}

// socketsBindNow(bindings): (fd | Error)[]; on the JS thread, so only in the process's own namespace
Napi::Value socketsBindNow(const Napi::CallbackInfo &info) {
  auto bindings = bindingsOf(info[0].As<Napi::Array>());
  for (const auto &binding : bindings)
    if (binding.netns) throw Napi::TypeError::New(info.Env(), "another network namespace needs socketsBind");
  return outcomesOf(info.Env(), openAll(bindings));
}

// socketAddress(fd): { address: Buffer, port: number }
Napi::Value socketAddress(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  sockaddr_storage storage{};
  now(info.Env(), [&] {
    socklen_t length = sizeof storage;
    if (getsockname(fd, reinterpret_cast<sockaddr *>(&storage), &length) < 0) fail("getsockname");
    if (storage.ss_family == AF_INET || storage.ss_family == AF_INET6) return;
    errno = EAFNOSUPPORT;
    fail("getsockname");
  });
  const bool six = storage.ss_family == AF_INET6;
  auto *in = reinterpret_cast<sockaddr_in *>(&storage);
  auto *in6 = reinterpret_cast<sockaddr_in6 *>(&storage);
  auto result = Napi::Object::New(info.Env());
  const char *bytes = six ? reinterpret_cast<char *>(&in6->sin6_addr) : reinterpret_cast<char *>(&in->sin_addr);
  result.Set("address", Napi::Buffer<char>::Copy(info.Env(), bytes, six ? 16 : 4));
  result.Set("port", Napi::Number::New(info.Env(), ntohs(six ? in6->sin6_port : in->sin_port)));
  return result;
}

} // namespace

void initSocket(Napi::Env env, Napi::Object exports) {
  exports.Set("socketsBind", Napi::Function::New(env, socketsBind));
  exports.Set("socketsBindNow", Napi::Function::New(env, socketsBindNow));
  exports.Set("socketAddress", Napi::Function::New(env, socketAddress));
}

} // namespace tsdocker
