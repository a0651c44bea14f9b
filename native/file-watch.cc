// What others do with a file, by inotify: Node's own watching does not tell of a file that is only opened and closed.

#include "worker.h"

#include <cerrno>
#include <sys/inotify.h>
#include <unistd.h>

namespace tsdocker {
namespace {

// fileWatch(path): fd; readable after somebody has closed the file, or removed it
Napi::Value fileWatch(const Napi::CallbackInfo &info) {
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const int watch = now(info.Env(), [&] {
    Fd fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (fd.get() < 0) fail("inotify_init1");
    if (inotify_add_watch(fd.get(), path.c_str(), IN_CLOSE | IN_DELETE_SELF) < 0) fail("inotify_add_watch", path);
    return fd.release();
  });
  return Napi::Number::New(info.Env(), watch);
}

// fileWatchTake(fd): boolean; forgets what it has told of. False: the file is gone, nothing more will come
Napi::Value fileWatchTake(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const bool isThere = now(info.Env(), [fd] {
    alignas(inotify_event) char buffer[4096];
    uint32_t all = 0;
    for (;;) {
      const ssize_t size = read(fd, buffer, sizeof buffer);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno != EAGAIN) fail("read", "inotify");
      if (size <= 0) return (all & (IN_DELETE_SELF | IN_IGNORED)) == 0;
      for (ssize_t at = 0; at < size;) {
        auto *event = reinterpret_cast<inotify_event *>(buffer + at);
        all |= event->mask;
        at += sizeof(inotify_event) + event->len;
      }
    }
  });
  return Napi::Boolean::New(info.Env(), isThere);
}

} // namespace

void initFileWatch(Napi::Env env, Napi::Object exports) {
  exports.Set("fileWatch", Napi::Function::New(env, fileWatch));
  exports.Set("fileWatchTake", Napi::Function::New(env, fileWatchTake));
}

} // namespace tsdocker
