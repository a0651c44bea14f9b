// The forwarding thread's loop: epoll, turns, ticks, pipes.

#include "splice.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

namespace tsdocker {
namespace {

constexpr int tickMs = 100;
constexpr int64_t wakefulNs = 20000;
constexpr size_t idlePipes = 64;
constexpr int pipeSize = 1 << 20;

int64_t monotonicMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int64_t monotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

} // namespace

PipePool::~PipePool() {
  for (auto &pipe : idle_) destroy(pipe);
}

void PipePool::destroy(Pipe &pipe) {
  if (!pipe) return;
  close(pipe.read);
  close(pipe.write);
  pipe = {};
}

bool PipePool::take(Pipe &pipe) {
  if (!idle_.empty()) {
    pipe = idle_.back();
    idle_.pop_back();
    return true;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return false;
  fcntl(ends[1], F_SETPIPE_SZ, pipeSize); // only for speed
  pipe = {ends[0], ends[1]};
  return true;
}

void PipePool::give(Pipe &pipe) {
  if (idle_.size() < idlePipes) idle_.push_back(std::exchange(pipe, {}));
  else destroy(pipe);
}

ForwardLoop::ForwardLoop(ForwarderLimits limits, ForwarderCounters &counters)
    : limits(limits), counters(counters), epoll_(epoll_create1(EPOLL_CLOEXEC)), slot_(fcntl(epoll_, F_DUPFD_CLOEXEC, 0)), nowMs_(monotonicMs()) {
  if (epoll_ < 0 || slot_.get() < 0) fail("epoll_create1");
}

ForwardLoop::~ForwardLoop() {
  for (auto &[id, forward] : forwards_) forward->remove(*this, 0, UINT16_MAX);
  forwards_.clear();
  buried_.clear();
  close(epoll_);
}

bool ForwardLoop::watch(int fd, Watched *watched, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watched;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void ForwardLoop::change(int fd, Watched *watched, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watched;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void ForwardLoop::unwatch(int fd) { epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

void ForwardLoop::bury(std::unique_ptr<Watched> watched) { buried_.push_back(std::move(watched)); }

void ForwardLoop::queue(Busy *busy) {
  if (std::find(busy_.begin(), busy_.end(), busy) == busy_.end()) busy_.push_back(busy);
}

void ForwardLoop::unqueue(Busy *busy) { std::erase(busy_, busy); }

void ForwardLoop::add(uint32_t id, std::unique_ptr<Forward> forward) { forwards_[id] = std::move(forward); }

void ForwardLoop::remove(uint32_t id, uint16_t first, uint16_t count) {
  auto found = forwards_.find(id);
  if (found != forwards_.end() && !found->second->remove(*this, first, count)) forwards_.erase(found);
}

void ForwardLoop::repark(uint32_t id, uint16_t first, uint16_t count, const Parked &parked) {
  auto found = forwards_.find(id);
  if (found != forwards_.end()) found->second->repark(first, count, parked);
}

void ForwardLoop::tick() {
  if (!wantTick_ || nowMs_ - tickedMs_ < tickMs) return;
  wantTick_ = false;
  tickedMs_ = nowMs_;
  for (auto &[id, forward] : forwards_) forward->tick(*this);
}

/**
 * Looks again for a moment before it sleeps: who has just sent is likely to be answered at once, and to be woken costs
 * more than to stay awake for as long, above all in a virtual machine. Not where much was moved: whoever sent it, or is
 * to take it, may need this processor.
 */
int ForwardLoop::wait(epoll_event *events, int most, int timeout) {
  if (std::exchange(hasMovedMuch, false)) return epoll_wait(epoll_, events, most, timeout);
  const int64_t until = monotonicNs() + wakefulNs;
  for (;;) {
    const int count = epoll_wait(epoll_, events, most, 0);
    if (count != 0 || timeout == 0) return count;
    if (monotonicNs() > until) return epoll_wait(epoll_, events, most, timeout);
  }
}

void ForwardLoop::turn(int wake, const std::function<void()> &commands) {
  epoll_event events[128];
  const int timeout = !busy_.empty() ? 0 : wantTick_ ? tickMs : -1;
  const int count = wait(events, 128, timeout);
  nowMs_ = monotonicMs();
  bool isWoken = false;
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 >> 63) onPort(events[i].data.u64);
    else if (auto *watched = static_cast<Watched *>(events[i].data.ptr)) watched->onEvents(*this, events[i].events);
    else isWoken = true;
  }
  for (Busy *busy : std::exchange(busy_, {})) busy->resume(*this); // which closes none but itself
  tick();
  buried_.clear();
  if (!isWoken) return;
  uint64_t value;
  while (read(wake, &value, sizeof value) < 0 && errno == EINTR) continue;
  commands();
}

} // namespace tsdocker
