#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/codec/error.h"

namespace ensconce::cbor {

// Value is one CBOR data item of the kinds our formats use: integers, byte and text strings,
// arrays, maps, booleans, null and tags. encode writes the deterministic form of RFC 8949 §4.2.1
// (shortest heads, definite lengths, map keys sorted bytewise by their encoding); decode accepts
// that form alone.
class Value;
using Array = std::vector<Value>;
using Map = std::vector<std::pair<Value, Value>>;
struct Tagged;

struct Limits {
  std::size_t max_depth = 16;
  std::size_t max_items = 65536;  // data items in all
};

class Value {
 public:
  Value() : v_(std::monostate{}) {}  // null
  // Out of line: GCC 12 takes an inlined move of the variant for a read of uninitialised memory.
  ~Value();
  Value(const Value& other);
  Value& operator=(const Value& other);
  Value(Value&& other) noexcept;
  Value& operator=(Value&& other) noexcept;
  // NOLINTBEGIN(google-explicit-constructor): literals of a data item.
  Value(std::uint64_t n) : v_(n) {}
  Value(int n);
  Value(std::int64_t n);
  Value(bool b) : v_(b) {}
  Value(std::string text) : v_(std::move(text)) {}
  Value(std::string_view text) : v_(std::string(text)) {}
  Value(const char* text) : v_(std::string(text)) {}
  Value(Bytes bytes) : v_(std::move(bytes)) {}
  Value(ByteView bytes) : v_(to_bytes(bytes)) {}
  template <std::size_t N>
  Value(const ByteArray<N>& bytes) : v_(to_bytes(ByteView(bytes))) {}
  Value(Array items) : v_(std::move(items)) {}
  Value(Map entries) : v_(std::move(entries)) {}
  // NOLINTEND(google-explicit-constructor)
  static Value tagged(std::uint64_t tag, Value content);

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(v_); }
  // Each getter returns CodecError::kWrongType for another kind; `what` names the field in it.
  [[nodiscard]] Result<std::uint64_t> as_uint(std::string_view what) const;
  [[nodiscard]] Result<std::int64_t> as_int(std::string_view what) const;
  [[nodiscard]] Result<bool> as_bool(std::string_view what) const;
  [[nodiscard]] Result<std::string> as_text(std::string_view what) const;
  [[nodiscard]] Result<Bytes> as_bytes(std::string_view what) const;
  // as_fixed also refuses another length.
  template <std::size_t N>
  [[nodiscard]] Result<ByteArray<N>> as_fixed(std::string_view what) const {
    ENSC_TRY_ASSIGN(const Bytes bytes, as_bytes(what));
    auto out = to_array<N>(bytes);
    if (!out) {
      return out.error().with_context(what);
    }
    return *out;
  }
  [[nodiscard]] Result<const Array*> as_array(std::string_view what) const;
  [[nodiscard]] Result<const Map*> as_map(std::string_view what) const;
  // as_tagged returns the content when the tag is `tag`.
  [[nodiscard]] Result<const Value*> as_tagged(std::uint64_t tag, std::string_view what) const;

  friend bool operator==(const Value& a, const Value& b);

  using Variant = std::variant<std::monostate, std::uint64_t, std::int64_t /* negative */, bool,
                               std::string, Bytes, Array, Map, std::shared_ptr<const Tagged>>;
  [[nodiscard]] const Variant& variant() const { return v_; }

 private:
  Variant v_;
};

struct Tagged {
  std::uint64_t tag;
  Value content;
};

// encode writes the deterministic form. Duplicate map keys are a broken invariant of ours.
Bytes encode(const Value& value);
// decode reads exactly one item that fills `bytes`.
Result<Value> decode(ByteView bytes, const Limits& limits = {});
// decode_unsorted is decode for forms of others, who write the keys of a map in any order. All else
// is as strict, and a key that stands twice is refused.
Result<Value> decode_unsorted(ByteView bytes, const Limits& limits = {});

// Fields reads a map with text keys whose members are all known: take each by name, then finish
// refuses what was not taken (CodecError::kUnknownField). A missing one is kMissingField.
class Fields {
 public:
  // of fails with kWrongType when `value` is no map or has a key that is not text. Borrows.
  static Result<Fields> of(const Value& value, std::string_view what);
  Result<const Value*> take(std::string_view name);
  // take_optional returns nullptr when the member is absent.
  const Value* take_optional(std::string_view name);
  [[nodiscard]] Result<void> finish() const;

 private:
  const Map* map_ = nullptr;
  std::string what_;
  std::vector<bool> taken_;
};

}  // namespace ensconce::cbor
