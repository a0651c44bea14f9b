// The threads and the way back from them to the JS thread.

#include "worker.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace tsdocker {

void fail(const char *call, std::string subject) { throw SystemError{errno, call, std::move(subject)}; }

Napi::Value SystemError::toJs(Napi::Env env) const {
  std::string message = std::string(call) + (subject.empty() ? "" : " " + subject) + ": " + strerror(number);
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("errno", Napi::Number::New(env, number));
  error.Set("syscall", Napi::String::New(env, call));
  error.Set("subject", Napi::String::New(env, subject));
#ifdef __GLIBC__
  if (const char *name = strerrorname_np(number)) error.Set("code", Napi::String::New(env, name));
#endif
  return error.Value();
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

void Worker::post(std::function<void()> task) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  tasks_.push_back(std::move(task));
  wake_.notify_one();
}

void Worker::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    tasks_.clear();
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

void Pool::post(int key, std::function<void()> task) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  auto &line = lines_[key];
  line.push_back(std::move(task));
  if (line.size() > 1) return; // behind one that runs or is ready
  ready_.push_back(key);
  if (idle_ < ready_.size() && threads_.size() < mostThreads) threads_.emplace_back([this] { run(); });
  wake_.notify_one();
}

void Pool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (auto &thread : threads_) thread.join();
  threads_.clear();
  lines_.clear();
}

void Pool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_++;
    wake_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
    idle_--;
    if (stopping_) return;
    const int key = ready_.front();
    ready_.pop_front();
    auto task = std::move(lines_[key].front());
    lock.unlock();
    task();
    task = nullptr; // what it holds goes before others wait for us
    lock.lock();
    auto line = lines_.find(key);
    line->second.pop_front();
    if (line->second.empty()) lines_.erase(line);
    else ready_.push_back(key);
  }
}

Addon::Addon(Napi::Env env) : env_(env) {
  auto name = Napi::String::New(env, "tsdocker");
  napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, complete, &queue_);
  napi_unref_threadsafe_function(env, queue_);
}

std::function<void()> Addon::settling(std::function<Completion()> work) {
  // An unreferenced queue would let the loop end (exit code 13) while a promise is pending.
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, queue_);
  return [this, work = std::move(work)] {
    auto *completion = new Completion(work());
    if (napi_call_threadsafe_function(queue_, completion, napi_tsfn_nonblocking) != napi_ok) delete completion;
  };
}

void Addon::stop() {
  netlink.stop();
  work.stop();
}

void Addon::complete(napi_env env, napi_value, void *context, void *data) {
  std::unique_ptr<Completion> completion(static_cast<Completion *>(data));
  if (!env) return; // the environment is going away
  auto *addon = static_cast<Addon *>(context);
  if (--addon->pending_ == 0) napi_unref_threadsafe_function(env, addon->queue_);
  try {
    (*completion)(env);
  } catch (const Napi::Error &) {
    // a worker that is being terminated runs no JS any more; nobody waits for the promise
  }
}

std::optional<std::string> optionalString(const Napi::Value &value) {
  if (!value.IsString()) return std::nullopt;
  return value.As<Napi::String>().Utf8Value();
}

std::string bytesOf(const Napi::Value &value) {
  auto bytes = value.As<Napi::Uint8Array>();
  return {reinterpret_cast<const char *>(bytes.Data()), bytes.ByteLength()};
}

} // namespace tsdocker
