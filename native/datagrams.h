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

/** What recvmmsg(2) wants to know of a batch. */
class Receiving {
public:
  /** Fills the slots with what waits; how many, 0 when nothing does. A datagram that does not fit gets size -1. */
  size_t receive(int fd, const Slots &slots);

private:
  std::array<mmsghdr, mostSlots> headers_;
  std::array<iovec, mostSlots> parts_;
};

/**
 * Datagrams to send, from slots. Those of one size to one peer go down through the kernel as one (UDP_SEGMENT, udp(7)):
 * the way down is most of what each costs.
 */
class Sending {
public:
  explicit Sending(const Slots &slots) : slots_(slots) {}
  void add(size_t slot) { waiting_[waitingCount_++] = slot; }
  /** How many went. What the kernel has no room for, or cannot deliver, is lost: datagrams may be. */
  size_t send(int fd);

private:
  struct Group {
    size_t first; // of its parts
    size_t count;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];
  };
  void group();
  bool isAlike(size_t slot, size_t other) const;
  void setHeader(size_t at, size_t slot);
  size_t sendOneByOne(int fd, size_t at);
  const Slots &slots_;
  std::array<size_t, mostSlots> waiting_;
  size_t waitingCount_ = 0;
  std::array<Group, mostSlots> groups_;
  std::array<mmsghdr, mostSlots> headers_; // of the groups
  size_t groupCount_ = 0;
  std::array<iovec, mostSlots> parts_;
};

} // namespace tsdocker
