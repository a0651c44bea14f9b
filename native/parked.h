// Sockets parked in flight: sent over a unix socket and not received, they stay open, and bound, by the one descriptor
// of that unix socket's other end. Whoever has it may look inside (MSG_PEEK) and get copies.
#pragma once

#include "worker.h"

namespace tsdocker {

/** Most sockets of one batch; the kernel's SCM_MAX_FD is 253. */
constexpr size_t mostParked = 250;

/** Copies of the first `count` sockets of a batch. Throws SystemError: EMFILE. */
std::vector<Fd> peekParked(int batch, size_t count = mostParked);

/** A copy of one of them. */
Fd peekParkedOne(int batch, size_t place);

/** Lets nothing more into a socket. */
void dropAll(int fd);

} // namespace tsdocker
