// Datagrams in batches: slots of equal size in one slab of JS memory, their sizes and their peers.
#pragma once

#include "worker.h"

#include <array>
#include <sys/socket.h>

namespace tsdocker {

/** Most datagrams of a batch. */
constexpr size_t mostSlots = 64;

struct Slots {
  char *bytes;
  size_t slotSize;
  int32_t *sizes;
  char *peers; // null: the socket is connected
  size_t count;
};

/** From the arguments `slab, sizes, peers | undefined`. */
Slots slotsOf(const Napi::CallbackInfo &info, size_t at);

/** What the system calls want to know of a batch. */
class Messages {
public:
  /** Fills the slots with what waits; how many, 0 when nothing does. A datagram that does not fit gets size -1. */
  size_t receive(int fd, const Slots &slots);
  /** One more to send, to the slot's peer. */
  void add(const Slots &slots, size_t slot, size_t size);
  /** Sends what was added; how many went. What the kernel has no room for, or cannot deliver, is lost. */
  size_t send(int fd);

private:
  void set(size_t at, const Slots &slots, size_t slot, size_t size);
  std::array<mmsghdr, mostSlots> headers_;
  std::array<iovec, mostSlots> parts_;
  size_t count_ = 0;
};

} // namespace tsdocker
