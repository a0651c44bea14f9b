// What every file of the addon shares: system errors, the worker threads, and promises that they settle.
//
// `netlink` is a few threads that only talk netlink: what is asked of one socket stays in order, and a slow answer to
// one holds up no other. `work` is one thread with a queue that does all else that may block or must visit another
// network namespace. The JS thread never changes its namespace and never waits for the kernel's RTNL lock.
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

/** A few threads, and a line of tasks for each key: those of one key run one after the other, those of several side by
 *  side. A thread starts when there is work and none is idle, and stays. */
class Pool {
public:
  /** As many as there are things that take long: walks through connections, deletions of links, large transactions; and
   *  one more for all that does not. */
  static constexpr size_t mostThreads = 4;

  ~Pool() { stop(); }
  void post(int key, std::function<void()> task);
  /** Drops what is queued and waits for what runs. */
  void stop();

private:
  void run();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<int, std::deque<std::function<void()>>> lines_; // never empty ones; the first task of a line may be running
  std::deque<int> ready_;                                  // keys of lines whose first task waits for a thread
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

/** The line of one key. */
struct Line {
  Pool &pool;
  int key;
  void post(std::function<void()> task) const { pool.post(key, std::move(task)); }
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

  /** A task for a worker that does the work, and has its completion run on the JS thread; to be posted at once. The event
   *  loop stays alive in between. */
  std::function<void()> settling(std::function<Completion()> work);
  void stop();

  Pool netlink;
  int lastOpening = 0; // netlink.cc: each opening of a socket is a line of its own
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

/** A promise for `work` (on a thread of the Worker's or Line's; may throw SystemError), turned into a JS value by
 *  `convert` (JS thread). */
template <class Queue, class Work, class Convert>
Napi::Value promise(Napi::Env env, Queue &&queue, Work work, Convert convert) {
  auto deferred = Napi::Promise::Deferred::New(env);
  queue.post(Addon::of(env).settling([deferred, convert, work = std::move(work)]() -> Completion {
    try {
      auto result = std::make_shared<decltype(work())>(work());
      return [deferred, convert, result](Napi::Env env) { deferred.Resolve(convert(env, *result)); };
    } catch (const SystemError &error) {
      return [deferred, error](Napi::Env env) { deferred.Reject(error.toJs(env)); };
    }
  }));
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
void initFileWatch(Napi::Env env, Napi::Object exports);
void initParked(Napi::Env env, Napi::Object exports);
void initSplice(Napi::Env env, Napi::Object exports);
void initDatagrams(Napi::Env env, Napi::Object exports);
void initReplies(Napi::Env env, Napi::Object exports);
void initBpf(Napi::Env env, Napi::Object exports);

} // namespace tsdocker
