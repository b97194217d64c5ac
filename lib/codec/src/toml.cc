#include "ensconce/codec/toml.h"

#include <cmath>
#include <sstream>

#include "ensconce/base/file.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace ensconce::toml {
namespace {

std::string at(const ::toml::source_region& source, std::string_view source_name) {
  return std::string(source_name) + ":" + std::to_string(source.begin.line) + ":" +
         std::to_string(source.begin.column) + ": ";
}

template <typename T>
std::string text_of(const T& date) {
  std::ostringstream out;
  out << date;
  return out.str();
}

// value_of recurses as deep as toml++ has read, which bounds nesting itself (256).
Result<json::Value> value_of(const ::toml::node& node, std::string_view source_name) {
  if (const auto* table = node.as_table()) {
    json::Object members;
    members.reserve(table->size());
    for (const auto& [key, content] : *table) {
      ENSC_TRY_ASSIGN(json::Value value, value_of(content, source_name));
      members.emplace_back(std::string(key.str()), std::move(value));
    }
    return json::Value(std::move(members));
  }
  if (const auto* array = node.as_array()) {
    json::Array items;
    items.reserve(array->size());
    for (const auto& content : *array) {
      ENSC_TRY_ASSIGN(json::Value value, value_of(content, source_name));
      items.push_back(std::move(value));
    }
    return json::Value(std::move(items));
  }
  if (const auto* text = node.as_string()) {
    return json::Value(text->get());
  }
  if (const auto* n = node.as_integer()) {
    return json::Value(std::int64_t{n->get()});
  }
  if (const auto* b = node.as_boolean()) {
    return json::Value(b->get());
  }
  if (const auto* d = node.as_floating_point()) {
    if (!std::isfinite(d->get())) {
      return Error(CodecError::kBadToml,
                   at(node.source(), source_name) + "inf and nan are not used");
    }
    return json::Value(d->get());
  }
  if (const auto* date = node.as_date()) {
    return json::Value(text_of(date->get()));
  }
  if (const auto* time = node.as_time()) {
    return json::Value(text_of(time->get()));
  }
  if (const auto* date_time = node.as_date_time()) {
    return json::Value(text_of(date_time->get()));
  }
  return Error(CodecError::kBadToml, at(node.source(), source_name) + "a value of unknown kind");
}

}  // namespace

Result<json::Value> parse(std::string_view text, std::string_view source_name) {
  const ::toml::parse_result parsed = ::toml::parse(text);
  if (!parsed) {
    const ::toml::parse_error& error = parsed.error();
    return Error(CodecError::kBadToml,
                 at(error.source(), source_name) + std::string(error.description()));
  }
  return value_of(parsed.table(), source_name);
}

Result<json::Value> parse_file(const std::filesystem::path& path) {
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
  return parse(text, path.string());
}

}  // namespace ensconce::toml
