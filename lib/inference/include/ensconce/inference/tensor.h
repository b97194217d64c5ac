#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/secret.h"
#include "ensconce/inference/error.h"

namespace ensconce {

// DataType is an element type of the Open Inference Protocol, version 2 ("KServe V2").
enum class DataType : std::uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBf16,
  kBytes,  // each element is a byte string of its own length
};

// name_of returns the protocol's name: "FP32", "BYTES".
std::string_view name_of(DataType type);
// parse_data_type reads such a name; another is InferenceError::kWrongType.
Result<DataType> parse_data_type(std::string_view name);
// element_size returns the bytes of one element, 0 for kBytes.
std::size_t element_size(DataType type);

inline constexpr std::size_t kMaxTensorRank = 16;
inline constexpr std::size_t kMaxTensorBytes = std::size_t{256} * 1024 * 1024;

// checked_element_count multiplies the dimensions. A negative one or too many of them is
// InferenceError::kWrongShape, a product above `limit` InferenceError::kTooLarge. No dimensions
// make a scalar: 1.
Result<std::size_t> checked_element_count(std::span<const std::int64_t> shape, std::size_t limit);

// TensorSpec says what one input or output looks like; a dimension of -1 may have any size.
struct TensorSpec {
  std::string name;
  DataType type;
  std::vector<std::int64_t> shape;

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

// TensorStorage keeps a tensor's memory alive, and wipes it when it goes.
class TensorStorage {
 public:
  TensorStorage() = default;
  virtual ~TensorStorage() = default;
  TensorStorage(const TensorStorage&) = delete;
  TensorStorage& operator=(const TensorStorage&) = delete;
};

// Tensor is one input or output of a request: user data, so it moves and does not copy, and what it
// owns is wiped with it. Elements lie row by row, little-endian, at a multiple of their size.
class Tensor {
 public:
  // make owns `data`, whose length must be the shape's element count times the element size, else
  // InferenceError::kWrongShape. Not for kBytes (kWrongType).
  static Result<Tensor> make(std::string name, DataType type, std::vector<std::int64_t> shape,
                             SecretBytes data);
  // view borrows `data`, which must outlive the tensor, or copies it when it is not aligned for its
  // elements. Errors as make.
  static Result<Tensor> view(std::string name, DataType type, std::vector<std::int64_t> shape,
                             ByteView data);
  // adopt reads `data`, which `storage` keeps alive and wipes. Errors as make.
  static Result<Tensor> adopt(std::string name, DataType type, std::vector<std::int64_t> shape,
                              ByteView data, std::unique_ptr<TensorStorage> storage);
  // strings copies one byte string an element into a kBytes tensor; a count other than the shape's
  // is InferenceError::kWrongShape.
  static Result<Tensor> strings(std::string name, std::vector<std::int64_t> shape,
                                std::span<const ByteView> elements);
  // floats copies the values into a kFp32 tensor; errors as make.
  static Result<Tensor> floats(std::string name, std::vector<std::int64_t> shape,
                               std::span<const float> values);

  ~Tensor() = default;
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(Tensor&&) noexcept = default;
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] DataType type() const { return type_; }
  [[nodiscard]] const std::vector<std::int64_t>& shape() const { return shape_; }
  [[nodiscard]] std::size_t num_elements() const { return num_elements_; }

  // data is all elements as they lie in memory; for kBytes, the strings one behind the other.
  [[nodiscard]] ByteView data() const { return data_; }
  // element is the i-th string of a kBytes tensor.
  [[nodiscard]] ByteView element(std::size_t i) const;
  // values is data as numbers of type T, whose size must be the element size.
  template <typename T>
  [[nodiscard]] std::span<const T> values() const {
    static_assert(std::is_arithmetic_v<T>);
    ENSC_CHECK(sizeof(T) == element_size(type_));
    return {reinterpret_cast<const T*>(data_.data()), num_elements_};
  }

  void rename(std::string name) { name_ = std::move(name); }

 private:
  Tensor(std::string name, DataType type, std::vector<std::int64_t> shape, std::size_t num_elements,
         ByteView data, std::unique_ptr<TensorStorage> storage);

  std::string name_;
  DataType type_;
  std::vector<std::int64_t> shape_;
  std::size_t num_elements_;
  ByteView data_;
  std::vector<std::size_t> ends_;  // kBytes: where each string ends in data_
  std::unique_ptr<TensorStorage> storage_;
};

// find_tensor returns the tensor of that name, or null.
const Tensor* find_tensor(std::span<const Tensor> tensors, std::string_view name);

}  // namespace ensconce
