#include "ensconce/codec/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "ensconce/codec/utf8.h"
#include "text.h"

// Boost.JSON's tokeniser is compiled into this file, and no more of Boost.JSON than it needs: a
// worker then has no further library to load and measure. Duplicates, depth, counts and numbers are
// judged here.
#define BOOST_JSON_SOURCE
// clang-format off
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/impl/error.ipp>
#include <boost/json/detail/impl/default_resource.ipp>
#include <boost/json/detail/impl/except.ipp>
#include <boost/json/detail/impl/shared_resource.ipp>
#include <boost/json/detail/impl/stack.ipp>
// clang-format on

#ifdef BOOST_NO_EXCEPTIONS
// Boost asks for these where exceptions are off. The tokeniser throws nothing but bad_alloc.
namespace boost {
void throw_exception(const std::exception&) { std::abort(); }
void throw_exception(const std::exception&, const source_location&) { std::abort(); }
}  // namespace boost
#endif

namespace ensconce::json {
namespace {

constexpr std::int64_t kMaxSafeInteger = (std::int64_t{1} << 53) - 1;  // RFC 7493 §2.2

Error wrong_type(std::string_view what, std::string_view expected) {
  return Error(CodecError::kWrongType, std::string(what) + ": expected " + std::string(expected));
}

bool has_duplicate(const Object& members) {
  constexpr std::size_t kFew = 8;
  if (members.size() <= kFew) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (members[i].first == members[j].first) {
          return true;
        }
      }
    }
    return false;
  }
  std::vector<std::string_view> names;
  names.reserve(members.size());
  for (const auto& [name, value] : members) {
    names.push_back(name);
  }
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) != names.end();
}

// --- reading

// Handler builds a Value from the tokens Boost hands it. It is one stack of open containers; every
// callback returns false, with `ec` set, to stop the parse.
class Handler {
 public:
  using error_code = boost::json::error_code;

  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  explicit Handler(const Limits& limits)
      : values_left_(limits.max_values), max_depth_(limits.max_depth) {}

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code& ec) { return open(Object(), ec); }
  bool on_object_end(std::size_t, error_code& ec) {
    if (has_duplicate(std::get<Object>(open_.back().container))) {
      return stop(Error(CodecError::kDuplicateKey, "an object has a name twice"), ec);
    }
    return close(ec);
  }
  bool on_array_begin(error_code& ec) { return open(Array(), ec); }
  bool on_array_end(std::size_t, error_code& ec) { return close(ec); }

  bool on_key_part(boost::json::string_view part, std::size_t, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_key(boost::json::string_view last, std::size_t, error_code&) {
    text_.append(last.data(), last.size());
    open_.back().name = std::exchange(text_, {});
    return true;
  }
  bool on_string_part(boost::json::string_view part, std::size_t, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(boost::json::string_view last, std::size_t, error_code& ec) {
    text_.append(last.data(), last.size());
    return add(Value(std::exchange(text_, {})), ec);
  }

  // The whole text is handed over in one piece, so that a number never comes in parts.
  bool on_number_part(boost::json::string_view, error_code& ec) {
    return stop(Error(CodecError::kBadJson, "a number is cut off"), ec);
  }
  bool on_int64(std::int64_t n, boost::json::string_view text, error_code& ec) {
    if (n == 0 && text.starts_with('-')) {
      return add(Value(-0.0), ec);
    }
    return add(Value(n), ec);
  }
  bool on_uint64(std::uint64_t n, boost::json::string_view, error_code& ec) {
    return add(Value(n), ec);
  }
  // Boost 1.81 rounds a double twice; the text is read again so that the nearest one is had.
  bool on_double(double approximate, boost::json::string_view text, error_code& ec) {
    double d = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), d);
    if (error == std::errc::result_out_of_range) {
      if (!(std::abs(approximate) < 1)) {
        return stop(Error(CodecError::kBadJson, "a number is out of range"), ec);
      }
      d = std::copysign(0.0, approximate);
    } else if (error != std::errc() || end != text.data() + text.size()) {
      return stop(Error(CodecError::kBadJson, "not a number"), ec);
    }
    return add(Value(d), ec);
  }
  bool on_bool(bool b, error_code& ec) { return add(Value(b), ec); }
  bool on_null(error_code& ec) { return add(Value(), ec); }
  bool on_comment_part(boost::json::string_view, error_code&) { return false; }
  bool on_comment(boost::json::string_view, error_code&) { return false; }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  Value take() { return std::move(root_); }

 private:
  struct Open {
    std::variant<Array, Object> container;
    std::string name;  // of the member that comes next
  };

  bool stop(Error error, error_code& ec) {
    error_ = std::move(error);
    ec = boost::json::error::syntax;
    return false;
  }

  template <typename Container>
  bool open(Container container, error_code& ec) {
    if (open_.size() >= max_depth_) {
      return stop(Error(CodecError::kTooDeep, "nested deeper than the limit"), ec);
    }
    open_.push_back(Open{std::move(container), {}});
    return true;
  }

  bool close(error_code& ec) {
    Value value = std::visit([](auto&& container) { return Value(std::move(container)); },
                             std::move(open_.back().container));
    open_.pop_back();
    return add(std::move(value), ec);
  }

  bool add(Value value, error_code& ec) {
    if (values_left_ == 0) {
      return stop(Error(CodecError::kTooLarge, "more values than the limit"), ec);
    }
    --values_left_;
    if (open_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Open& parent = open_.back();
    if (auto* items = std::get_if<Array>(&parent.container)) {
      items->push_back(std::move(value));
    } else {
      std::get<Object>(parent.container).emplace_back(std::move(parent.name), std::move(value));
    }
    return true;
  }

  std::size_t values_left_;
  std::size_t max_depth_;
  std::vector<Open> open_;
  std::string text_;
  Value root_;
  std::optional<Error> error_;
};

// --- writing

void write_text(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  std::size_t plain = 0;  // how much from the front needs no escape
  const auto flush = [&] {
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    plain = 0;
  };
  while (plain < text.size()) {
    const char c = text[plain];
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\') {
      ++plain;
      continue;
    }
    if (byte >= 0x80) {
      const std::size_t len = utf8_length(text.substr(plain));
      if (len == 0) {
        flush();
        text.remove_prefix(1);
        out.append("\xef\xbf\xbd");  // U+FFFD: what we write is always UTF-8
      } else {
        plain += len;
      }
      continue;
    }
    flush();
    text.remove_prefix(1);
    out.push_back('\\');
    switch (c) {
      case '"':
      case '\\':
        out.push_back(c);
        break;
      case '\b':
        out.push_back('b');
        break;
      case '\f':
        out.push_back('f');
        break;
      case '\n':
        out.push_back('n');
        break;
      case '\r':
        out.push_back('r');
        break;
      case '\t':
        out.push_back('t');
        break;
      default:
        out.append("u00");
        out.push_back(kHex[byte >> 4]);
        out.push_back(kHex[byte & 15]);
    }
  }
  flush();
  out.push_back('"');
}

template <typename Integer>
void write_integer(std::string& out, Integer n) {
  std::array<char, 24> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), n);
  out.append(buffer.data(), result.ptr);
}

void write_double(std::string& out, double d) {
  if (!std::isfinite(d)) {
    out.append("null");
    return;
  }
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), d);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data()));
  out.append(text);
  if (text.find_first_of(".e") == std::string_view::npos) {
    out.append(".0");  // a double stays one when it is read again
  }
}

// Style is how write and write_pretty differ: `indent` is empty for compact.
struct Style {
  std::string_view indent;
  [[nodiscard]] bool pretty() const { return !indent.empty(); }
  void line(std::string& out, std::size_t depth) const {
    if (pretty()) {
      out.push_back('\n');
      for (std::size_t i = 0; i < depth; ++i) {
        out.append(indent);
      }
    }
  }
};

void write_value(std::string& out, const Value& value, const Style& style, std::size_t depth) {
  std::visit(
      [&](const auto& v) {
        using T = std::remove_cvref_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::nullptr_t>) {
          out.append("null");
        } else if constexpr (std::is_same_v<T, bool>) {
          out.append(v ? "true" : "false");
        } else if constexpr (std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint64_t>) {
          write_integer(out, v);
        } else if constexpr (std::is_same_v<T, double>) {
          write_double(out, v);
        } else if constexpr (std::is_same_v<T, std::string>) {
          write_text(out, v);
        } else if constexpr (std::is_same_v<T, Array>) {
          out.push_back('[');
          for (std::size_t i = 0; i < v.size(); ++i) {
            if (i > 0) {
              out.push_back(',');
            }
            style.line(out, depth + 1);
            write_value(out, v[i], style, depth + 1);
          }
          if (!v.empty()) {
            style.line(out, depth);
          }
          out.push_back(']');
        } else {
          out.push_back('{');
          for (std::size_t i = 0; i < v.size(); ++i) {
            if (i > 0) {
              out.push_back(',');
            }
            style.line(out, depth + 1);
            write_text(out, v[i].first);
            out.append(style.pretty() ? ": " : ":");
            write_value(out, v[i].second, style, depth + 1);
          }
          if (!v.empty()) {
            style.line(out, depth);
          }
          out.push_back('}');
        }
      },
      value.variant());
}

// utf16_less orders UTF-8 texts by their UTF-16 code units (RFC 8785 §3.2.3). That is the order of
// the bytes, but for planes above the first: their surrogates sort before U+E000 … U+FFFF.
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [at_a, at_b] = std::ranges::mismatch(a, b);
  if (at_a == a.end() || at_b == b.end()) {
    return a.size() < b.size();
  }
  const auto rank = [](char c) {
    const auto byte = static_cast<std::uint8_t>(c);
    return byte == 0xee || byte == 0xef ? byte + 0x10 : int{byte};
  };
  return rank(*at_a) < rank(*at_b);
}

Result<void> write_canonical_text(std::string& out, std::string_view text) {
  if (!is_utf8(text)) {
    return Error(CodecError::kBadJson, "text that is not UTF-8 has no canonical form");
  }
  write_text(out, text);
  return ok();
}

Result<void> write_canonical_value(std::string& out, const Value& value) {
  if (const auto* items = std::get_if<Array>(&value.variant())) {
    out.push_back('[');
    for (std::size_t i = 0; i < items->size(); ++i) {
      if (i > 0) {
        out.push_back(',');
      }
      ENSC_TRY(write_canonical_value(out, (*items)[i]));
    }
    out.push_back(']');
    return ok();
  }
  if (const auto* members = std::get_if<Object>(&value.variant())) {
    if (has_duplicate(*members)) {
      return Error(CodecError::kDuplicateKey, "an object has a name twice");
    }
    std::vector<const Object::value_type*> order;
    order.reserve(members->size());
    for (const auto& member : *members) {
      order.push_back(&member);
    }
    std::ranges::sort(order, utf16_less,
                      [](const Object::value_type* m) { return std::string_view(m->first); });
    out.push_back('{');
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i > 0) {
        out.push_back(',');
      }
      ENSC_TRY(write_canonical_text(out, order[i]->first));
      out.push_back(':');
      ENSC_TRY(write_canonical_value(out, order[i]->second));
    }
    out.push_back('}');
    return ok();
  }
  if (const auto* text = std::get_if<std::string>(&value.variant())) {
    return write_canonical_text(out, *text);
  }
  if (std::holds_alternative<double>(value.variant())) {
    return Error(CodecError::kWrongType, "a double in a canonical form");
  }
  const auto* n = std::get_if<std::int64_t>(&value.variant());
  if (std::holds_alternative<std::uint64_t>(value.variant()) ||
      (n != nullptr && (*n > kMaxSafeInteger || *n < -kMaxSafeInteger))) {
    return Error(CodecError::kTooLarge, "an integer beyond 2^53 - 1 has no canonical form");
  }
  write_value(out, value, Style{}, 0);
  return ok();
}

}  // namespace

Value::~Value() = default;
Value::Value(const Value& other) = default;
Value& Value::operator=(const Value& other) = default;
Value::Value(Value&& other) noexcept = default;
Value& Value::operator=(Value&& other) noexcept = default;

Value::Value(std::uint64_t n) {
  if (n <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    v_ = static_cast<std::int64_t>(n);
  } else {
    v_ = n;
  }
}

Result<bool> Value::as_bool(std::string_view what) const {
  if (const auto* b = std::get_if<bool>(&v_)) {
    return *b;
  }
  return wrong_type(what, "true or false");
}

Result<std::int64_t> Value::as_int(std::string_view what) const {
  if (const auto* n = std::get_if<std::int64_t>(&v_)) {
    return *n;
  }
  return wrong_type(what, "a signed 64-bit integer");
}

Result<std::uint64_t> Value::as_uint(std::string_view what) const {
  if (const auto* n = std::get_if<std::uint64_t>(&v_)) {
    return *n;
  }
  const auto* n = std::get_if<std::int64_t>(&v_);
  if (n == nullptr || *n < 0) {
    return wrong_type(what, "an unsigned integer");
  }
  return static_cast<std::uint64_t>(*n);
}

Result<double> Value::as_double(std::string_view what) const {
  if (const auto* d = std::get_if<double>(&v_)) {
    return *d;
  }
  if (const auto* n = std::get_if<std::int64_t>(&v_)) {
    return static_cast<double>(*n);
  }
  if (const auto* n = std::get_if<std::uint64_t>(&v_)) {
    return static_cast<double>(*n);
  }
  return wrong_type(what, "a number");
}

Result<std::string> Value::as_text(std::string_view what) const {
  if (const auto* text = std::get_if<std::string>(&v_)) {
    return *text;
  }
  return wrong_type(what, "a string");
}

Result<const Array*> Value::as_array(std::string_view what) const {
  if (const auto* items = std::get_if<Array>(&v_)) {
    return items;
  }
  return wrong_type(what, "an array");
}

Result<const Object*> Value::as_object(std::string_view what) const {
  if (const auto* members = std::get_if<Object>(&v_)) {
    return members;
  }
  return wrong_type(what, "an object");
}

const Value* Value::find(std::string_view name) const {
  if (const auto* members = std::get_if<Object>(&v_)) {
    for (const auto& [key, value] : *members) {
      if (key == name) {
        return &value;
      }
    }
  }
  return nullptr;
}

bool operator==(const Value& a, const Value& b) { return a.v_ == b.v_; }

Result<Value> parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.max_bytes) {
    return Error(CodecError::kTooLarge, std::to_string(text.size()) + " bytes of JSON, limit " +
                                            std::to_string(limits.max_bytes));
  }
  if (text.empty()) {
    return Error(CodecError::kBadJson, "empty");
  }
  boost::json::parse_options options;
  options.max_depth = limits.max_depth + 1;  // so that ours is the one that speaks
  boost::json::basic_parser<Handler> parser(options, limits);
  boost::json::error_code ec;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
  if (parser.handler().error()) {
    return *parser.handler().error();
  }
  if (ec) {
    return Error(CodecError::kBadJson, ec.message());
  }
  if (read < text.size()) {
    return Error(CodecError::kBadJson, "bytes after the value, at offset " + std::to_string(read));
  }
  return parser.handler().take();
}

std::string write(const Value& value) {
  std::string out;
  write_value(out, value, Style{}, 0);
  return out;
}

std::string write_pretty(const Value& value) {
  std::string out;
  write_value(out, value, Style{"  "}, 0);
  out.push_back('\n');
  return out;
}

Result<std::string> write_canonical(const Value& value) {
  std::string out;
  ENSC_TRY(write_canonical_value(out, value));
  return out;
}

Result<Fields> Fields::of(const Value& value, std::string_view what) {
  ENSC_TRY_ASSIGN(const Object* object, value.as_object(what));
  Fields fields;
  fields.object_ = object;
  fields.what_ = what;
  fields.taken_.resize(object->size());
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
    if ((*object_)[i].first == name) {
      taken_[i] = true;
      return &(*object_)[i].second;
    }
  }
  return nullptr;
}

Result<void> Fields::finish() const {
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i]) {
      return Error(CodecError::kUnknownField,
                   what_ + ": unknown member " + internal::printable_name((*object_)[i].first));
    }
  }
  return ok();
}

}  // namespace ensconce::json
