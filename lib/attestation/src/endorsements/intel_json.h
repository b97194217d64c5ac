#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/codec/json.h"

// What TCB info and QE identity share. Errors here are of whoever found them; the parser gives them
// its own code.
namespace ensconce::internal {

// SignedJson is an answer of Intel's service, {"<member>":{…},"signature":"<128 hex>"}, taken
// apart.
struct SignedJson {
  ByteView signed_bytes;  // the inner object as it stands in the text; borrowed
  json::Value inner;
  ByteArray<64> signature{};
};
// read_signed_json takes exactly these two members, once each, in either order.
Result<SignedJson> read_signed_json(ByteView text, std::string_view member);

// JsonObject reads one object by the names of its members, each of its type and within its range.
// Others are left alone. It borrows the value it reads.
class JsonObject {
 public:
  static Result<JsonObject> of(const json::Value& value, std::string what);

  [[nodiscard]] const json::Value* find(std::string_view name) const;
  [[nodiscard]] Result<std::uint64_t> uint(std::string_view name, std::uint64_t max) const;
  [[nodiscard]] Result<std::string> text(std::string_view name) const;
  [[nodiscard]] Result<Instant> time(std::string_view name) const;  // RFC 3339, UTC, whole seconds
  [[nodiscard]] Result<JsonObject> object(std::string_view name) const;
  [[nodiscard]] Result<const json::Array*> array(std::string_view name, std::size_t min,
                                                 std::size_t max) const;
  template <std::size_t N>
  [[nodiscard]] Result<ByteArray<N>> hex(std::string_view name) const {
    ENSC_TRY_ASSIGN(const Bytes bytes, hex_bytes(name));
    auto out = to_array<N>(bytes);
    if (!out) {
      return out.error().with_context(path(name));
    }
    return out;
  }
  // path names a member of this object in errors.
  [[nodiscard]] std::string path(std::string_view name) const;

 private:
  [[nodiscard]] Result<const json::Value*> take(std::string_view name) const;
  [[nodiscard]] Result<Bytes> hex_bytes(std::string_view name) const;

  const json::Value* value_ = nullptr;
  std::string what_;
};

// read_validity reads issueDate and nextUpdate; the first is not after the second.
Result<void> read_validity(const JsonObject& object, Instant& issued, Instant& next_update);

// Which statuses a level may have: a module or an enclave is up to date or not, and no more.
enum class LevelKind : std::uint8_t { kPlatform, kSvn };
Result<IntelTcbStatus> read_status(const JsonObject& level, LevelKind kind);
Result<std::vector<std::string>> read_advisories(const JsonObject& level);
// read_svn_levels reads tcbLevels of a module or an enclave, highest first.
Result<std::vector<SvnLevel>> read_svn_levels(const JsonObject& owner);

}  // namespace ensconce::internal
