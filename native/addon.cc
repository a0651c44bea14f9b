// The addon's init table. It moves bytes and file descriptors between JavaScript and Linux and knows no message;
// a new file adds its init function to worker.h and to the table below.

#include "worker.h"

namespace tsdocker {

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto *addon = new Addon(env);
  // freed by the environment, when every hook below has run
  env.SetInstanceData<Addon>(addon);
  // Runs before the queue's own hook (hooks run last first), so that no thread outlives the way back to JS.
  napi_add_env_cleanup_hook(env, [](void *addon) { static_cast<Addon *>(addon)->stop(); }, addon);
  initNetlink(env, exports);
  initNetns(env, exports);
  initSocket(env, exports);
  initFds(env, exports);
  initPoll(env, exports);
  initFileWatch(env, exports);
  initProcess(env, exports);
  initParked(env, exports);
  initSplice(env, exports);
  initDatagrams(env, exports);
  initReplies(env, exports);
  initBpf(env, exports);
  return exports;
}

NODE_API_MODULE(tsdocker, init)

} // namespace tsdocker
