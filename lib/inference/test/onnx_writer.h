#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "ensconce/base/bytes.h"

// Writes ONNX protobuf by hand, so that tests make graphs, also impossible ones, without a library.
// Field numbers are those of onnx.proto.
namespace ensconce::onnx_writer {

inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7U) {
    out += static_cast<char>(value | 0x80U);
  }
  return out + static_cast<char>(value);
}
inline std::string number(std::uint32_t field, std::uint64_t value) {
  return varint(std::uint64_t{field} << 3U) + varint(value);
}
inline std::string bytes(std::uint32_t field, std::string_view content) {
  return varint(std::uint64_t{field} << 3U | 2U) + varint(content.size()) + std::string(content);
}

enum Type : std::uint32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kBfloat16 = 16,
};

// value_info describes an input or output; a dimension of -1 is symbolic.
inline std::string value_info(std::string_view name, Type type,
                              std::initializer_list<std::int64_t> shape) {
  std::string dims;
  for (const std::int64_t dim : shape) {
    dims += bytes(1, dim < 0 ? bytes(2, "n") : number(1, static_cast<std::uint64_t>(dim)));
  }
  return bytes(1, name) + bytes(2, bytes(1, number(1, type) + bytes(2, dims)));
}

inline std::string node(std::string_view op, std::initializer_list<std::string_view> inputs,
                        std::initializer_list<std::string_view> outputs,
                        std::string_view attributes = "") {
  std::string out;
  for (const auto input : inputs) {
    out += bytes(1, input);
  }
  for (const auto output : outputs) {
    out += bytes(2, output);
  }
  return out + bytes(4, op) + std::string(attributes);
}

inline std::string entry(std::string_view key, std::string_view value) {
  return bytes(1, key) + bytes(2, value);
}

// tensor has its content inline; external_tensor in a file.
inline std::string tensor(std::string_view name, Type type,
                          std::initializer_list<std::int64_t> shape, std::string_view raw) {
  std::string out;
  for (const std::int64_t dim : shape) {
    out += number(1, static_cast<std::uint64_t>(dim));
  }
  return out + number(2, type) + bytes(8, name) + bytes(9, raw);
}
// string_tensor has one string an element.
inline std::string string_tensor(std::string_view name,
                                 std::initializer_list<std::string_view> elements) {
  std::string out = number(1, elements.size()) + number(2, kString) + bytes(8, name);
  for (const auto element : elements) {
    out += bytes(6, element);
  }
  return out;
}
inline std::string external_tensor(
    std::string_view name, Type type, std::initializer_list<std::int64_t> shape,
    std::initializer_list<std::pair<const char*, const char*>> data) {
  std::string out;
  for (const std::int64_t dim : shape) {
    out += number(1, static_cast<std::uint64_t>(dim));
  }
  out += number(2, type) + bytes(8, name);
  for (const auto& [key, value] : data) {
    out += bytes(13, entry(key, value));
  }
  return out + number(14, 1);
}

struct Graph {
  std::string fields;
  Graph& add_node(std::string_view content) {
    fields += bytes(1, content);
    return *this;
  }
  Graph& add_initializer(std::string_view content) {
    fields += bytes(5, content);
    return *this;
  }
  Graph& add_input(std::string_view content) {
    fields += bytes(11, content);
    return *this;
  }
  Graph& add_output(std::string_view content) {
    fields += bytes(12, content);
    return *this;
  }
};

// model wraps a graph: IR version 8, opset 17.
inline std::string model(const Graph& graph, std::string_view more = "") {
  return number(1, 8) + bytes(7, graph.fields + bytes(2, "g")) + bytes(8, number(2, 17)) +
         std::string(more);
}

// add_one is y = x + 1 over FP32 [-1, 4]; the one is a tensor called "one".
inline Graph add_one(std::string_view one) {
  Graph graph;
  graph.add_node(node("Add", {"x", "one"}, {"y"}))
      .add_initializer(one)
      .add_input(value_info("x", kFloat, {-1, 4}))
      .add_output(value_info("y", kFloat, {-1, 4}));
  return graph;
}
inline constexpr std::string_view kOne("\0\0\x80\x3f", 4);  // 1.0F

}  // namespace ensconce::onnx_writer
