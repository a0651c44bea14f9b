// bpf(2): a command and its attributes (union bpf_attr) as bytes, with addresses of the caller's memory put in where the
// kernel wants pointers. What they say is the caller's business.

#include "worker.h"

#include <cerrno>
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

} // namespace

void initBpf(Napi::Env env, Napi::Object exports) { exports.Set("bpf", Napi::Function::New(env, bpf)); }

} // namespace tsdocker
