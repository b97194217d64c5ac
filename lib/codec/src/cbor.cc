#include "ensconce/codec/cbor.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "ensconce/codec/utf8.h"
#include "text.h"

namespace ensconce::cbor {
namespace {

// RFC 8949 §3.1.
enum Major : std::uint8_t {
  kUint = 0,
  kNegative = 1,
  kByteString = 2,
  kText = 3,
  kArray = 4,
  kMap = 5,
  kTag = 6,
  kSimple = 7,
};
constexpr std::uint8_t kFalse = 20;
constexpr std::uint8_t kTrue = 21;
constexpr std::uint8_t kNull = 22;

Error wrong_type(std::string_view what, std::string_view expected) {
  return Error(CodecError::kWrongType, std::string(what) + ": expected " + std::string(expected));
}

// --- writing

void write_head(ByteWriter& out, Major major, std::uint64_t argument) {
  const auto top = static_cast<std::uint8_t>(major << 5);
  if (argument < 24) {
    out.u8(static_cast<std::uint8_t>(top | argument));
  } else if (argument <= 0xff) {
    out.u8(top | 24).u8(static_cast<std::uint8_t>(argument));
  } else if (argument <= 0xffff) {
    out.u8(top | 25).u16_be(static_cast<std::uint16_t>(argument));
  } else if (argument <= 0xffffffff) {
    out.u8(top | 26).u32_be(static_cast<std::uint32_t>(argument));
  } else {
    out.u8(top | 27).u64_be(argument);
  }
}

void write_value(ByteWriter& out, const Value& value);

// sorted returns the entries in the order they are written, each with its encoded key.
std::vector<std::pair<Bytes, const Value*>> sorted(const Map& map) {
  std::vector<std::pair<Bytes, const Value*>> entries;
  entries.reserve(map.size());
  for (const auto& [key, content] : map) {
    entries.emplace_back(encode(key), &content);
  }
  std::ranges::sort(entries, {}, &std::pair<Bytes, const Value*>::first);
  return entries;
}

void write_value(ByteWriter& out, const Value& value) {
  std::visit(
      [&out](const auto& v) {
        using T = std::remove_cvref_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          write_head(out, kSimple, kNull);
        } else if constexpr (std::is_same_v<T, std::uint64_t>) {
          write_head(out, kUint, v);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          write_head(out, kNegative, ~static_cast<std::uint64_t>(v));  // -1 - v
        } else if constexpr (std::is_same_v<T, bool>) {
          write_head(out, kSimple, v ? kTrue : kFalse);
        } else if constexpr (std::is_same_v<T, std::string>) {
          write_head(out, kText, v.size());
          out.raw(as_bytes(v));
        } else if constexpr (std::is_same_v<T, Bytes>) {
          write_head(out, kByteString, v.size());
          out.raw(v);
        } else if constexpr (std::is_same_v<T, Array>) {
          write_head(out, kArray, v.size());
          for (const Value& item : v) {
            write_value(out, item);
          }
        } else if constexpr (std::is_same_v<T, Map>) {
          write_head(out, kMap, v.size());
          const auto entries = sorted(v);
          for (std::size_t i = 0; i < entries.size(); ++i) {
            ENSC_CHECK(i == 0 || entries[i - 1].first != entries[i].first);
            out.raw(entries[i].first);
            write_value(out, *entries[i].second);
          }
        } else {
          write_head(out, kTag, v->tag);
          write_value(out, v->content);
        }
      },
      value.variant());
}

// --- reading

struct Head {
  Major major;
  std::uint64_t argument;
};

enum class KeyOrder : std::uint8_t { kSorted, kAny };

class Decoder {
 public:
  Decoder(ByteView bytes, const Limits& limits, KeyOrder order)
      : bytes_(bytes),
        reader_(bytes),
        order_(order),
        items_left_(limits.max_items),
        depth_left_(limits.max_depth) {}

  Result<Value> document() {
    ENSC_TRY(charge(1));
    ENSC_TRY_ASSIGN(Value value, item());
    ENSC_TRY(reader_.finish());
    return value;
  }

 private:
  // charge pays for items as soon as a head announces them, so that what is reserved in all stays
  // within max_items however they are nested.
  Result<void> charge(std::uint64_t items) {
    if (items > items_left_) {
      return Error(CodecError::kTooLarge, "more data items than the limit");
    }
    items_left_ -= static_cast<std::size_t>(items);
    return ok();
  }

  Result<void> enter() {
    if (depth_left_ == 0) {
      return Error(CodecError::kTooDeep, "nested deeper than the limit");
    }
    --depth_left_;
    return ok();
  }
  void leave() { ++depth_left_; }

  Result<Head> head() {
    ENSC_TRY_ASSIGN(const std::uint8_t initial, reader_.u8());
    const auto major = static_cast<Major>(initial >> 5);
    const std::uint8_t info = initial & 0x1f;
    if (info == 31) {
      return Error(CodecError::kNotDeterministic, "an indefinite length or a stray break");
    }
    if (info > 27) {
      return Error(CodecError::kBadCbor, "reserved additional information");
    }
    if (major == kSimple) {
      // 24 is the two-byte form of simple values, 25 … 27 are floats: we use neither.
      if (info != kFalse && info != kTrue && info != kNull) {
        return Error(CodecError::kBadCbor, "a float, undefined or another simple value");
      }
      return Head{major, info};
    }
    std::uint64_t argument = info;
    std::uint64_t minimum = 0;
    switch (info) {
      case 24: {
        ENSC_TRY_ASSIGN(argument, reader_.u8());
        minimum = 24;
        break;
      }
      case 25: {
        ENSC_TRY_ASSIGN(argument, reader_.u16_be());
        minimum = std::uint64_t{1} << 8;
        break;
      }
      case 26: {
        ENSC_TRY_ASSIGN(argument, reader_.u32_be());
        minimum = std::uint64_t{1} << 16;
        break;
      }
      case 27: {
        ENSC_TRY_ASSIGN(argument, reader_.u64_be());
        minimum = std::uint64_t{1} << 32;
        break;
      }
      default:
        break;
    }
    if (argument < minimum) {
      return Error(CodecError::kNotDeterministic, "a head that is not the shortest");
    }
    return Head{major, argument};
  }

  // string takes `len` bytes; the comparison is made before len is narrowed.
  Result<ByteView> string(std::uint64_t len) {
    if (len > reader_.remaining()) {
      return Error(BaseError::kTruncated, "a string is longer than what is left");
    }
    return reader_.take(static_cast<std::size_t>(len));
  }

  Result<Value> item() {
    ENSC_TRY_ASSIGN(const Head h, head());
    switch (h.major) {
      case kUint:
        return Value(h.argument);
      case kNegative:
        if (h.argument > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
          return Error(CodecError::kBadCbor, "a negative integer below -2^63");
        }
        return Value(-1 - static_cast<std::int64_t>(h.argument));
      case kByteString: {
        ENSC_TRY_ASSIGN(const ByteView bytes, string(h.argument));
        return Value(bytes);
      }
      case kText: {
        ENSC_TRY_ASSIGN(const ByteView bytes, string(h.argument));
        if (!is_utf8(as_text(bytes))) {
          return Error(CodecError::kBadCbor, "text that is not UTF-8");
        }
        return Value(as_text(bytes));
      }
      case kArray:
        return array(h.argument);
      case kMap:
        return map(h.argument);
      case kTag: {
        ENSC_TRY(charge(1));
        ENSC_TRY(enter());
        ENSC_TRY_ASSIGN(Value content, item());
        leave();
        return Value::tagged(h.argument, std::move(content));
      }
      case kSimple:
        break;
    }
    return h.argument == kNull ? Value() : Value(h.argument == kTrue);
  }

  Result<Value> array(std::uint64_t count) {
    if (count > reader_.remaining()) {
      return Error(BaseError::kTruncated, "an array has more items than bytes are left");
    }
    ENSC_TRY(charge(count));
    ENSC_TRY(enter());
    Array items;
    items.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      ENSC_TRY_ASSIGN(Value v, item());
      items.push_back(std::move(v));
    }
    leave();
    return Value(std::move(items));
  }

  Result<Value> map(std::uint64_t count) {
    if (count > reader_.remaining() / 2) {
      return Error(BaseError::kTruncated, "a map has more entries than bytes are left");
    }
    ENSC_TRY(charge(2 * count));
    ENSC_TRY(enter());
    Map entries;
    entries.reserve(static_cast<std::size_t>(count));
    std::vector<ByteView> keys;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t start = reader_.offset();
      ENSC_TRY_ASSIGN(Value key, item());
      keys.push_back(bytes_.subspan(start, reader_.offset() - start));
      ENSC_TRY_ASSIGN(Value content, item());
      entries.emplace_back(std::move(key), std::move(content));
    }
    ENSC_TRY(check_order(std::move(keys)));
    leave();
    return Value(std::move(entries));
  }

  [[nodiscard]] Result<void> check_order(std::vector<ByteView> keys) const {
    constexpr auto kLess = [](ByteView a, ByteView b) {
      return std::ranges::lexicographical_compare(a, b);
    };
    const bool sorted = std::ranges::is_sorted(keys, kLess);
    std::ranges::sort(keys, kLess);
    if (std::ranges::adjacent_find(keys, equal) != keys.end()) {
      return Error(CodecError::kDuplicateKey, "a map has a key twice");
    }
    if (!sorted && order_ == KeyOrder::kSorted) {
      return Error(CodecError::kNotDeterministic, "map keys are not sorted");
    }
    return ok();
  }

  ByteView bytes_;
  ByteReader reader_;
  KeyOrder order_;
  std::size_t items_left_;
  std::size_t depth_left_;
};

bool maps_equal(const Map& a, const Map& b) {
  if (a.size() != b.size()) {
    return false;
  }
  return std::ranges::equal(sorted(a), sorted(b), [](const auto& x, const auto& y) {
    return x.first == y.first && *x.second == *y.second;
  });
}

}  // namespace

Value::~Value() = default;
Value::Value(const Value& other) = default;
Value& Value::operator=(const Value& other) = default;
Value::Value(Value&& other) noexcept = default;
Value& Value::operator=(Value&& other) noexcept = default;

Value::Value(int n) : Value(std::int64_t{n}) {}

Value::Value(std::int64_t n) {
  if (n < 0) {
    v_ = n;
  } else {
    v_ = static_cast<std::uint64_t>(n);
  }
}

Value Value::tagged(std::uint64_t tag, Value content) {
  Value out;
  // Shared because Tagged is incomplete where Value is declared; it is const, so copies stay
  // values.
  out.v_ = std::make_shared<const Tagged>(Tagged{tag, std::move(content)});
  return out;
}

Result<std::uint64_t> Value::as_uint(std::string_view what) const {
  if (const auto* n = std::get_if<std::uint64_t>(&v_)) {
    return *n;
  }
  return wrong_type(what, "an unsigned integer");
}

Result<std::int64_t> Value::as_int(std::string_view what) const {
  if (const auto* n = std::get_if<std::int64_t>(&v_)) {
    return *n;
  }
  const auto* n = std::get_if<std::uint64_t>(&v_);
  if (n == nullptr || *n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return wrong_type(what, "a signed 64-bit integer");
  }
  return static_cast<std::int64_t>(*n);
}

Result<bool> Value::as_bool(std::string_view what) const {
  if (const auto* b = std::get_if<bool>(&v_)) {
    return *b;
  }
  return wrong_type(what, "a boolean");
}

Result<std::string> Value::as_text(std::string_view what) const {
  if (const auto* text = std::get_if<std::string>(&v_)) {
    return *text;
  }
  return wrong_type(what, "text");
}

Result<Bytes> Value::as_bytes(std::string_view what) const {
  if (const auto* bytes = std::get_if<Bytes>(&v_)) {
    return *bytes;
  }
  return wrong_type(what, "a byte string");
}

Result<const Array*> Value::as_array(std::string_view what) const {
  if (const auto* items = std::get_if<Array>(&v_)) {
    return items;
  }
  return wrong_type(what, "an array");
}

Result<const Map*> Value::as_map(std::string_view what) const {
  if (const auto* entries = std::get_if<Map>(&v_)) {
    return entries;
  }
  return wrong_type(what, "a map");
}

Result<const Value*> Value::as_tagged(std::uint64_t tag, std::string_view what) const {
  const auto* tagged = std::get_if<std::shared_ptr<const Tagged>>(&v_);
  if (tagged == nullptr || (*tagged)->tag != tag) {
    return wrong_type(what, "tag " + std::to_string(tag));
  }
  return &(*tagged)->content;
}

bool operator==(const Value& a, const Value& b) {
  if (a.v_.index() != b.v_.index()) {
    return false;
  }
  if (const auto* tagged = std::get_if<std::shared_ptr<const Tagged>>(&a.v_)) {
    const auto& other = std::get<std::shared_ptr<const Tagged>>(b.v_);
    return (*tagged)->tag == other->tag && (*tagged)->content == other->content;
  }
  if (const auto* entries = std::get_if<Map>(&a.v_)) {
    return maps_equal(*entries, std::get<Map>(b.v_));
  }
  return a.v_ == b.v_;
}

Bytes encode(const Value& value) {
  ByteWriter out;
  write_value(out, value);
  return std::move(out).take();
}

Result<Value> decode(ByteView bytes, const Limits& limits) {
  return Decoder(bytes, limits, KeyOrder::kSorted).document();
}

Result<Value> decode_unsorted(ByteView bytes, const Limits& limits) {
  return Decoder(bytes, limits, KeyOrder::kAny).document();
}

Result<Fields> Fields::of(const Value& value, std::string_view what) {
  ENSC_TRY_ASSIGN(const Map* map, value.as_map(what));
  for (const auto& [key, content] : *map) {
    if (!std::holds_alternative<std::string>(key.variant())) {
      return wrong_type(what, "a map with text keys");
    }
  }
  Fields fields;
  fields.map_ = map;
  fields.what_ = what;
  fields.taken_.resize(map->size());
  return fields;
}

Result<const Value*> Fields::take(std::string_view name) {
  if (const Value* value = take_optional(name)) {
    return value;
  }
  return Error(CodecError::kMissingField, what_ + ": no member \"" + std::string(name) + "\"");
}

const Value* Fields::take_optional(std::string_view name) {
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    const auto& [key, content] = (*map_)[i];
    if (std::get<std::string>(key.variant()) == name) {
      taken_[i] = true;
      return &content;
    }
  }
  return nullptr;
}

Result<void> Fields::finish() const {
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i]) {
      const auto& name = std::get<std::string>((*map_)[i].first.variant());
      return Error(CodecError::kUnknownField,
                   what_ + ": unknown member " + internal::printable_name(name));
    }
  }
  return ok();
}

}  // namespace ensconce::cbor
