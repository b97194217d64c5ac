#include "ensconce/oip/oip.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <type_traits>

#include "ensconce/codec/json.h"

namespace ensconce::oip {

CodeInfo error_info(OipError code) {
  switch (code) {
    case OipError::kBadJson:
      return {"oip.json", Kind::kInvalidInput, Stage::kForm};
    case OipError::kBadHeaderLength:
      return {"oip.header_length", Kind::kInvalidInput, Stage::kForm};
    case OipError::kBadDatatype:
      return {"oip.datatype", Kind::kInvalidInput, Stage::kForm};
    case OipError::kBadShape:
      return {"oip.shape", Kind::kInvalidInput, Stage::kForm};
    case OipError::kDataLength:
      return {"oip.data_length", Kind::kInvalidInput, Stage::kForm};
    case OipError::kBadData:
      return {"oip.data", Kind::kInvalidInput, Stage::kForm};
    case OipError::kTooLarge:
      return {"oip.too_large", Kind::kExhausted, Stage::kForm};
    case OipError::kUnsupported:
      return {"oip.unsupported", Kind::kUnsupported, Stage::kForm};
  }
  return {"oip.unknown", Kind::kInternal, Stage::kForm};
}

namespace {

constexpr std::size_t kMaxElements = kMaxTensorBytes;

template <typename T>
Result<T> as_json_error(Result<T> result) {
  if (!result) {
    return Error(OipError::kBadJson, result.error().to_string());
  }
  return result;
}

template <typename T>
void put(MutableByteView out, std::size_t index, T value) {
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(out.data() + index * sizeof(T), &value, sizeof(T));
}

// Row-major walk over nested or flat data: calls `leaf` for every element.
template <typename Leaf>
Result<void> walk(const json::Value& value, std::size_t depth, const Leaf& leaf) {
  if (!value.is_array()) {
    return leaf(value);
  }
  if (depth > kMaxTensorRank) {
    return Error(OipError::kBadShape, "data is nested deeper than a tensor can be");
  }
  ENSC_TRY_ASSIGN(const json::Array* items, value.as_array("data"));
  for (const json::Value& item : *items) {
    ENSC_TRY(walk(item, depth + 1, leaf));
  }
  return ok();
}

Error bad_element(DataType type) {
  return {OipError::kBadData, "an element of data is no " + std::string(name_of(type))};
}

template <typename T>
Result<T> number_of(const json::Value& value, DataType type) {
  if constexpr (std::is_floating_point_v<T>) {
    const Result<double> d = value.as_double("data");
    if (!d || std::abs(*d) > std::numeric_limits<T>::max()) {
      return bad_element(type);
    }
    return static_cast<T>(*d);
  } else if constexpr (std::is_signed_v<T>) {
    const Result<std::int64_t> n = value.as_int("data");
    if (!n || *n < std::numeric_limits<T>::min() || *n > std::numeric_limits<T>::max()) {
      return bad_element(type);
    }
    return static_cast<T>(*n);
  } else {
    const Result<std::uint64_t> n = value.as_uint("data");
    if (!n || *n > std::numeric_limits<T>::max()) {
      return bad_element(type);
    }
    return static_cast<T>(*n);
  }
}

template <typename T>
Result<SecretBytes> read_numbers(const json::Value& data, DataType type, std::size_t count) {
  SecretBytes out(count * sizeof(T));
  std::size_t next = 0;
  ENSC_TRY(walk(data, 0, [&](const json::Value& value) -> Result<void> {
    if (next == count) {
      return Error(OipError::kDataLength, "data has more elements than the shape");
    }
    ENSC_TRY_ASSIGN(const T number, number_of<T>(value, type));
    put(out.expose_mutable(), next, number);
    ++next;
    return ok();
  }));
  if (next != count) {
    return Error(OipError::kDataLength, "data has " + std::to_string(next) +
                                            " elements, the shape " + std::to_string(count));
  }
  return out;
}

Result<SecretBytes> read_bools(const json::Value& data, std::size_t count) {
  SecretBytes out(count);
  std::size_t next = 0;
  ENSC_TRY(walk(data, 0, [&](const json::Value& value) -> Result<void> {
    const Result<bool> b = value.as_bool("data");
    if (!b) {
      return bad_element(DataType::kBool);
    }
    if (next == count) {
      return Error(OipError::kDataLength, "data has more elements than the shape");
    }
    out.expose_mutable()[next++] = *b ? 1 : 0;
    return ok();
  }));
  if (next != count) {
    return Error(OipError::kDataLength, "data has " + std::to_string(next) +
                                            " elements, the shape " + std::to_string(count));
  }
  return out;
}

Result<Tensor> with_shape_error(Result<Tensor> tensor) {
  if (!tensor) {
    return Error(OipError::kDataLength, tensor.error().detail());
  }
  return tensor;
}

Result<Tensor> read_json_tensor(std::string name, DataType type, std::vector<std::int64_t> shape,
                                std::size_t count, const json::Value& data) {
  const auto numbers = [&]<typename T>(T) -> Result<Tensor> {
    ENSC_TRY_ASSIGN(SecretBytes bytes, read_numbers<T>(data, type, count));
    return with_shape_error(Tensor::make(name, type, shape, std::move(bytes)));
  };
  switch (type) {
    case DataType::kBool: {
      ENSC_TRY_ASSIGN(SecretBytes bytes, read_bools(data, count));
      return with_shape_error(Tensor::make(name, type, shape, std::move(bytes)));
    }
    case DataType::kUint8:
      return numbers(std::uint8_t{});
    case DataType::kUint16:
      return numbers(std::uint16_t{});
    case DataType::kUint32:
      return numbers(std::uint32_t{});
    case DataType::kUint64:
      return numbers(std::uint64_t{});
    case DataType::kInt8:
      return numbers(std::int8_t{});
    case DataType::kInt16:
      return numbers(std::int16_t{});
    case DataType::kInt32:
      return numbers(std::int32_t{});
    case DataType::kInt64:
      return numbers(std::int64_t{});
    case DataType::kFp32:
      return numbers(float{});
    case DataType::kFp64:
      return numbers(double{});
    case DataType::kFp16:
    case DataType::kBf16:
      return Error(OipError::kUnsupported,
                   std::string(name_of(type)) + " travels in the binary part only");
    case DataType::kBytes: {
      std::vector<ByteView> elements;
      ENSC_TRY(walk(data, 0, [&](const json::Value& value) -> Result<void> {
        const auto* text = std::get_if<std::string>(&value.variant());
        if (text == nullptr) {
          return bad_element(type);
        }
        if (elements.size() == count) {
          return Error(OipError::kDataLength, "data has more elements than the shape");
        }
        elements.push_back(as_bytes(*text));
        return ok();
      }));
      return with_shape_error(Tensor::strings(name, shape, elements));
    }
  }
  return Error(OipError::kBadDatatype, "unknown datatype");
}

Result<Tensor> read_binary_tensor(std::string name, DataType type, std::vector<std::int64_t> shape,
                                  std::size_t count, ByteView data) {
  if (type != DataType::kBytes) {
    if (data.size() != count * element_size(type)) {
      return Error(OipError::kDataLength, "binary_data_size is " + std::to_string(data.size()) +
                                              ", the shape needs " +
                                              std::to_string(count * element_size(type)));
    }
    // Another byte in a bool is undefined behaviour in the engine.
    if (type == DataType::kBool &&
        std::any_of(data.begin(), data.end(), [](std::uint8_t b) { return b > 1; })) {
      return bad_element(type);
    }
    return with_shape_error(Tensor::view(std::move(name), type, std::move(shape), data));
  }
  // Each element is its length, u32 little-endian, then its bytes.
  if (count > data.size() / 4) {
    return Error(OipError::kDataLength, "the binary part is too short for its BYTES elements");
  }
  ByteReader reader(data);
  std::vector<ByteView> elements;
  elements.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Result<std::uint32_t> len = reader.u32_le();
    const Result<ByteView> element = len ? reader.take(*len) : Result<ByteView>(len.error());
    if (!element) {
      return Error(OipError::kDataLength, "a BYTES element is cut: " + element.error().detail());
    }
    elements.push_back(*element);
  }
  if (reader.remaining() != 0) {
    return Error(OipError::kDataLength, "bytes are left after the last BYTES element");
  }
  return with_shape_error(Tensor::strings(std::move(name), std::move(shape), elements));
}

Result<std::vector<std::int64_t>> read_shape(const json::Value& tensor) {
  const json::Value* value = tensor.find("shape");
  if (value == nullptr) {
    return Error(OipError::kBadJson, "a tensor has no shape");
  }
  ENSC_TRY_ASSIGN(const json::Array* dims, as_json_error(value->as_array("shape")));
  if (dims->size() > kMaxTensorRank) {
    return Error(OipError::kBadShape,
                 "more than " + std::to_string(kMaxTensorRank) + " dimensions");
  }
  std::vector<std::int64_t> shape;
  for (const json::Value& dim : *dims) {
    const Result<std::int64_t> n = dim.as_int("shape");
    if (!n || *n < 0) {
      return Error(OipError::kBadShape, "a dimension is no number from 0 up");
    }
    shape.push_back(*n);
  }
  return shape;
}

Result<std::string> read_text(const json::Value& object, std::string_view name) {
  const json::Value* value = object.find(name);
  if (value == nullptr) {
    return Error(OipError::kBadJson, std::string(name) + " is missing");
  }
  return as_json_error(value->as_text(name));
}

Result<bool> read_flag(const json::Value* parameters, std::string_view name, bool otherwise) {
  const json::Value* value = parameters == nullptr ? nullptr : parameters->find(name);
  if (value == nullptr) {
    return otherwise;
  }
  return as_json_error(value->as_bool(name));
}

// What would change the answer is refused by name; other parameters are hints, and passed over.
Result<void> refuse_parameters(const json::Value* parameters,
                               std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (parameters != nullptr && parameters->find(name) != nullptr) {
      return Error(OipError::kUnsupported, "parameters." + std::string(name) + " is not served");
    }
  }
  return ok();
}

// Reads one tensor of a request or response and takes its binary part, if it has one.
Result<Tensor> read_tensor(const json::Value& object, ByteReader& binary) {
  ENSC_TRY_ASSIGN(std::string name, read_text(object, "name"));
  ENSC_TRY_ASSIGN(const std::string datatype, read_text(object, "datatype"));
  const Result<DataType> type = parse_data_type(datatype);
  if (!type) {
    return Error(OipError::kBadDatatype, "a tensor has a datatype that the protocol does not know");
  }
  ENSC_TRY_ASSIGN(std::vector<std::int64_t> shape, read_shape(object));
  const Result<std::size_t> count = checked_element_count(shape, kMaxElements);
  if (!count || (*type != DataType::kBytes && *count > kMaxTensorBytes / element_size(*type))) {
    return Error(OipError::kTooLarge,
                 "a tensor is larger than " + std::to_string(kMaxTensorBytes) + " bytes");
  }
  const json::Value* data = object.find("data");
  const json::Value* parameters = object.find("parameters");
  ENSC_TRY(refuse_parameters(parameters, {"shared_memory_region"}));
  const json::Value* size = parameters == nullptr ? nullptr : parameters->find("binary_data_size");
  if ((data == nullptr) == (size == nullptr)) {
    return Error(OipError::kBadJson,
                 "a tensor needs either data or parameters.binary_data_size, not both");
  }
  if (data != nullptr) {
    return read_json_tensor(std::move(name), *type, std::move(shape), *count, *data);
  }
  ENSC_TRY_ASSIGN(const std::uint64_t len, as_json_error(size->as_uint("binary_data_size")));
  const Result<ByteView> bytes = binary.take(len);
  if (!bytes) {
    return Error(OipError::kDataLength, "binary_data_size passes the end of the body");
  }
  return read_binary_tensor(std::move(name), *type, std::move(shape), *count, *bytes);
}

Result<std::vector<Tensor>> read_tensors(const json::Value& root, std::string_view name,
                                         ByteView binary) {
  const json::Value* list = root.find(name);
  if (list == nullptr) {
    return Error(OipError::kBadJson, std::string(name) + " is missing");
  }
  ENSC_TRY_ASSIGN(const json::Array* items, as_json_error(list->as_array(name)));
  if (items->size() > kMaxTensors) {
    return Error(OipError::kTooLarge, "more than " + std::to_string(kMaxTensors) + " tensors");
  }
  ByteReader reader(binary);
  std::vector<Tensor> out;
  out.reserve(items->size());
  for (const json::Value& item : *items) {
    ENSC_TRY_ASSIGN(Tensor tensor, read_tensor(item, reader));
    out.push_back(std::move(tensor));
  }
  if (reader.remaining() != 0) {
    return Error(OipError::kDataLength,
                 std::to_string(reader.remaining()) + " bytes of the body belong to no tensor");
  }
  return out;
}

struct Parts {
  json::Value root;
  ByteView binary;
};

Result<Parts> split(ByteView body, std::optional<std::size_t> header_length) {
  const std::size_t json_len = header_length.value_or(body.size());
  if (json_len > body.size()) {
    return Error(OipError::kBadHeaderLength, "Inference-Header-Content-Length is " +
                                                 std::to_string(json_len) + ", the body has " +
                                                 std::to_string(body.size()) + " bytes");
  }
  json::Limits limits;
  limits.max_bytes = kMaxJsonHeader;
  ENSC_TRY_ASSIGN(json::Value root,
                  as_json_error(json::parse(as_text(body.first(json_len)), limits)));
  if (!root.is_object()) {
    return Error(OipError::kBadJson, "the body is no JSON object");
  }
  return Parts{std::move(root), body.subspan(json_len)};
}

std::size_t binary_size(const Tensor& tensor) {
  return tensor.data().size() + (tensor.type() == DataType::kBytes ? 4 * tensor.num_elements() : 0);
}

void append_binary(Bytes& out, const Tensor& tensor) {
  if (tensor.type() != DataType::kBytes) {
    out.insert(out.end(), tensor.data().begin(), tensor.data().end());
    return;
  }
  for (std::size_t i = 0; i < tensor.num_elements(); ++i) {
    const ByteView element = tensor.element(i);
    const Bytes len = ByteWriter().u32_le(static_cast<std::uint32_t>(element.size())).bytes();
    out.insert(out.end(), len.begin(), len.end());
    out.insert(out.end(), element.begin(), element.end());
  }
}

json::Object describe(const Tensor& tensor) {
  json::Array shape;
  for (const std::int64_t dim : tensor.shape()) {
    shape.emplace_back(dim);
  }
  return {{"name", tensor.name()},
          {"shape", std::move(shape)},
          {"datatype", std::string(name_of(tensor.type()))}};
}

bool is_utf8(ByteView bytes) {
  std::size_t i = 0;
  while (i < bytes.size()) {
    const std::uint8_t b = bytes[i];
    std::size_t more = 0;
    std::uint32_t cp = b;
    if (b >= 0xf0 && b <= 0xf4) {
      more = 3;
      cp = b & 7U;
    } else if (b >= 0xe0 && b < 0xf0) {
      more = 2;
      cp = b & 15U;
    } else if (b >= 0xc2 && b < 0xe0) {
      more = 1;
      cp = b & 31U;
    } else if (b >= 0x80) {
      return false;
    }
    if (more > bytes.size() - i - 1) {
      return false;
    }
    for (std::size_t k = 1; k <= more; ++k) {
      if ((bytes[i + k] & 0xc0U) != 0x80) {
        return false;
      }
      cp = (cp << 6U) | (bytes[i + k] & 63U);
    }
    const bool overlong = (more == 2 && cp < 0x800) || (more == 3 && cp < 0x10000);
    if (overlong || (cp >= 0xd800 && cp < 0xe000) || cp > 0x10ffff) {
      return false;
    }
    i += more + 1;
  }
  return true;
}

template <typename T>
json::Array numbers_of(const Tensor& tensor) {
  json::Array out;
  out.reserve(tensor.num_elements());
  for (const T value : tensor.values<T>()) {
    if constexpr (std::is_floating_point_v<T>) {
      out.emplace_back(static_cast<double>(value));
    } else if constexpr (std::is_signed_v<T>) {
      out.emplace_back(static_cast<std::int64_t>(value));
    } else {
      out.emplace_back(static_cast<std::uint64_t>(value));
    }
  }
  return out;
}

Result<json::Value> json_data(const Tensor& tensor) {
  switch (tensor.type()) {
    case DataType::kBool: {
      json::Array out;
      for (const std::uint8_t b : tensor.data()) {
        out.emplace_back(b != 0);
      }
      return json::Value(std::move(out));
    }
    case DataType::kUint8:
      return json::Value(numbers_of<std::uint8_t>(tensor));
    case DataType::kUint16:
      return json::Value(numbers_of<std::uint16_t>(tensor));
    case DataType::kUint32:
      return json::Value(numbers_of<std::uint32_t>(tensor));
    case DataType::kUint64:
      return json::Value(numbers_of<std::uint64_t>(tensor));
    case DataType::kInt8:
      return json::Value(numbers_of<std::int8_t>(tensor));
    case DataType::kInt16:
      return json::Value(numbers_of<std::int16_t>(tensor));
    case DataType::kInt32:
      return json::Value(numbers_of<std::int32_t>(tensor));
    case DataType::kInt64:
      return json::Value(numbers_of<std::int64_t>(tensor));
    case DataType::kFp32:
      return json::Value(numbers_of<float>(tensor));
    case DataType::kFp64:
      return json::Value(numbers_of<double>(tensor));
    case DataType::kBytes: {
      json::Array out;
      for (std::size_t i = 0; i < tensor.num_elements(); ++i) {
        if (!is_utf8(tensor.element(i))) {
          return Error(OipError::kUnsupported,
                       "an output is not UTF-8: ask for it with parameters.binary_data");
        }
        out.emplace_back(as_text(tensor.element(i)));
      }
      return json::Value(std::move(out));
    }
    case DataType::kFp16:
    case DataType::kBf16:
      break;
  }
  return Error(OipError::kUnsupported, std::string(name_of(tensor.type())) +
                                           " travels in the binary part only: ask for it with "
                                           "parameters.binary_data");
}

}  // namespace

Result<std::size_t> parse_header_length(std::string_view text) {
  std::size_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || text.empty() ||
      value > kMaxJsonHeader) {
    return Error(OipError::kBadHeaderLength,
                 "Inference-Header-Content-Length is no decimal length up to " +
                     std::to_string(kMaxJsonHeader));
  }
  return value;
}

Result<InferRequest> parse_infer_request(ByteView body, std::optional<std::size_t> header_length) {
  ENSC_TRY_ASSIGN(const Parts parts, split(body, header_length));
  InferRequest out;
  if (parts.root.find("id") != nullptr) {
    ENSC_TRY_ASSIGN(out.id, read_text(parts.root, "id"));
    if (out.id.size() > 256) {
      return Error(OipError::kTooLarge, "id is longer than 256 bytes");
    }
  }
  const json::Value* parameters = parts.root.find("parameters");
  ENSC_TRY(refuse_parameters(parameters, {"sequence_id", "sequence_start", "sequence_end"}));
  ENSC_TRY_ASSIGN(out.binary_output, read_flag(parameters, "binary_data_output", false));
  ENSC_TRY_ASSIGN(out.inputs, read_tensors(parts.root, "inputs", parts.binary));
  if (const json::Value* outputs = parts.root.find("outputs"); outputs != nullptr) {
    ENSC_TRY_ASSIGN(const json::Array* items, as_json_error(outputs->as_array("outputs")));
    if (items->size() > kMaxTensors) {
      return Error(OipError::kTooLarge, "too many outputs are asked for");
    }
    for (const json::Value& item : *items) {
      RequestedOutput wanted;
      ENSC_TRY_ASSIGN(wanted.name, read_text(item, "name"));
      const json::Value* of_output = item.find("parameters");
      ENSC_TRY(refuse_parameters(of_output, {"classification", "shared_memory_region"}));
      ENSC_TRY_ASSIGN(wanted.binary, read_flag(of_output, "binary_data", out.binary_output));
      out.outputs.push_back(std::move(wanted));
    }
  }
  return out;
}

Message write_infer_request(const InferRequest& request) {
  json::Array inputs;
  for (const Tensor& tensor : request.inputs) {
    json::Object entry = describe(tensor);
    entry.emplace_back(
        "parameters",
        json::Object{{"binary_data_size", static_cast<std::uint64_t>(binary_size(tensor))}});
    inputs.emplace_back(std::move(entry));
  }
  json::Object root;
  if (!request.id.empty()) {
    root.emplace_back("id", request.id);
  }
  root.emplace_back("parameters", json::Object{{"binary_data_output", true}});
  root.emplace_back("inputs", std::move(inputs));
  if (!request.outputs.empty()) {
    json::Array outputs;
    for (const RequestedOutput& wanted : request.outputs) {
      outputs.emplace_back(json::Object{
          {"name", wanted.name}, {"parameters", json::Object{{"binary_data", wanted.binary}}}});
    }
    root.emplace_back("outputs", std::move(outputs));
  }
  const std::string header = json::write(json::Value(std::move(root)));
  Message out{to_bytes(header), header.size()};
  for (const Tensor& tensor : request.inputs) {
    append_binary(out.body, tensor);
  }
  return out;
}

Result<InferResponse> parse_infer_response(ByteView body,
                                           std::optional<std::size_t> header_length) {
  ENSC_TRY_ASSIGN(const Parts parts, split(body, header_length));
  InferResponse out;
  ENSC_TRY_ASSIGN(out.model_name, read_text(parts.root, "model_name"));
  if (parts.root.find("model_version") != nullptr) {
    ENSC_TRY_ASSIGN(out.model_version, read_text(parts.root, "model_version"));
  }
  if (parts.root.find("id") != nullptr) {
    ENSC_TRY_ASSIGN(out.id, read_text(parts.root, "id"));
  }
  ENSC_TRY_ASSIGN(out.outputs, read_tensors(parts.root, "outputs", parts.binary));
  return out;
}

Result<Message> write_infer_response(const std::string& model_name,
                                     const std::string& model_version, const std::string& id,
                                     std::span<const Tensor> outputs,
                                     const std::vector<bool>& binary) {
  ENSC_CHECK(binary.size() == outputs.size());
  json::Array described;
  bool any_binary = false;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    json::Object entry = describe(outputs[i]);
    if (binary[i]) {
      any_binary = true;
      entry.emplace_back(
          "parameters",
          json::Object{{"binary_data_size", static_cast<std::uint64_t>(binary_size(outputs[i]))}});
    } else {
      ENSC_TRY_ASSIGN(json::Value data, json_data(outputs[i]));
      entry.emplace_back("data", std::move(data));
    }
    described.emplace_back(std::move(entry));
  }
  json::Object root{{"model_name", model_name}, {"model_version", model_version}};
  if (!id.empty()) {
    root.emplace_back("id", id);
  }
  root.emplace_back("outputs", std::move(described));
  const std::string header = json::write(json::Value(std::move(root)));
  Message out{to_bytes(header), std::nullopt};
  if (any_binary) {
    out.header_length = header.size();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (binary[i]) {
        append_binary(out.body, outputs[i]);
      }
    }
  }
  return out;
}

}  // namespace ensconce::oip
