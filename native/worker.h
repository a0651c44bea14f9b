// What every file of the addon shares: system errors, the worker threads, and promises that they settle.
//
// Threads with a queue each: `netlink` only talks netlink, `slow` too, but what the kernel sits on for long; `work` does
// all else that may block or must visit another network namespace. The JS thread never changes its namespace and never waits for the kernel's RTNL lock.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <napi.h>

namespace tsdocker {

/** A failed system call: errno, the call, and what it was called on. */
struct SystemError {
  int number;
  const char *call;
  std::string subject;
  Napi::Value toJs(Napi::Env env) const;
};

/** Throws a SystemError with the current errno. */
[[noreturn]] void fail(const char *call, std::string subject = {});

/** A file descriptor that is closed when it goes out of scope. */
class Fd {
public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd(const Fd &) = delete;
  Fd &operator=(const Fd &) = delete;
  ~Fd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

private:
  int fd_;
};

/** One thread and its queue; the thread starts with the first task. */
class Worker {
public:
  ~Worker() { stop(); }
  void post(std::function<void()> task);
  /** Drops what is queued and waits for what runs. */
  void stop();

private:
  void run();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::thread thread_;
  bool stopping_ = false;
};

/** Runs on the JS thread and settles a promise. */
using Completion = std::function<void(Napi::Env)>;

struct Poll;

/** The addon's state, one per JS environment; on the heap and never a static, so that process exit destroys nothing
 *  that a thread still waits on. */
class Addon {
public:
  explicit Addon(Napi::Env env);
  static Addon &of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

  /** Runs `work` on a worker and its completion on the JS thread. The event loop stays alive in between. */
  void post(Worker &worker, std::function<Completion()> work);
  void stop();

  Worker netlink;
  Worker slow;
  Worker work;
  std::map<uint32_t, Poll *> polls; // poll.cc: active ones, by id
  uint32_t nextPoll = 1;
  size_t closingPolls = 0;
  napi_async_cleanup_hook_handle leaving = nullptr; // set when the environment goes away

private:
  static void complete(napi_env env, napi_value, void *addon, void *completion);
  napi_env env_;
  napi_threadsafe_function queue_;
  size_t pending_ = 0;
};

/** A promise for `work` (any thread; may throw SystemError), turned into a JS value by `convert` (JS thread). */
template <class Work, class Convert>
Napi::Value promise(Napi::Env env, Worker &worker, Work work, Convert convert) {
  auto deferred = Napi::Promise::Deferred::New(env);
  Addon::of(env).post(worker, [deferred, convert, work = std::move(work)]() -> Completion {
    try {
      auto result = std::make_shared<decltype(work())>(work());
      return [deferred, convert, result](Napi::Env env) { deferred.Resolve(convert(env, *result)); };
    } catch (const SystemError &error) {
      return [deferred, error](Napi::Env env) { deferred.Reject(error.toJs(env)); };
    }
  });
  return deferred.Promise();
}

/** Runs `work` now and throws its SystemError as a JS exception. */
template <class Work> auto now(Napi::Env env, Work work) {
  try {
    return work();
  } catch (const SystemError &error) {
    throw Napi::Error(env, error.toJs(env));
  }
}

struct Nothing {};
inline Napi::Value undefinedOf(Napi::Env env, const Nothing &) { return env.Undefined(); }
inline Napi::Value numberOf(Napi::Env env, const int &value) { return Napi::Number::New(env, value); }

std::optional<std::string> optionalString(const Napi::Value &value);
std::string bytesOf(const Napi::Value &buffer);

/** Puts the calling thread (a worker's) into a network namespace for the guard's lifetime; no path = stay. */
class InNetns {
public:
  explicit InNetns(const std::optional<std::string> &path);
  InNetns(const InNetns &) = delete;
  InNetns &operator=(const InNetns &) = delete;
  ~InNetns();

private:
  bool entered_ = false;
};

void initNetlink(Napi::Env env, Napi::Object exports);
void initNetns(Napi::Env env, Napi::Object exports);
void initSocket(Napi::Env env, Napi::Object exports);
void initFds(Napi::Env env, Napi::Object exports);
void initPoll(Napi::Env env, Napi::Object exports);
void initProcess(Napi::Env env, Napi::Object exports);
void initParked(Napi::Env env, Napi::Object exports);
void initSplice(Napi::Env env, Napi::Object exports);
void initDatagrams(Napi::Env env, Napi::Object exports);

} // namespace tsdocker
