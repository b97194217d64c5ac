#include "ensconce/inference/tensor.h"

#include <algorithm>
#include <array>
#include <limits>

namespace ensconce {

namespace {

struct TypeInfo {
  DataType type;
  std::string_view name;
  std::size_t size;
};

constexpr std::array kTypes = {
    TypeInfo{DataType::kBool, "BOOL", 1},     TypeInfo{DataType::kUint8, "UINT8", 1},
    TypeInfo{DataType::kUint16, "UINT16", 2}, TypeInfo{DataType::kUint32, "UINT32", 4},
    TypeInfo{DataType::kUint64, "UINT64", 8}, TypeInfo{DataType::kInt8, "INT8", 1},
    TypeInfo{DataType::kInt16, "INT16", 2},   TypeInfo{DataType::kInt32, "INT32", 4},
    TypeInfo{DataType::kInt64, "INT64", 8},   TypeInfo{DataType::kFp16, "FP16", 2},
    TypeInfo{DataType::kFp32, "FP32", 4},     TypeInfo{DataType::kFp64, "FP64", 8},
    TypeInfo{DataType::kBf16, "BF16", 2},     TypeInfo{DataType::kBytes, "BYTES", 0},
};

const TypeInfo& info_of(DataType type) {
  const auto index = static_cast<std::size_t>(type);
  ENSC_CHECK(index < kTypes.size() && kTypes[index].type == type);
  return kTypes[index];
}

class SecretStorage final : public TensorStorage {
 public:
  explicit SecretStorage(SecretBytes bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] ByteView view() const { return bytes_.expose(); }

 private:
  SecretBytes bytes_;
};

// Returns the element count of a tensor of `len` bytes.
Result<std::size_t> num_elements_of(DataType type, std::span<const std::int64_t> shape,
                                    std::size_t len) {
  const std::size_t size = element_size(type);
  if (size == 0) {
    return Error(InferenceError::kWrongType, "BYTES has no fixed element size");
  }
  ENSC_TRY_ASSIGN(const std::size_t count, checked_element_count(shape, kMaxTensorBytes / size));
  if (count * size != len) {
    return Error(InferenceError::kWrongShape, "the shape needs " + std::to_string(count * size) +
                                                  " bytes, got " + std::to_string(len));
  }
  return count;
}

}  // namespace

std::string_view name_of(DataType type) { return info_of(type).name; }

Result<DataType> parse_data_type(std::string_view name) {
  const auto* found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& t) { return t.name == name; });
  if (found == kTypes.end()) {
    return Error(InferenceError::kWrongType, "not a data type of the protocol");
  }
  return found->type;
}

std::size_t element_size(DataType type) { return info_of(type).size; }

Result<std::size_t> checked_element_count(std::span<const std::int64_t> shape, std::size_t limit) {
  if (shape.size() > kMaxTensorRank) {
    return Error(InferenceError::kWrongShape, "more than 16 dimensions");
  }
  // A dimension of 0 must not hide one that is negative or absurd, so each is held to the limit.
  std::size_t count = 1;
  bool empty = false;
  for (const std::int64_t dim : shape) {
    if (dim < 0) {
      return Error(InferenceError::kWrongShape, "a dimension is negative");
    }
    if (dim == 0) {
      empty = true;
      continue;
    }
    const auto factor = static_cast<std::uint64_t>(dim);
    if (count > limit / factor) {
      return Error(InferenceError::kTooLarge,
                   "the shape has more than " + std::to_string(limit) + " elements");
    }
    count *= factor;
  }
  return empty ? 0 : count;
}

Tensor::Tensor(std::string name, DataType type, std::vector<std::int64_t> shape,
               std::size_t num_elements, ByteView data, std::unique_ptr<TensorStorage> storage)
    : name_(std::move(name)),
      type_(type),
      shape_(std::move(shape)),
      num_elements_(num_elements),
      data_(data),
      storage_(std::move(storage)) {}

Result<Tensor> Tensor::make(std::string name, DataType type, std::vector<std::int64_t> shape,
                            SecretBytes data) {
  auto storage = std::make_unique<SecretStorage>(std::move(data));
  const ByteView view = storage->view();
  return adopt(std::move(name), type, std::move(shape), view, std::move(storage));
}

Result<Tensor> Tensor::view(std::string name, DataType type, std::vector<std::int64_t> shape,
                            ByteView data) {
  const std::size_t size = element_size(type);
  if (size > 1 && reinterpret_cast<std::uintptr_t>(data.data()) % size != 0) {
    ENSC_TRY(num_elements_of(type, shape, data.size()));
    return make(std::move(name), type, std::move(shape), SecretBytes::copy_of(data));
  }
  return adopt(std::move(name), type, std::move(shape), data, nullptr);
}

Result<Tensor> Tensor::adopt(std::string name, DataType type, std::vector<std::int64_t> shape,
                             ByteView data, std::unique_ptr<TensorStorage> storage) {
  ENSC_TRY_ASSIGN(const std::size_t count, num_elements_of(type, shape, data.size()));
  return Tensor(std::move(name), type, std::move(shape), count, data, std::move(storage));
}

Result<Tensor> Tensor::strings(std::string name, std::vector<std::int64_t> shape,
                               std::span<const ByteView> elements) {
  ENSC_TRY_ASSIGN(const std::size_t count, checked_element_count(shape, kMaxTensorBytes));
  if (count != elements.size()) {
    return Error(InferenceError::kWrongShape, "the shape needs " + std::to_string(count) +
                                                  " strings, got " +
                                                  std::to_string(elements.size()));
  }
  std::vector<std::size_t> ends;
  ends.reserve(count);
  std::size_t len = 0;
  for (const ByteView element : elements) {
    if (element.size() > kMaxTensorBytes - len) {
      return Error(InferenceError::kTooLarge,
                   "the strings have more than " + std::to_string(kMaxTensorBytes) + " bytes");
    }
    len += element.size();
    ends.push_back(len);
  }
  SecretBytes joined(len);
  auto out = joined.expose_mutable().begin();
  for (const ByteView element : elements) {
    out = std::copy(element.begin(), element.end(), out);
  }
  auto storage = std::make_unique<SecretStorage>(std::move(joined));
  const ByteView data = storage->view();
  Tensor tensor(std::move(name), DataType::kBytes, std::move(shape), count, data,
                std::move(storage));
  tensor.ends_ = std::move(ends);
  return tensor;
}

Result<Tensor> Tensor::floats(std::string name, std::vector<std::int64_t> shape,
                              std::span<const float> values) {
  const ByteView bytes(reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes());
  return make(std::move(name), DataType::kFp32, std::move(shape), SecretBytes::copy_of(bytes));
}

ByteView Tensor::element(std::size_t i) const {
  ENSC_CHECK(type_ == DataType::kBytes && i < ends_.size());
  const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
  return data_.subspan(begin, ends_[i] - begin);
}

const Tensor* find_tensor(std::span<const Tensor> tensors, std::string_view name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const Tensor& t) { return t.name() == name; });
  return found == tensors.end() ? nullptr : &*found;
}

}  // namespace ensconce
