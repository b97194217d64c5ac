#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/codec/error.h"

namespace ensconce::json {

// Value is one JSON value (RFC 8259). Objects keep their order; a duplicate name never parses.
// Integers that fit int64 or uint64 stay integers.
class Value;
using Array = std::vector<Value>;
using Object = std::vector<std::pair<std::string, Value>>;

struct Limits {
  std::size_t max_bytes = std::size_t{16} * 1024 * 1024;
  std::size_t max_depth = 32;
  std::size_t max_values = 8'000'000;
};

class Value {
 public:
  Value() : v_(nullptr) {}
  // Out of line: GCC 12 takes an inlined move of the variant for a read of uninitialised memory.
  ~Value();
  Value(const Value& other);
  Value& operator=(const Value& other);
  Value(Value&& other) noexcept;
  Value& operator=(Value&& other) noexcept;
  // NOLINTBEGIN(google-explicit-constructor): literals of a value.
  Value(std::nullptr_t) : v_(nullptr) {}
  Value(bool b) : v_(b) {}
  Value(int n) : v_(static_cast<std::int64_t>(n)) {}
  Value(std::int64_t n) : v_(n) {}
  Value(std::uint64_t n);  // stored as int64 when it fits
  Value(double d) : v_(d) {}
  Value(std::string text) : v_(std::move(text)) {}
  Value(std::string_view text) : v_(std::string(text)) {}
  Value(const char* text) : v_(std::string(text)) {}
  Value(Array items) : v_(std::move(items)) {}
  Value(Object members) : v_(std::move(members)) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(v_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(v_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(v_); }
  [[nodiscard]] bool is_text() const { return std::holds_alternative<std::string>(v_); }

  // Each getter returns CodecError::kWrongType for another kind; `what` names the field in it.
  [[nodiscard]] Result<bool> as_bool(std::string_view what) const;
  [[nodiscard]] Result<std::int64_t> as_int(std::string_view what) const;
  [[nodiscard]] Result<std::uint64_t> as_uint(std::string_view what) const;
  [[nodiscard]] Result<double> as_double(std::string_view what) const;  // integers too
  [[nodiscard]] Result<std::string> as_text(std::string_view what) const;
  [[nodiscard]] Result<const Array*> as_array(std::string_view what) const;
  [[nodiscard]] Result<const Object*> as_object(std::string_view what) const;
  // find returns the member, or nullptr when this is no object or has no such member.
  [[nodiscard]] const Value* find(std::string_view name) const;

  friend bool operator==(const Value& a, const Value& b);

  using Variant = std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double,
                               std::string, Array, Object>;
  [[nodiscard]] const Variant& variant() const { return v_; }
  [[nodiscard]] Variant& variant() { return v_; }

 private:
  Variant v_;
};

// parse reads one value that fills `text`; UTF-8 is checked.
Result<Value> parse(std::string_view text, const Limits& limits = {});
// write is compact and keeps member order. write_pretty indents by two spaces, for people.
std::string write(const Value& value);
std::string write_pretty(const Value& value);
// write_canonical is RFC 8785 (JCS) for values without doubles; a double is CodecError::kWrongType.
Result<std::string> write_canonical(const Value& value);

// Fields reads an object whose members are all known, like cbor::Fields.
class Fields {
 public:
  static Result<Fields> of(const Value& value, std::string_view what);
  Result<const Value*> take(std::string_view name);
  const Value* take_optional(std::string_view name);
  [[nodiscard]] Result<void> finish() const;

 private:
  const Object* object_ = nullptr;
  std::string what_;
  std::vector<bool> taken_;
};

}  // namespace ensconce::json
