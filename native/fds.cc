// File descriptors over unix sockets (SCM_RIGHTS), and close.

#include "worker.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace tsdocker {
namespace {

constexpr size_t maxFds = 253; // SCM_MAX_FD of the kernel

sockaddr_un unixAddress(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail("socket", path);
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/** Sequenced packets: a message is whole and keeps its descriptors. */
int unixSocket() {
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail("socket", "unix");
  const int size = 4 << 20; // limits how large one message may be
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return fd;
}

// unixListen(path): fd
Napi::Value unixListen(const Napi::CallbackInfo &info) {
  auto path = info[0].As<Napi::String>().Utf8Value();
  return numberOf(info.Env(), now(info.Env(), [&] {
                    Fd fd(unixSocket());
                    auto address = unixAddress(path);
                    if (bind(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) < 0) fail("bind", path);
                    if (listen(fd.get(), 64) < 0) fail("listen", path);
                    return fd.release();
                  }));
}

// unixConnect(path): fd
Napi::Value unixConnect(const Napi::CallbackInfo &info) {
  auto path = info[0].As<Napi::String>().Utf8Value();
  return numberOf(info.Env(), now(info.Env(), [&] {
                    Fd fd(unixSocket());
                    auto address = unixAddress(path);
                    if (connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) < 0) fail("connect", path);
                    return fd.release();
                  }));
}

// unixPair(): [fd, fd]
Napi::Value unixPair(const Napi::CallbackInfo &info) {
  int pair[2];
  now(info.Env(), [&] {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) fail("socketpair");
  });
  auto array = Napi::Array::New(info.Env(), 2);
  array.Set(0u, Napi::Number::New(info.Env(), pair[0]));
  array.Set(1u, Napi::Number::New(info.Env(), pair[1]));
  return array;
}

// unixAccept(fd): fd | undefined
Napi::Value unixAccept(const Napi::CallbackInfo &info) {
  const int listener = info[0].As<Napi::Number>().Int32Value();
  const int fd = now(info.Env(), [&] {
    for (;;) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) return fd;
      if (errno == EAGAIN) return -1;
      if (errno != EINTR && errno != ECONNABORTED) fail("accept");
    }
  });
  return fd < 0 ? info.Env().Undefined() : numberOf(info.Env(), fd);
}

// fdsSend(socket, bytes, fds): boolean; false when the socket is full. The fds stay open here too
Napi::Value fdsSend(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  auto bytes = bytesOf(info[1]);
  auto list = info[2].As<Napi::Array>();
  const size_t count = list.Length();
  if (count > maxFds) throw Napi::RangeError::New(info.Env(), "a message carries at most 253 descriptors");
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * maxFds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (size_t i = 0; i < count; i++) {
      const int passed = list.Get(i).As<Napi::Number>().Int32Value();
      memcpy(CMSG_DATA(header) + i * sizeof(int), &passed, sizeof passed);
    }
  }
  const bool sent = now(info.Env(), [&] {
    for (;;) {
      if (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
      if (errno == EAGAIN) return false;
      if (errno != EINTR) fail("sendmsg");
    }
  });
  return Napi::Boolean::New(info.Env(), sent);
}

/** The descriptors that came with a message, which are now ours. */
Napi::Array descriptorsOf(Napi::Env env, msghdr &message) {
  auto array = Napi::Array::New(env);
  for (cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      array.Set(array.Length(), Napi::Number::New(env, fd));
    }
  }
  return array;
}

// fdsReceive(socket): { bytes: Buffer, fds: number[], truncated: boolean } | undefined; no bytes and no fds = end.
// `truncated`: descriptors were lost, as when the limit of open files is reached
Napi::Value fdsReceive(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  std::string bytes;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * maxFds)];
  iovec part{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = now(info.Env(), [&]() -> ssize_t {
    for (;;) {
      ssize_t size = recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
      if (size >= 0) {
        bytes.resize(size);
        part = {bytes.data(), bytes.size()};
        size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      }
      if (size >= 0) return size;
      if (errno == EAGAIN) return -1;
      if (errno != EINTR) fail("recvmsg");
    }
  });
  if (size < 0) return info.Env().Undefined();
  auto result = Napi::Object::New(info.Env());
  result.Set("bytes", Napi::Buffer<char>::Copy(info.Env(), bytes.data(), size));
  result.Set("fds", descriptorsOf(info.Env(), message));
  result.Set("truncated", Napi::Boolean::New(info.Env(), message.msg_flags & MSG_CTRUNC));
  return result;
}

// fdClose(fd): void
Napi::Value fdClose(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  now(info.Env(), [fd] {
    if (close(fd) < 0 && errno != EINTR) fail("close"); // after EINTR Linux has closed it
  });
  return info.Env().Undefined();
}

} // namespace

void initFds(Napi::Env env, Napi::Object exports) {
  exports.Set("unixListen", Napi::Function::New(env, unixListen));
  exports.Set("unixConnect", Napi::Function::New(env, unixConnect));
  exports.Set("unixPair", Napi::Function::New(env, unixPair));
  exports.Set("unixAccept", Napi::Function::New(env, unixAccept));
  exports.Set("fdsSend", Napi::Function::New(env, fdsSend));
  exports.Set("fdsReceive", Napi::Function::New(env, fdsReceive));
  exports.Set("fdClose", Napi::Function::New(env, fdClose));
}

} // namespace tsdocker
