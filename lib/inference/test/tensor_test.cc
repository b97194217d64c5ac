#include "ensconce/inference/tensor.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>
#include <set>

#include "ensconce/inference/engine.h"
#include "ensconce/inference/wiped.h"

namespace ensconce {
namespace {

static_assert(!std::is_copy_constructible_v<Tensor> && !std::is_copy_assignable_v<Tensor>);

TEST(DataType, NamesReadBackAndFollowTheProtocol) {
  const std::array<std::pair<std::string_view, std::size_t>, 14> expected = {{{"BOOL", 1},
                                                                              {"UINT8", 1},
                                                                              {"UINT16", 2},
                                                                              {"UINT32", 4},
                                                                              {"UINT64", 8},
                                                                              {"INT8", 1},
                                                                              {"INT16", 2},
                                                                              {"INT32", 4},
                                                                              {"INT64", 8},
                                                                              {"FP16", 2},
                                                                              {"FP32", 4},
                                                                              {"FP64", 8},
                                                                              {"BF16", 2},
                                                                              {"BYTES", 0}}};
  for (const auto& [name, size] : expected) {
    const auto type = parse_data_type(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(name_of(*type), name);
    EXPECT_EQ(element_size(*type), size);
  }
}

TEST(DataType, RejectsOtherNames) {
  for (const char* name : {"", "fp32", "FP8", "STRING", "FP32 "}) {
    const auto type = parse_data_type(name);
    ASSERT_FALSE(type) << name;
    EXPECT_TRUE(type.error().is(InferenceError::kWrongType));
  }
}

TEST(ElementCount, MultipliesDimensions) {
  EXPECT_EQ(*checked_element_count(std::array<std::int64_t, 3>{2, 3, 4}, 24), 24U);
  EXPECT_EQ(*checked_element_count({}, 1), 1U);
  EXPECT_EQ(*checked_element_count(std::array<std::int64_t, 2>{0, 4}, 1000), 0U);
}

TEST(ElementCount, RejectsNegativeDimensions) {
  const auto count = checked_element_count(std::array<std::int64_t, 2>{0, -1}, 100);
  ASSERT_FALSE(count);
  EXPECT_TRUE(count.error().is(InferenceError::kWrongShape));
}

TEST(ElementCount, RejectsMoreThanTheLimit) {
  const auto count = checked_element_count(std::array<std::int64_t, 2>{5, 5}, 24);
  ASSERT_FALSE(count);
  EXPECT_TRUE(count.error().is(InferenceError::kTooLarge));
}

TEST(ElementCount, RejectsProductsThatOverflow) {
  constexpr std::int64_t kHalf = std::int64_t{1} << 32;
  const auto count = checked_element_count(std::array<std::int64_t, 2>{kHalf, kHalf},
                                           std::numeric_limits<std::size_t>::max());
  ASSERT_FALSE(count);
  EXPECT_TRUE(count.error().is(InferenceError::kTooLarge));
}

TEST(ElementCount, RejectsTooManyDimensions) {
  const std::vector<std::int64_t> shape(kMaxTensorRank + 1, 1);
  const auto count = checked_element_count(shape, 100);
  ASSERT_FALSE(count);
  EXPECT_TRUE(count.error().is(InferenceError::kWrongShape));
}

TEST(Tensor, HoldsWhatItWasMadeOf) {
  const std::array<float, 6> values = {1, 2, 3, 4, 5, 6};
  const auto tensor = Tensor::floats("x", {2, 3}, values);
  ASSERT_TRUE(tensor);
  EXPECT_EQ(tensor->name(), "x");
  EXPECT_EQ(tensor->type(), DataType::kFp32);
  EXPECT_EQ(tensor->shape(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(tensor->num_elements(), 6U);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), tensor->values<float>().begin()));
}

TEST(Tensor, RejectsBytesThatDoNotFitTheShape) {
  for (const std::size_t len : {0U, 7U, 9U, 16U}) {
    const auto tensor = Tensor::make("x", DataType::kFp32, {2}, SecretBytes(len));
    ASSERT_FALSE(tensor) << len;
    EXPECT_TRUE(tensor.error().is(InferenceError::kWrongShape));
  }
}

TEST(Tensor, RejectsShapesAboveTheLimit) {
  const auto tensor = Tensor::make("x", DataType::kFp64, {1 << 20, 1 << 20}, SecretBytes(8));
  ASSERT_FALSE(tensor);
  EXPECT_TRUE(tensor.error().is(InferenceError::kTooLarge));
}

TEST(Tensor, RejectsBytesTypeWithoutStrings) {
  const auto tensor = Tensor::make("x", DataType::kBytes, {1}, SecretBytes(1));
  ASSERT_FALSE(tensor);
  EXPECT_TRUE(tensor.error().is(InferenceError::kWrongType));
}

TEST(Tensor, BorrowsAlignedBytesAndCopiesOthers) {
  alignas(8) std::array<std::uint8_t, 16> bytes{};
  const auto aligned = Tensor::view("x", DataType::kInt64, {1}, ByteView(bytes).first(8));
  const auto shifted = Tensor::view("x", DataType::kInt64, {1}, ByteView(bytes).subspan(1, 8));
  ASSERT_TRUE(aligned && shifted);
  EXPECT_EQ(aligned->data().data(), bytes.data());
  EXPECT_NE(shifted->data().data(), bytes.data() + 1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(shifted->data().data()) % 8, 0U);
}

TEST(Tensor, KeepsStringsApart) {
  const std::array<ByteView, 3> elements = {as_bytes("one"), as_bytes(""), as_bytes("three")};
  const auto tensor = Tensor::strings("s", {3}, elements);
  ASSERT_TRUE(tensor);
  EXPECT_EQ(as_text(tensor->element(0)), "one");
  EXPECT_EQ(as_text(tensor->element(1)), "");
  EXPECT_EQ(as_text(tensor->element(2)), "three");
}

TEST(Tensor, RejectsStringsThatDoNotFitTheShape) {
  const std::array<ByteView, 1> elements = {as_bytes("one")};
  const auto tensor = Tensor::strings("s", {2}, elements);
  ASSERT_FALSE(tensor);
  EXPECT_TRUE(tensor.error().is(InferenceError::kWrongShape));
}

TEST(WipingHeap, WipesBlocksBeforeTheyGoBack) {
  struct Seen {
    std::size_t num_blocks = 0;
    std::size_t len = 0;
    bool zero = false;
  } seen;
  const auto heap = WipingHeap::observed_for_test(
      [](void* context, ByteView block) {
        auto* out = static_cast<Seen*>(context);
        *out = {out->num_blocks + 1, block.size(), all_zero(block)};
      },
      &seen);
  void* block = heap.allocate(1001);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
  std::memset(block, 0xa5, 1001);
  heap.release(block);
  EXPECT_EQ(seen.num_blocks, 1U);
  EXPECT_EQ(seen.len, 1001U);
  EXPECT_TRUE(seen.zero);
}

TEST(WipingHeap, RefusesLengthsThatOverflow) {
  const WipingHeap heap;
  EXPECT_EQ(heap.allocate(std::numeric_limits<std::size_t>::max()), nullptr);
  EXPECT_EQ(heap.allocate(std::numeric_limits<std::size_t>::max() - 100), nullptr);
  heap.release(nullptr);
}

class CheckInputs : public testing::Test {
 protected:
  const std::vector<TensorSpec> specs_ = {{"a", DataType::kFp32, {-1, 2}},
                                          {"b", DataType::kInt64, {1}}};
  static Tensor a(std::vector<std::int64_t> shape = {1, 2}) {
    const auto count = *checked_element_count(shape, 100);
    return *Tensor::make("a", DataType::kFp32, std::move(shape), SecretBytes(count * 4));
  }
  static Tensor b() { return *Tensor::make("b", DataType::kInt64, {1}, SecretBytes(8)); }
  template <typename... T>
  Result<void> check(T... tensors) {
    std::vector<Tensor> inputs;
    (inputs.push_back(std::move(tensors)), ...);
    return check_inputs(specs_, inputs);
  }
};

TEST_F(CheckInputs, AcceptsWhatFitsInAnyOrder) {
  EXPECT_TRUE(check(a(), b()));
  EXPECT_TRUE(check(b(), a({7, 2})));
}

TEST_F(CheckInputs, RejectsUnknownNames) {
  Tensor c = b();
  c.rename("c");
  const auto checked = check(a(), b(), std::move(c));
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().is(InferenceError::kUnknownInput));
}

TEST_F(CheckInputs, RejectsTheSameInputTwice) {
  const auto checked = check(a(), b(), a());
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().is(InferenceError::kUnknownInput));
}

TEST_F(CheckInputs, RejectsMissingInputs) {
  const auto checked = check(a());
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().is(InferenceError::kMissingInput));
}

TEST_F(CheckInputs, RejectsAnotherType) {
  const auto checked = check(a(), *Tensor::make("b", DataType::kUint64, {1}, SecretBytes(8)));
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().is(InferenceError::kWrongType));
}

TEST_F(CheckInputs, RejectsAnotherRankOrDimension) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{2}, {1, 1, 2}, {1, 3}, {0, 2}}) {
    const auto checked = check(a(shape), b());
    ASSERT_FALSE(checked) << testing::PrintToString(shape);
    EXPECT_TRUE(checked.error().is(InferenceError::kWrongShape));
  }
}

TEST(CheckWanted, RejectsUnknownAndRepeatedNames) {
  const std::vector<TensorSpec> specs = {{"a", DataType::kFp32, {1}}};
  EXPECT_TRUE(check_wanted(specs, std::array<std::string, 1>{"a"}));
  const auto unknown = check_wanted(specs, std::array<std::string, 1>{"b"});
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(unknown.error().is(InferenceError::kUnknownOutput));
  const auto twice = check_wanted(specs, std::array<std::string, 2>{"a", "a"});
  ASSERT_FALSE(twice);
  EXPECT_TRUE(twice.error().is(InferenceError::kUnknownOutput));
}

TEST(InferenceErrors, HaveDistinctIds) {
  std::set<std::string_view> ids;
  for (int i = 0; i <= static_cast<int>(InferenceError::kEngine); ++i) {
    const auto info = error_info(static_cast<InferenceError>(i));
    EXPECT_TRUE(info.id.starts_with("inference."));
    EXPECT_TRUE(ids.insert(info.id).second) << info.id;
  }
}

}  // namespace
}  // namespace ensconce
