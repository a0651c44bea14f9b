// Parking: sockets of consecutive ports bound and put in flight, up to 250 by one descriptor. The limit of open files
// (RLIMIT_NOFILE) is per descriptor; what is in flight counts against none, and its own limit (unix(7), ETOOMANYREFS)
// does not hold for CAP_SYS_ADMIN.

#include "parked.h"
#include "socket.h"

#include <cerrno>
#include <cstring>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tsdocker {
namespace {

/**
 * What is in flight is counted by the sender's real uid, and a root without capabilities, as in most containers, may
 * send nothing any more once the count of uid 0 is above its own limit of open files. So ours is counted for a uid
 * that nobody has. Of the calling thread alone (the system call, not libc's function): its other ids stay.
 */
class CountedApart {
public:
  CountedApart() : before_(getuid()) { change(1953718628); }
  CountedApart(const CountedApart &) = delete;
  CountedApart &operator=(const CountedApart &) = delete;
  ~CountedApart() { change(before_); }

private:
  // without CAP_SETUID it is counted for us
  static void change(uid_t real) { syscall(SYS_setresuid, real, -1, -1); }
  uid_t before_;
};

/** Sends them into a socket pair and keeps the other end. The caller's descriptors stay open. */
int park(const std::vector<int> &fds) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) fail("socketpair");
  Fd in(ends[0]);
  Fd out(ends[1]);
  char byte = 'p';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * mostParked)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
  cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
  memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  const CountedApart apart;
  while (sendmsg(in.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    if (errno != EINTR) fail("sendmsg", "sockets to park");
  return out.release();
}

int park(const std::vector<Fd> &fds) {
  std::vector<int> numbers;
  for (const auto &fd : fds) numbers.push_back(fd.get());
  return park(numbers);
}

/** One program for all sockets, where a classic filter would be a page for each. -1 without bpf(2). */
int dropAllProgram() {
  static const int program = [] {
    bpf_insn insns[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    bpf_attr attr{};
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = reinterpret_cast<uintptr_t>(insns);
    attr.insn_cnt = 2;
    attr.license = reinterpret_cast<uintptr_t>("GPL");
    return static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr)); // close-on-exec
  }();
  return program;
}

struct Row {
  Binding binding; // of which address and port vary
  std::vector<std::string> addresses;
  uint32_t first;
  uint32_t last;
};

struct ParkedRow {
  std::vector<int> fds; // a descriptor per batch; none when `error` is set
  std::optional<SystemError> error;
  size_t address = 0; // which one failed, and its port
  uint32_t port = 0;
};

/** Binds all or nothing: every port at every address, `addresses` being the inner order. */
ParkedRow parkRow(Row row) {
  ParkedRow result;
  std::vector<Fd> batches;
  std::vector<Fd> bound;
  auto &[binding, addresses, first, last] = row;
  try {
    const InNetns in(binding.netns);
    for (uint32_t port = first; port <= last; port++) {
      for (size_t at = 0; at < addresses.size(); at++) {
        result.port = port;
        result.address = at;
        binding.port = port;
        binding.address = addresses[at];
        bound.emplace_back(openBound(binding));
        if (binding.type == SOCK_DGRAM) dropAll(bound.back().get());
      }
      if (port < last && bound.size() + addresses.size() <= mostParked) continue;
      batches.emplace_back(park(bound));
      bound.clear();
    }
  } catch (const SystemError &error) {
    result.error = error;
    return result;
  }
  for (auto &batch : batches) result.fds.push_back(batch.release());
  return result;
}

Napi::Value rowOutcome(Napi::Env env, const ParkedRow &row) {
  auto object = Napi::Object::New(env);
  auto fds = Napi::Array::New(env);
  for (int fd : row.fds) fds.Set(fds.Length(), Napi::Number::New(env, fd));
  object.Set("fds", fds);
  if (!row.error) return object;
  object.Set("error", row.error->toJs(env));
  object.Set("port", Napi::Number::New(env, row.port));
  object.Set("address", Napi::Number::New(env, row.address));
  return object;
}

// socketsPark(binding, addresses, last): Promise<{ fds, error?, port?, address? }>; binding.port is the first
Napi::Value socketsPark(const Napi::CallbackInfo &info) {
  Row row{bindingOf(info[0].As<Napi::Object>()), {}, 0, info[2].As<Napi::Number>().Uint32Value()};
  row.first = row.binding.port;
  auto list = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) row.addresses.push_back(bytesOf(list.Get(i)));
  if (row.addresses.empty() || row.addresses.size() > mostParked) throw Napi::RangeError::New(info.Env(), "1 to 250 addresses");
  return promise(info.Env(), Addon::of(info.Env()).work, [row = std::move(row)] { return parkRow(row); }, rowOutcome);
}

// fdsPark(fds): fd; copies are parked, at most 250
Napi::Value fdsPark(const Napi::CallbackInfo &info) {
  auto list = info[0].As<Napi::Array>();
  std::vector<int> fds;
  for (uint32_t i = 0; i < list.Length(); i++) fds.push_back(list.Get(i).As<Napi::Number>().Int32Value());
  if (fds.empty() || fds.size() > mostParked) throw Napi::RangeError::New(info.Env(), "1 to 250 descriptors");
  return numberOf(info.Env(), now(info.Env(), [&] { return park(fds); }));
}

// fdsParked(batch): fd[]; copies
Napi::Value fdsParked(const Napi::CallbackInfo &info) {
  const int batch = info[0].As<Napi::Number>().Int32Value();
  auto fds = now(info.Env(), [&] { return peekParked(batch); });
  auto array = Napi::Array::New(info.Env());
  for (auto &fd : fds) array.Set(array.Length(), Napi::Number::New(info.Env(), fd.release()));
  return array;
}

} // namespace

std::vector<Fd> peekParked(int batch, size_t count) {
  char byte;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * mostParked)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_LEN(sizeof(int) * std::min(count, mostParked));
  while (recvmsg(batch, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
    if (errno != EINTR) fail("recvmsg", "parked sockets");
  std::vector<Fd> fds;
  for (cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); at++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + at * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  if (message.msg_flags & MSG_CTRUNC && fds.size() < count) {
    errno = EMFILE; // the kernel gave as many as there was room for in our table
    fail("recvmsg", "parked sockets");
  }
  return fds;
}

Fd peekParkedOne(int batch, size_t place) {
  auto fds = peekParked(batch, place + 1);
  if (fds.size() > place) return std::move(fds[place]);
  errno = ENOENT;
  fail("recvmsg", "parked socket");
}

void dropAll(int fd) {
  const int program = dropAllProgram();
  if (program >= 0 && setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program) == 0) return;
  sock_filter none[] = {{BPF_RET | BPF_K, 0, 0, 0}};
  const sock_fprog classic{1, none};
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &classic, sizeof classic);
}

void initParked(Napi::Env env, Napi::Object exports) {
  exports.Set("socketsPark", Napi::Function::New(env, socketsPark));
  exports.Set("fdsPark", Napi::Function::New(env, fdsPark));
  exports.Set("fdsParked", Napi::Function::New(env, fdsParked));
}

} // namespace tsdocker
