// Prepared replies: a datagram that was answered before is answered again, in batches, without a word of JavaScript.
// Its first two bytes (whatever the asker counts by) are repeated; parts of the reply may change places each time.

#include "datagrams.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string_view>

namespace tsdocker {
namespace {

constexpr size_t ownBytes = 2;        // of the asker, in front of question and reply
constexpr size_t mostReplies = 512;   // what is asked again and again is not much,
constexpr size_t longestQuestion = 256; // and short
constexpr size_t longestReply = 512;

/** `count` parts of `size` bytes, from the one at `from` on. */
struct Parts {
  size_t from;
  size_t size;
  size_t count;
};

struct Prepared {
  std::string bytes; // without the asker's
  Parts parts;
};

/** Of one socket; forgets everything when it is full or the version is another. A tree: askers choose the keys. */
class Replies {
public:
  const Prepared *find(uint32_t version, std::string_view question) const {
    if (version != version_) return nullptr;
    auto found = byQuestion_.find(question);
    return found == byQuestion_.end() ? nullptr : &found->second;
  }

  void put(uint32_t version, std::string_view question, Prepared reply) {
    if (version != version_ || byQuestion_.size() >= mostReplies) byQuestion_.clear();
    version_ = version;
    byQuestion_.insert_or_assign(std::string(question), std::move(reply));
  }

  void clear() { byQuestion_.clear(); }

  /** Fisher–Yates. */
  void shuffle(char *reply, const Parts &parts) {
    char *first = reply + parts.from;
    for (size_t last = parts.count; last-- > 1;) {
      const size_t other = random_() % (last + 1);
      if (other != last) std::swap_ranges(first + last * parts.size, first + (last + 1) * parts.size, first + other * parts.size);
    }
  }

private:
  uint32_t version_ = 0;
  std::map<std::string, Prepared, std::less<>> byQuestion_;
  std::minstd_rand random_{std::random_device{}()};
};

Replies &repliesOf(const Napi::Value &value) { return *value.As<Napi::External<Replies>>().Data(); }

std::string_view viewOf(const Napi::Value &value) {
  auto bytes = value.As<Napi::Uint8Array>();
  return {reinterpret_cast<char *>(bytes.Data()), bytes.ByteLength()};
}

/** True when the slot holds the reply now. */
bool reply(Replies &replies, uint32_t version, const Slots &slots, size_t slot) {
  char *bytes = slots.bytes + slot * slots.slotSize;
  const int32_t size = slots.sizes[slot];
  if (size < static_cast<int32_t>(ownBytes)) return false;
  const Prepared *prepared = replies.find(version, {bytes + ownBytes, size - ownBytes});
  if (!prepared || ownBytes + prepared->bytes.size() > slots.slotSize) return false;
  memcpy(bytes + ownBytes, prepared->bytes.data(), prepared->bytes.size());
  replies.shuffle(bytes, prepared->parts);
  slots.sizes[slot] = static_cast<int32_t>(ownBytes + prepared->bytes.size());
  return true;
}

// datagramsAnswer(fd, replies, version, slab, sizes, peers): count; receives a batch and answers what it can, whose
// slots get size 0. 0 when nothing is left to answer
Napi::Value datagramsAnswer(const Napi::CallbackInfo &info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  auto &replies = repliesOf(info[1]);
  const uint32_t version = info[2].As<Napi::Number>().Uint32Value();
  const Slots slots = slotsOf(info, 3);
  const size_t count = now(info.Env(), [&] { return Receiving().receive(fd, slots); });
  Sending answers(slots);
  std::array<bool, mostSlots> isAnswered{};
  size_t left = count;
  for (size_t slot = 0; slot < count; slot++) {
    if (!reply(replies, version, slots, slot)) continue;
    isAnswered[slot] = true;
    answers.add(slot);
    left--;
  }
  answers.send(fd);
  for (size_t slot = 0; slot < count; slot++)
    if (isAnswered[slot]) slots.sizes[slot] = 0;
  return Napi::Number::New(info.Env(), static_cast<double>(left > 0 ? count : 0));
}

// repliesCreate(): replies
Napi::Value repliesCreate(const Napi::CallbackInfo &info) {
  return Napi::External<Replies>::New(info.Env(), new Replies, [](Napi::Env, Replies *replies) { delete replies; });
}

// repliesPut(replies, version, question, reply, from, size, count): void; long ones are not kept
Napi::Value repliesPut(const Napi::CallbackInfo &info) {
  auto number = [&](size_t at) { return info[at].As<Napi::Number>().Uint32Value(); };
  const auto question = viewOf(info[2]);
  const auto reply = viewOf(info[3]);
  const Parts parts{number(4), number(5), number(6)};
  if (parts.from + parts.size * parts.count > reply.size()) throw Napi::RangeError::New(info.Env(), "parts beyond the reply");
  if (question.size() < ownBytes || question.size() > longestQuestion) return info.Env().Undefined();
  if (reply.size() < ownBytes || reply.size() > longestReply) return info.Env().Undefined();
  repliesOf(info[0]).put(number(1), question.substr(ownBytes), {std::string(reply.substr(ownBytes)), parts});
  return info.Env().Undefined();
}

// repliesClear(replies): void
Napi::Value repliesClear(const Napi::CallbackInfo &info) {
  repliesOf(info[0]).clear();
  return info.Env().Undefined();
}

} // namespace

void initReplies(Napi::Env env, Napi::Object exports) {
  exports.Set("datagramsAnswer", Napi::Function::New(env, datagramsAnswer));
  exports.Set("repliesCreate", Napi::Function::New(env, repliesCreate));
  exports.Set("repliesPut", Napi::Function::New(env, repliesPut));
  exports.Set("repliesClear", Napi::Function::New(env, repliesClear));
}

} // namespace tsdocker
