#include "intel_json.h"

#include <algorithm>
#include <optional>

#include "ensconce/base/printable.h"

namespace ensconce::internal {
namespace {

constexpr std::size_t kSignatureDigits = 128;
constexpr std::size_t kMaxSvnLevels = 256;
constexpr std::size_t kMaxAdvisories = 64;
constexpr std::size_t kMaxAdvisoryLen = 64;
// The deepest thing is tcbLevels[].tcb.sgxtcbcomponents[].svn; the largest answers have a few
// thousand values.
constexpr json::Limits kLimits{.max_bytes = kMaxIntelJson, .max_depth = 12, .max_values = 65536};

Error bad(std::string detail) { return Error(CodecError::kBadJson, std::move(detail)); }

// Scanner finds where the inner object begins and ends in the text, for the signature covers its
// bytes as they were sent (PCS API v4, "Get TCB Info"). It knows strings and braces and no more:
// what it found is judged as JSON afterwards.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // symbol takes one character and the white space before it.
  Result<void> symbol(char expected) {
    if (!next_is(expected)) {
      return bad(std::string("expected '") + expected + "' at offset " + std::to_string(at_));
    }
    ++at_;
    return ok();
  }

  // raw_string takes a string and returns what stands between its quotes, escapes and all.
  Result<std::string_view> raw_string() {
    ENSC_TRY(symbol('"'));
    const std::size_t begin = at_;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        return text_.substr(begin, at_++ - begin);
      }
      if (text_[at_] == '\\') {
        ++at_;
      }
    }
    return bad("a string that does not end");
  }

  // object takes from a '{' to the '}' that closes it.
  Result<std::string_view> object() {
    ENSC_TRY(symbol('{'));
    const std::size_t begin = at_ - 1;
    std::size_t depth = 1;
    while (at_ < text_.size()) {
      if (text_[at_] == '"') {
        ENSC_TRY(raw_string());
        continue;
      }
      const char c = text_[at_++];
      if (c == '{') {
        ++depth;
      } else if (c == '}' && --depth == 0) {
        return text_.substr(begin, at_ - begin);
      }
    }
    return bad("an object that does not end");
  }

  Result<void> end() {
    skip_space();
    if (at_ != text_.size()) {
      return bad("bytes after the end, at offset " + std::to_string(at_));
    }
    return ok();
  }

 private:
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool next_is(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Result<ByteArray<64>> read_signature(std::string_view digits) {
  const auto bytes = from_hex(digits);
  if (digits.size() != kSignatureDigits || !bytes) {
    return bad("\"signature\" is not 128 hex digits");
  }
  return to_array<64>(*bytes);
}

}  // namespace

Result<SignedJson> read_signed_json(ByteView text, std::string_view member) {
  if (text.size() > kMaxIntelJson) {
    return Error(CodecError::kTooLarge, "more than 256 KiB");
  }
  std::optional<std::string_view> inner;
  std::optional<std::string_view> signature;
  Scanner scanner(as_text(text));
  ENSC_TRY(scanner.symbol('{'));
  for (int i = 0; i < 2; ++i) {
    if (i > 0) {
      ENSC_TRY(scanner.symbol(','));
    }
    ENSC_TRY_ASSIGN(const std::string_view name, scanner.raw_string());
    ENSC_TRY(scanner.symbol(':'));
    if (name == member && !inner.has_value()) {
      ENSC_TRY_ASSIGN(inner, scanner.object());
    } else if (name == "signature" && !signature.has_value()) {
      ENSC_TRY_ASSIGN(signature, scanner.raw_string());
    } else {
      return bad("a member other than \"" + std::string(member) +
                 "\" and \"signature\", or one of them twice");
    }
  }
  ENSC_TRY(scanner.symbol('}'));
  ENSC_TRY(scanner.end());
  // Two members, neither twice: both are there.
  SignedJson out;
  out.signed_bytes = as_bytes(*inner);
  ENSC_TRY_ASSIGN(out.signature, read_signature(*signature));
  ENSC_TRY_ASSIGN(out.inner, json::parse(*inner, kLimits));
  return out;
}

// ---- JsonObject -----------------------------------------------------------------------------

Result<JsonObject> JsonObject::of(const json::Value& value, std::string what) {
  if (!value.is_object()) {
    return Error(CodecError::kWrongType, what + ": expected an object");
  }
  JsonObject out;
  out.value_ = &value;
  out.what_ = std::move(what);
  return out;
}

std::string JsonObject::path(std::string_view name) const {
  return what_ + "." + std::string(name);
}

const json::Value* JsonObject::find(std::string_view name) const { return value_->find(name); }

Result<const json::Value*> JsonObject::take(std::string_view name) const {
  const json::Value* value = find(name);
  if (value == nullptr) {
    return Error(CodecError::kMissingField, path(name) + " is missing");
  }
  return value;
}

Result<std::uint64_t> JsonObject::uint(std::string_view name, std::uint64_t max) const {
  ENSC_TRY_ASSIGN(const json::Value* value, take(name));
  ENSC_TRY_ASSIGN(const std::uint64_t number, value->as_uint(path(name)));
  if (number > max) {
    return Error(CodecError::kTooLarge, path(name) + " is beyond " + std::to_string(max));
  }
  return number;
}

Result<std::string> JsonObject::text(std::string_view name) const {
  ENSC_TRY_ASSIGN(const json::Value* value, take(name));
  return value->as_text(path(name));
}

Result<Instant> JsonObject::time(std::string_view name) const {
  ENSC_TRY_ASSIGN(const std::string written, text(name));
  const auto instant = from_rfc3339(written);
  // Written back it is the same: no 30th of February, no blanks for digits.
  if (!instant || to_rfc3339(*instant) != written) {
    return bad(path(name) + " is no UTC time such as 2026-11-23T05:00:29Z");
  }
  return *instant;
}

Result<JsonObject> JsonObject::object(std::string_view name) const {
  ENSC_TRY_ASSIGN(const json::Value* value, take(name));
  return of(*value, path(name));
}

Result<const json::Array*> JsonObject::array(std::string_view name, std::size_t min,
                                             std::size_t max) const {
  ENSC_TRY_ASSIGN(const json::Value* value, take(name));
  ENSC_TRY_ASSIGN(const json::Array* items, value->as_array(path(name)));
  if (items->size() < min || items->size() > max) {
    return Error(CodecError::kTooLarge, path(name) + " has " + std::to_string(items->size()) +
                                            " items; " + std::to_string(min) + " to " +
                                            std::to_string(max) + " are expected");
  }
  return items;
}

Result<Bytes> JsonObject::hex_bytes(std::string_view name) const {
  ENSC_TRY_ASSIGN(const std::string digits, text(name));
  auto bytes = from_hex(digits);
  if (!bytes) {
    return bytes.error().with_context(path(name));
  }
  return bytes;
}

// ---- What both have -------------------------------------------------------------------------

namespace {

bool may_have(LevelKind kind, IntelTcbStatus status) {
  switch (status) {
    case IntelTcbStatus::kUpToDate:
    case IntelTcbStatus::kOutOfDate:
    case IntelTcbStatus::kRevoked:
      return true;
    case IntelTcbStatus::kSwHardeningNeeded:
    case IntelTcbStatus::kConfigurationNeeded:
    case IntelTcbStatus::kConfigurationAndSwHardeningNeeded:
    case IntelTcbStatus::kOutOfDateConfigurationNeeded:
      return kind == LevelKind::kPlatform;
    case IntelTcbStatus::kTdRelaunchAdvised:  // what a verifier concludes, never what Intel lists
    case IntelTcbStatus::kTdRelaunchAdvisedConfigurationNeeded:
      break;
  }
  return false;
}

}  // namespace

Result<void> read_validity(const JsonObject& object, Instant& issued, Instant& next_update) {
  ENSC_TRY_ASSIGN(issued, object.time("issueDate"));
  ENSC_TRY_ASSIGN(next_update, object.time("nextUpdate"));
  if (next_update < issued) {
    return bad(object.path("nextUpdate") + " is before issueDate");
  }
  return ok();
}

Result<IntelTcbStatus> read_status(const JsonObject& level, LevelKind kind) {
  ENSC_TRY_ASSIGN(const std::string name, level.text("tcbStatus"));
  const auto status = intel_tcb_status_from_name(name);
  if (!status.has_value() || !may_have(kind, *status)) {
    return bad(level.path("tcbStatus") + " is no status such a level has");
  }
  return *status;
}

Result<std::vector<std::string>> read_advisories(const JsonObject& level) {
  std::vector<std::string> out;
  if (level.find("advisoryIDs") == nullptr) {
    return out;
  }
  ENSC_TRY_ASSIGN(const json::Array* items, level.array("advisoryIDs", 0, kMaxAdvisories));
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(std::string id, item.as_text(level.path("advisoryIDs")));
    if (id.empty() || id.size() > kMaxAdvisoryLen || printable(id) != id) {
      return bad(level.path("advisoryIDs") + ": not 1 to 64 printable characters");
    }
    out.push_back(std::move(id));
  }
  return out;
}

Result<std::vector<SvnLevel>> read_svn_levels(const JsonObject& owner) {
  ENSC_TRY_ASSIGN(const json::Array* items, owner.array("tcbLevels", 1, kMaxSvnLevels));
  std::vector<SvnLevel> out;
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(const JsonObject level, JsonObject::of(item, owner.path("tcbLevels[]")));
    ENSC_TRY_ASSIGN(const JsonObject tcb, level.object("tcb"));
    SvnLevel entry;
    ENSC_TRY_ASSIGN(const std::uint64_t svn, tcb.uint("isvsvn", 0xffff));
    entry.isv_svn = static_cast<std::uint16_t>(svn);
    ENSC_TRY_ASSIGN(entry.date, level.time("tcbDate"));
    ENSC_TRY_ASSIGN(entry.status, read_status(level, LevelKind::kSvn));
    ENSC_TRY_ASSIGN(entry.advisories, read_advisories(level));
    out.push_back(std::move(entry));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const SvnLevel& a, const SvnLevel& b) { return a.isv_svn > b.isv_svn; });
  return out;
}

}  // namespace ensconce::internal
