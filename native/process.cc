// Mounts, and what a supervisor asks of its own process.

#include "worker.h"

#include <cerrno>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace tsdocker {
namespace {

// mount(source, target, type, flags, data): Promise<void>
Napi::Value mountFs(const Napi::CallbackInfo &info) {
  auto source = info[0].As<Napi::String>().Utf8Value();
  auto target = info[1].As<Napi::String>().Utf8Value();
  auto type = info[2].As<Napi::String>().Utf8Value();
  const unsigned long flags = info[3].As<Napi::Number>().Int64Value();
  auto data = info[4].As<Napi::String>().Utf8Value();
  auto work = [=] {
    if (mount(source.c_str(), target.c_str(), type.c_str(), flags, data.c_str()) < 0) fail("mount", target);
    return Nothing{};
  };
  return promise(info.Env(), Addon::of(info.Env()).work, work, undefinedOf);
}

// unmount(target, flags): Promise<void>
Napi::Value unmountFs(const Napi::CallbackInfo &info) {
  auto target = info[0].As<Napi::String>().Utf8Value();
  const int flags = info[1].As<Napi::Number>().Int32Value();
  auto work = [=] {
    if (umount2(target.c_str(), flags) < 0) fail("umount", target);
    return Nothing{};
  };
  return promise(info.Env(), Addon::of(info.Env()).work, work, undefinedOf);
}

// setChildSubreaper(on): void
Napi::Value setChildSubreaper(const Napi::CallbackInfo &info) {
  const unsigned long on = info[0].As<Napi::Boolean>().Value() ? 1 : 0;
  now(info.Env(), [on] {
    if (prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0) < 0) fail("prctl");
  });
  return info.Env().Undefined();
}

// openFileLimit(): { soft, hard }; -1 = unlimited
Napi::Value openFileLimit(const Napi::CallbackInfo &info) {
  rlimit limit{};
  now(info.Env(), [&] {
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) fail("getrlimit");
  });
  auto number = [&](rlim_t value) { return Napi::Number::New(info.Env(), value == RLIM_INFINITY ? -1.0 : double(value)); };
  auto result = Napi::Object::New(info.Env());
  result.Set("soft", number(limit.rlim_cur));
  result.Set("hard", number(limit.rlim_max));
  return result;
}

// setOpenFileLimit(soft): void
Napi::Value setOpenFileLimit(const Napi::CallbackInfo &info) {
  const rlim_t soft = info[0].As<Napi::Number>().Int64Value();
  now(info.Env(), [soft] {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) fail("getrlimit");
    limit.rlim_cur = soft;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) fail("setrlimit");
  });
  return info.Env().Undefined();
}

// makeFifo(path, mode): void
Napi::Value makeFifo(const Napi::CallbackInfo &info) {
  auto path = info[0].As<Napi::String>().Utf8Value();
  const mode_t mode = info[1].As<Napi::Number>().Uint32Value();
  now(info.Env(), [&] {
    if (mkfifo(path.c_str(), mode) < 0) fail("mkfifo", path);
  });
  return info.Env().Undefined();
}

} // namespace

void initProcess(Napi::Env env, Napi::Object exports) {
  exports.Set("mount", Napi::Function::New(env, mountFs));
  exports.Set("unmount", Napi::Function::New(env, unmountFs));
  exports.Set("setChildSubreaper", Napi::Function::New(env, setChildSubreaper));
  exports.Set("openFileLimit", Napi::Function::New(env, openFileLimit));
  exports.Set("setOpenFileLimit", Napi::Function::New(env, setOpenFileLimit));
  exports.Set("makeFifo", Napi::Function::New(env, makeFifo));
}

} // namespace tsdocker
