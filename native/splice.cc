// The forwarding thread, and the way to it from JavaScript.

#include "parked.h"
#include "splice.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

namespace tsdocker {
/** The JS side's handle on the thread. */
class Forwarder {
public:
  Forwarder(ForwarderLimits limits, const std::optional<std::string> &netns);
  ~Forwarder();
  void post(std::function<void(ForwardLoop &)> command);
  /** Returns when everything posted so far was done. */
  void settle();

  ForwarderCounters counters;

private:
  void run(ForwardLoop &loop);
  void wake();
  std::unique_ptr<ForwardLoop> loop_;
  Fd wake_;
  std::mutex mutex_;
  std::vector<std::function<void(ForwardLoop &)>> commands_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

Forwarder::Forwarder(ForwarderLimits limits, const std::optional<std::string> &netns)
    : loop_(std::make_unique<ForwardLoop>(limits, counters)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_.get() < 0) fail("eventfd");
  if (!loop_->watch(wake_.get(), nullptr, EPOLLIN)) fail("epoll_ctl");
  auto started = std::make_shared<std::promise<int>>(); // shared: either side may be the last to touch it
  thread_ = std::thread([this, netns, started] {
    pthread_setname_np(pthread_self(), "forward");
    Fd target(netns ? open(netns->c_str(), O_RDONLY | O_CLOEXEC) : -1);
    // the thread lives there for good: it opens the sockets towards the containers
    const bool isThere = !netns || (target.get() >= 0 && setns(target.get(), CLONE_NEWNET) == 0);
    started->set_value(isThere ? 0 : errno);
    if (isThere) run(*loop_);
  });
  if (int error = started->get_future().get()) {
    thread_.join();
    throw SystemError{error, "setns", netns.value_or("")};
  }
}

Forwarder::~Forwarder() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake();
  thread_.join();
}

void Forwarder::wake() {
  const uint64_t one = 1;
  while (write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) continue;
}

void Forwarder::post(std::function<void(ForwardLoop &)> command) {
  {
    std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
    if (commands_.size() > 1) return; // woken already
  }
  wake();
}

void Forwarder::settle() {
  auto done = std::make_shared<std::promise<void>>();
  post([done](ForwardLoop &) { done->set_value(); });
  done->get_future().wait();
}

void Forwarder::run(ForwardLoop &loop) {
  while (!stopping_) {
    loop.turn(wake_.get(), [&] {
      std::vector<std::function<void(ForwardLoop &)>> commands;
      {
        std::lock_guard lock(mutex_);
        commands.swap(commands_);
      }
      for (auto &command : commands) command(loop);
    });
  }
}

namespace {

using Handle = std::unique_ptr<Forwarder>;

Forwarder &forwarderOf(const Napi::Value &value) {
  Handle &handle = *value.As<Napi::External<Handle>>().Data();
  if (!handle) throw Napi::Error::New(value.Env(), "the forwarder was stopped");
  return *handle;
}

Target targetOf(const Napi::CallbackInfo &info, size_t at) {
  auto bytes = bytesOf(info[at]);
  const auto port = htons(info[at + 1].As<Napi::Number>().Uint32Value());
  Target target;
  if (bytes.size() == 4) {
    auto *in = reinterpret_cast<sockaddr_in *>(&target.address);
    in->sin_family = AF_INET;
    in->sin_port = port;
    memcpy(&in->sin_addr, bytes.data(), 4);
    target.length = sizeof *in;
  } else if (bytes.size() == 16) {
    auto *in6 = reinterpret_cast<sockaddr_in6 *>(&target.address);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    memcpy(&in6->sin6_addr, bytes.data(), 16);
    target.length = sizeof *in6;
  } else {
    throw Napi::RangeError::New(info.Env(), "an address has 4 or 16 bytes");
  }
  return target;
}

/** Whoever reserved the port may have told the socket to drop everything until now. */
void unfilter(int fd) {
  int none = 0;
  setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/** Every connection takes two descriptors: as many as the kernel grants (CAP_SYS_RESOURCE), or the hard limit. */
size_t raiseFileLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  rlimit wished{std::max<rlim_t>(limit.rlim_max, 1 << 20), std::max<rlim_t>(limit.rlim_max, 1 << 20)};
  if (setrlimit(RLIMIT_NOFILE, &wished) == 0) return wished.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

// forwarderStart(netns | undefined, connections, connectionsEach, idleMs): handle; 0 = as many as there are descriptors
Napi::Value forwarderStart(const Napi::CallbackInfo &info) {
  auto netns = optionalString(info[0]);
  auto number = [&](size_t at) { return static_cast<size_t>(info[at].As<Napi::Number>().Int64Value()); };
  const size_t most = (raiseFileLimit() - 512) / 2;
  const size_t connections = number(1) ? number(1) : most;
  const ForwarderLimits limits{connections, number(2) ? number(2) : connections - connections / 4, static_cast<int64_t>(number(3))};
  auto forwarder = now(info.Env(), [&] { return std::make_unique<Forwarder>(limits, netns); });
  auto *owned = new Handle(std::move(forwarder));
  return Napi::External<Handle>::New(info.Env(), owned, [](Napi::Env, Handle *owned) { delete owned; });
}

/** Makes the sockets of a row ready to serve. */
void prepare(const std::vector<Fd> &sockets, int protocol) {
  const int on = 1;
  for (const auto &socket : sockets) {
    unfilter(socket.get());
    if (protocol == IPPROTO_UDP) continue;
    if (protocol == IPPROTO_TCP) setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // of what it accepts (tcp(7))
    // connections that we close stay in TIME_WAIT: they shall not keep the port from its next owner
    setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listen(socket.get(), 4096) == 0) continue; // the kernel caps it at somaxconn
    const int error = errno;
    for (const auto &other : sockets) shutdown(other.get(), SHUT_RDWR);
    errno = error;
    fail("listen");
  }
}

/** Every `stride`th of the batch from `skip` on. */
std::vector<Fd> rowOf(const Parked &parked, size_t count) {
  auto all = peekParked(parked.fd);
  std::vector<Fd> row;
  for (size_t i = 0; i < count; i++) {
    const size_t place = parked.skip + i * parked.stride;
    if (place >= all.size()) {
      errno = ENOENT;
      fail("recvmsg", "parked sockets");
    }
    row.push_back(std::move(all[place]));
  }
  return row;
}

Parked parkedOf(const Napi::CallbackInfo &info, size_t at) {
  auto number = [&](size_t at) { return info[at].As<Napi::Number>().Uint32Value(); };
  return {static_cast<int>(number(at)), static_cast<uint16_t>(number(at + 1)), static_cast<uint16_t>(number(at + 2))};
}

// forwarderAdd(handle, id, batch, skip, stride, count, protocol, address, port): void. The batch stays the caller's, who
// keeps it for as long
Napi::Value forwarderAdd(const Napi::CallbackInfo &info) {
  auto &forwarder = forwarderOf(info[0]);
  ForwardSpec spec{info[1].As<Napi::Number>().Uint32Value(), parkedOf(info, 2), targetOf(info, 7)};
  const size_t count = info[5].As<Napi::Number>().Uint32Value();
  spec.target.protocol = info[6].As<Napi::Number>().Int32Value();
  const bool isStream = spec.target.protocol != IPPROTO_UDP;
  auto sockets = std::make_shared<std::vector<Fd>>();
  now(info.Env(), [&] {
    *sockets = rowOf(spec.parked, count);
    prepare(*sockets, spec.target.protocol);
  });
  forwarder.post([spec, sockets, isStream](ForwardLoop &loop) {
    loop.add(spec.id, isStream ? streamForward(loop, spec, *sockets) : datagramForward(loop, spec, *sockets));
    sockets->clear();
  });
  return info.Env().Undefined();
}

// forwarderRemove(handle, [id, first, count, …]): void; when it returns, their connections are gone
Napi::Value forwarderRemove(const Napi::CallbackInfo &info) {
  auto &forwarder = forwarderOf(info[0]);
  auto list = info[1].As<Napi::Array>();
  std::vector<uint32_t> rows;
  for (uint32_t i = 0; i < list.Length(); i++) rows.push_back(list.Get(i).As<Napi::Number>().Uint32Value());
  forwarder.post([rows](ForwardLoop &loop) {
    for (size_t i = 0; i + 2 < rows.size(); i += 3) loop.remove(rows[i], rows[i + 1], rows[i + 2]);
  });
  forwarder.settle();
  return info.Env().Undefined();
}

// forwarderRepark(handle, id, first, count, batch, skip, stride): void; the old batch is not used any more
Napi::Value forwarderRepark(const Napi::CallbackInfo &info) {
  auto &forwarder = forwarderOf(info[0]);
  const auto number = [&](size_t at) { return info[at].As<Napi::Number>().Uint32Value(); };
  const Parked parked = parkedOf(info, 4);
  forwarder.post([id = number(1), first = number(2), count = number(3), parked](ForwardLoop &loop) {
    loop.repark(id, first, count, parked);
  });
  forwarder.settle();
  return info.Env().Undefined();
}

// forwarderCounters(handle): { connections, flows, accepted, refused, bytes }
Napi::Value forwarderCounters(const Napi::CallbackInfo &info) {
  auto &counters = forwarderOf(info[0]).counters;
  auto result = Napi::Object::New(info.Env());
  auto set = [&](const char *key, const std::atomic<uint64_t> &value) {
    result.Set(key, Napi::Number::New(info.Env(), static_cast<double>(value.load())));
  };
  set("connections", counters.connections);
  set("flows", counters.flows);
  set("accepted", counters.accepted);
  set("refused", counters.refused);
  set("bytes", counters.bytes);
  return result;
}

// forwarderStop(handle): void; ends everything. Idempotent; every other call on the handle throws afterwards
Napi::Value forwarderStop(const Napi::CallbackInfo &info) {
  info[0].As<Napi::External<Handle>>().Data()->reset();
  return info.Env().Undefined();
}

} // namespace

void initSplice(Napi::Env env, Napi::Object exports) {
  exports.Set("forwarderStart", Napi::Function::New(env, forwarderStart));
  exports.Set("forwarderAdd", Napi::Function::New(env, forwarderAdd));
  exports.Set("forwarderRemove", Napi::Function::New(env, forwarderRemove));
  exports.Set("forwarderRepark", Napi::Function::New(env, forwarderRepark));
  exports.Set("forwarderCounters", Napi::Function::New(env, forwarderCounters));
  exports.Set("forwarderStop", Napi::Function::New(env, forwarderStop));
}

} // namespace tsdocker
