// Readiness of any file descriptor, through the event loop's own epoll (uv_poll): no thread per descriptor.

#include "worker.h"

#include <uv.h>

namespace tsdocker {

/** Deleted by the close callback of its handle, never sooner. */
struct Poll {
  uv_poll_t handle;
  Addon *addon;
  int events;
  Napi::FunctionReference callback;
  Napi::AsyncContext context;
};

namespace {

[[noreturn]] void fail(Napi::Env env, const char *call, int status) {
  throw Napi::Error(env, SystemError{-status, call, {}}.toJs(env));
}

void onReady(uv_poll_t *handle, int status, int events) {
  auto *poll = static_cast<Poll *>(handle->data);
  // libuv stops polling at POLLERR, which for sockets is an error to be read (ENOBUFS of netlink) and no end
  if (status < 0) uv_poll_start(handle, poll->events, onReady);
  Napi::Env env = poll->callback.Env();
  Napi::HandleScope scope(env);
  // an error shows as both: the next call on the descriptor tells it
  const int ready = status < 0 ? UV_READABLE | UV_WRITABLE : events;
  // While the callback runs it may stop this poll, which is deleted only in a later turn of the loop.
  try {
    poll->callback.MakeCallback(env.Global(), {Napi::Number::New(env, ready)}, poll->context);
  } catch (const Napi::Error &error) {
    // fails where a worker is being terminated, and may
    napi_fatal_exception(env, error.Value());
  }
}

void onClosed(uv_handle_t *handle) {
  auto *poll = static_cast<Poll *>(handle->data);
  Addon *addon = poll->addon;
  {
    Napi::HandleScope scope(poll->callback.Env());
    delete poll;
  }
  if (--addon->closingPolls == 0 && addon->leaving) napi_remove_async_cleanup_hook(addon->leaving);
}

void closePoll(Poll *poll) {
  poll->addon->closingPolls++;
  uv_poll_stop(&poll->handle);
  uv_close(reinterpret_cast<uv_handle_t *>(&poll->handle), onClosed);
}

void onLeave(napi_async_cleanup_hook_handle handle, void *data) {
  auto *addon = static_cast<Addon *>(data);
  addon->leaving = handle;
  for (auto [id, poll] : std::exchange(addon->polls, {})) closePoll(poll);
  if (addon->closingPolls == 0) napi_remove_async_cleanup_hook(handle);
}

// pollStart(fd, events, callback(ready)): id. Keeps the event loop alive until pollStop
Napi::Value pollStart(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  Addon &addon = Addon::of(env);
  uv_loop_t *loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  const int events = info[1].As<Napi::Number>().Int32Value();
  auto *poll = new Poll{{}, &addon, events, Napi::Persistent(info[2].As<Napi::Function>()), Napi::AsyncContext(env, "tsdocker.poll")};
  poll->handle.data = poll;
  if (int status = uv_poll_init(loop, &poll->handle, info[0].As<Napi::Number>().Int32Value())) {
    delete poll;
    fail(env, "uv_poll_init", status);
  }
  if (int status = uv_poll_start(&poll->handle, events, onReady)) {
    closePoll(poll);
    fail(env, "uv_poll_start", status);
  }
  addon.polls[addon.nextPoll] = poll;
  return Napi::Number::New(env, addon.nextPoll++);
}

// pollEvents(id, events): void; 1 = readable, 2 = writable
Napi::Value pollEvents(const Napi::CallbackInfo &info) {
  Addon &addon = Addon::of(info.Env());
  auto found = addon.polls.find(info[0].As<Napi::Number>().Uint32Value());
  if (found == addon.polls.end()) return info.Env().Undefined();
  const int events = found->second->events = info[1].As<Napi::Number>().Int32Value();
  if (int status = uv_poll_start(&found->second->handle, events, onReady)) fail(info.Env(), "uv_poll_start", status);
  return info.Env().Undefined();
}

// pollStop(id): void; idempotent. The descriptor may be closed right after
Napi::Value pollStop(const Napi::CallbackInfo &info) {
  Addon &addon = Addon::of(info.Env());
  auto found = addon.polls.find(info[0].As<Napi::Number>().Uint32Value());
  if (found == addon.polls.end()) return info.Env().Undefined();
  closePoll(found->second);
  addon.polls.erase(found);
  return info.Env().Undefined();
}

} // namespace

void initPoll(Napi::Env env, Napi::Object exports) {
  napi_add_async_cleanup_hook(env, onLeave, &Addon::of(env), nullptr);
  exports.Set("pollStart", Napi::Function::New(env, pollStart));
  exports.Set("pollEvents", Napi::Function::New(env, pollEvents));
  exports.Set("pollStop", Napi::Function::New(env, pollStop));
}

} // namespace tsdocker
