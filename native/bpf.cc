// bpf(2): a command and its attributes (union bpf_attr) as bytes, with addresses put in where the kernel wants pointers. What
// they say is the caller's business.

#include "worker.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>

namespace tsdocker {
namespace {

// bpf(command, attributes, [offset, bytes, …]): number; on the JS thread: none of what is asked for waits for others. The
// kernel reads the attributes and the bytes, and writes into them, while the call lasts
Napi::Value bpf(const Napi::CallbackInfo &info) {
  const int command = info[0].As<Napi::Number>().Int32Value();
  auto attributes = info[1].As<Napi::Uint8Array>();
  auto parts = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i + 1 < parts.Length(); i += 2) {
    const size_t offset = parts.Get(i).As<Napi::Number>().Uint32Value();
    auto bytes = parts.Get(i + 1).As<Napi::Uint8Array>();
    const uint64_t address = reinterpret_cast<uintptr_t>(bytes.Data());
    if (offset + sizeof address > attributes.ByteLength())
      throw Napi::RangeError::New(info.Env(), "a pointer is outside the attributes");
    memcpy(attributes.Data() + offset, &address, sizeof address);
  }
  const long result = now(info.Env(), [&] {
    const long result = syscall(SYS_bpf, command, attributes.Data(), attributes.ByteLength());
    if (result < 0) fail("bpf");
    return result;
  });
  return Napi::Number::New(info.Env(), result);
}

/** A call's memory: the attributes, and what they point to at these offsets. */
struct Memory {
  std::string attributes;
  std::vector<std::pair<size_t, std::string>> parts;
};

Memory callIn(const std::string &netns, int command, Memory memory) {
  InNetns in(netns);
  for (auto &[offset, bytes] : memory.parts) {
    const uint64_t address = reinterpret_cast<uintptr_t>(bytes.data());
    memcpy(memory.attributes.data() + offset, &address, sizeof address);
  }
  if (syscall(SYS_bpf, command, memory.attributes.data(), memory.attributes.size()) < 0) fail("bpf", netns);
  return memory;
}

// bpfIn(netns, command, attributes, [offset, bytes, …]): Promise<Buffer[]>: the attributes and the bytes as they are
// afterwards. On a thread that others need not wait for: the kernel may wait for all processors
Napi::Value bpfIn(const Napi::CallbackInfo &info) {
  auto netns = info[0].As<Napi::String>().Utf8Value();
  const int command = info[1].As<Napi::Number>().Int32Value();
  Memory memory{bytesOf(info[2]), {}};
  auto parts = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i + 1 < parts.Length(); i += 2) {
    const size_t offset = parts.Get(i).As<Napi::Number>().Uint32Value();
    if (offset + sizeof(uint64_t) > memory.attributes.size())
      throw Napi::RangeError::New(info.Env(), "a pointer is outside the attributes");
    memory.parts.emplace_back(offset, bytesOf(parts.Get(i + 1)));
  }
  auto work = [netns, command, memory = std::move(memory)] { return callIn(netns, command, memory); };
  return promise(info.Env(), Line{Addon::of(info.Env()).netlink, INT_MIN}, work, [](Napi::Env env, const Memory &memory) {
    auto result = Napi::Array::New(env, memory.parts.size() + 1);
    auto put = [&](uint32_t at, const std::string &bytes) {
      result.Set(at, Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size()));
    };
    put(0, memory.attributes);
    for (uint32_t i = 0; i < memory.parts.size(); i++) put(i + 1, memory.parts[i].second);
    return result;
  });
}

} // namespace

void initBpf(Napi::Env env, Napi::Object exports) {
  exports.Set("bpf", Napi::Function::New(env, bpf));
  exports.Set("bpfIn", Napi::Function::New(env, bpfIn));
}

} // namespace tsdocker
