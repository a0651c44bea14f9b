// A socket to open and bind, for those who open sockets.
#pragma once

#include "worker.h"

namespace tsdocker {

/** Bits of `options`; native/index.ts has the same. */
enum Option : uint32_t {
  ReuseAddress = 1,
  ReusePort = 2,
  DualStack = 4,
  FreeBind = 8,
  PacketInfo = 16,
  Transparent = 32,
  Blocking = 64,
  OverTimeWait = 128,
  PathProbe = 256,
};

struct Binding {
  std::optional<std::string> netns;
  int type;
  int protocol;
  std::string address; // 4 or 16 bytes
  uint16_t port;
  uint32_t scope;
  int backlog; // < 0: do not listen
  uint32_t options;
};

/** Reads native/index.ts's `Binding`. */
Binding bindingOf(const Napi::Object &object);

/** In the calling thread's namespace. Throws SystemError. */
int openBound(const Binding &binding);

} // namespace tsdocker
