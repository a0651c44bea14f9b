// Network namespaces: create and pin, remove, and the files under /proc/sys/net as a namespace shows them.

#include "worker.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef NSFS_MAGIC
#define NSFS_MAGIC 0x6e736673
#endif

namespace tsdocker {

static thread_local int home = -1; // this thread's own namespace, opened at its first visit elsewhere

InNetns::InNetns(const std::optional<std::string> &path) {
  if (!path) return;
  if (home < 0 && (home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) fail("open", "/proc/thread-self/ns/net");
  Fd target(open(path->c_str(), O_RDONLY | O_CLOEXEC));
  if (target.get() < 0) fail("open", *path);
  if (setns(target.get(), CLONE_NEWNET) < 0) fail("setns", *path);
  entered_ = true;
}

InNetns::~InNetns() {
  if (!entered_ || setns(home, CLONE_NEWNET) == 0) return;
  perror("tsdocker: cannot return to the own network namespace");
  abort(); // to go on here would configure somebody else's network
}

namespace {

/** Makes the folder a shared mount, as ip-netns(8) does: namespaces pinned in it are then seen from mount namespaces
 *  that were made after it (containerd's, say). */
void shareFolder(const std::string &folder) {
  Fd lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.get() < 0) fail("open", folder);
  if (flock(lock.get(), LOCK_EX) < 0) fail("flock", folder); // against another process in the same folder
  if (mount("", folder.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return;
  if (errno != EINVAL) fail("mount", folder); // EINVAL: not a mount yet
  if (mount(folder.c_str(), folder.c_str(), "none", MS_BIND | MS_REC, nullptr) < 0) fail("mount", folder);
  if (mount("", folder.c_str(), "none", MS_SHARED | MS_REC, nullptr) < 0) fail("mount", folder);
}

bool isNetns(const std::string &path) {
  struct statfs fs;
  return statfs(path.c_str(), &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

/** Creates the file to pin on. An empty one that a crash left behind is taken over. */
void createPin(const std::string &path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (fd.get() >= 0) return;
  if (errno != EEXIST) fail("open", path);
  if (!isNetns(path)) return;
  errno = EEXIST;
  fail("open", path);
}

/** On a thread of its own, which ends with it: a thread that called unshare is good for nothing else. */
int unshareAndPin(const std::string &path) {
  int error = 0;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) < 0 || mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) < 0)
      error = errno;
  }).join();
  return error;
}

Nothing createNetns(const std::string &path) {
  shareFolder(path.substr(0, path.rfind('/')));
  createPin(path);
  if (int error = unshareAndPin(path)) {
    unlink(path.c_str());
    throw SystemError{error, "unshare", path};
  }
  return {};
}

/** Takes every mount off a path. Bounded, since a path may carry several. */
void unmountAll(const std::string &path) {
  for (int i = 0; i < 16; i++) {
    if (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT) return; // not a mount; not there
    fail("umount", path);
  }
}

Nothing removeNetns(const std::string &path) {
  unmountAll(path);
  if (unlink(path.c_str()) < 0 && errno != ENOENT) fail("unlink", path);
  return {};
}

Nothing removeFolder(const std::string &folder) {
  unmountAll(folder);
  if (rmdir(folder.c_str()) < 0 && errno != ENOENT) fail("rmdir", folder);
  return {};
}

struct FileAccess {
  std::string path;
  std::optional<std::string> write;
};

std::string access(const FileAccess &file) {
  Fd fd(open(file.path.c_str(), (file.write ? O_WRONLY : O_RDONLY) | O_CLOEXEC));
  if (fd.get() < 0) fail("open", file.path);
  if (file.write) {
    if (write(fd.get(), file.write->data(), file.write->size()) < 0) fail("write", file.path);
    return {};
  }
  std::string content;
  char chunk[16384];
  for (;;) { // /proc gives a page at a time
    ssize_t size = read(fd.get(), chunk, sizeof chunk);
    if (size < 0) fail("read", file.path);
    if (size == 0) return content;
    content.append(chunk, size);
  }
}

Napi::Value onPath(const Napi::CallbackInfo &info, Nothing (*work)(const std::string &)) {
  auto path = info[0].As<Napi::String>().Utf8Value();
  return promise(info.Env(), Addon::of(info.Env()).work, [=] { return work(path); }, undefinedOf);
}

// netnsCreate(path): Promise<void>
Napi::Value netnsCreate(const Napi::CallbackInfo &info) { return onPath(info, createNetns); }
// netnsRemove(path): Promise<void>
Napi::Value netnsRemove(const Napi::CallbackInfo &info) { return onPath(info, removeNetns); }
// netnsFolderRemove(folder): Promise<void>
Napi::Value netnsFolderRemove(const Napi::CallbackInfo &info) { return onPath(info, removeFolder); }

// netnsFiles(netns | undefined, [path, text | undefined, …]): Promise<string[]>; writes or reads, in order
Napi::Value netnsFiles(const Napi::CallbackInfo &info) {
  auto netns = optionalString(info[0]);
  auto list = info[1].As<Napi::Array>();
  std::vector<FileAccess> files;
  for (uint32_t i = 0; i + 1 < list.Length(); i += 2)
    files.push_back({list.Get(i).As<Napi::String>().Utf8Value(), optionalString(list.Get(i + 1))});
  auto work = [netns, files = std::move(files)] {
    InNetns in(netns);
    std::vector<std::string> contents;
    for (const auto &file : files) contents.push_back(access(file));
    return contents;
  };
  return promise(info.Env(), Addon::of(info.Env()).work, work, [](Napi::Env env, const std::vector<std::string> &contents) {
    auto array = Napi::Array::New(env, contents.size());
    for (size_t i = 0; i < contents.size(); i++) array.Set(i, Napi::String::New(env, contents[i]));
    return array;
  });
}

} // namespace

void initNetns(Napi::Env env, Napi::Object exports) {
  exports.Set("netnsCreate", Napi::Function::New(env, netnsCreate));
  exports.Set("netnsRemove", Napi::Function::New(env, netnsRemove));
  exports.Set("netnsFolderRemove", Napi::Function::New(env, netnsFolderRemove));
  exports.Set("netnsFiles", Napi::Function::New(env, netnsFiles));
}

} // namespace tsdocker
