#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "ensconce/base/file.h"
#include "ensconce/inference/onnxruntime.h"
#include "onnx_writer.h"

namespace ensconce {
namespace {

using namespace onnx_writer;  // NOLINT: it is this test's language.

// Each test of a graph loads it from an array and, as a worker does, from a pipe.
class OnnxRuntime : public testing::TestWithParam<bool> {
 protected:
  Result<std::unique_ptr<Engine>> load(std::string_view graph, const ExternalFiles& files = {}) {
    return factory_->load(as_bytes(graph), files, {},
                          GetParam() ? ReadUpTo([](std::size_t) {}) : ReadUpTo());
  }
  std::unique_ptr<Engine> add_one_engine() {
    return *load(model(add_one(tensor("one", kFloat, {1}, kOne))));
  }

  std::unique_ptr<EngineFactory> factory_ = *make_onnxruntime();
};

std::vector<Tensor> x_of(std::span<const float> values) {
  std::vector<Tensor> inputs;
  inputs.push_back(*Tensor::floats("x", {static_cast<std::int64_t>(values.size() / 4), 4}, values));
  return inputs;
}

constexpr std::array<float, 4> kFour = {1, 2, 3, 4};

TEST_P(OnnxRuntime, IsTheVersionThatWasChosen) {
  const char* expected = std::getenv("ENSCONCE_ORT_VERSION");
  if (expected == nullptr) {
    GTEST_SKIP() << "ORT_ROOT is the user's own: " << onnxruntime_version();
  }
  EXPECT_EQ(onnxruntime_version(), expected);
}

TEST_P(OnnxRuntime, TurnsTelemetryOffAndModelConfigurationToo) {
  EXPECT_STREQ(std::getenv("ORT_DISABLE_TELEMETRY"), "1");
  EXPECT_EQ(std::getenv("ORT_LOAD_CONFIG_FROM_MODEL"), nullptr);
}

TEST_P(OnnxRuntime, RefusesASecondFactoryWhileOneLives) {
  const auto engine = add_one_engine();
  for (int i = 0; i < 2; ++i) {
    const auto second = make_onnxruntime();
    ASSERT_FALSE(second);
    EXPECT_TRUE(second.error().is(InferenceError::kEngine));
    factory_.reset();  // the engine still lives
  }
}

TEST_P(OnnxRuntime, RunsAGraph) {
  const auto engine = add_one_engine();
  EXPECT_EQ(engine->inputs(), (std::vector<TensorSpec>{{"x", DataType::kFp32, {-1, 4}}}));
  EXPECT_EQ(engine->outputs(), (std::vector<TensorSpec>{{"y", DataType::kFp32, {-1, 4}}}));
  const std::array<float, 8> values = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto outputs = engine->run(x_of(values), {});
  ASSERT_TRUE(outputs);
  ASSERT_EQ(outputs->size(), 1U);
  EXPECT_EQ((*outputs)[0].name(), "y");
  EXPECT_EQ((*outputs)[0].shape(), (std::vector<std::int64_t>{2, 4}));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ((*outputs)[0].values<float>()[i], values[i] + 1);
  }
}

TEST_P(OnnxRuntime, ReadsAGraphPieceByPiece) {
  Graph graph = add_one(tensor("one", kFloat, {1}, kOne));
  graph.add_initializer(tensor("large", kFloat, {1 << 20}, std::string(std::size_t{4} << 20, 'w')))
      .add_node(node("ReduceMax", {"large"}, {"z"}))
      .add_output(value_info("z", kFloat, {1}));
  const std::string whole = model(graph);
  std::vector<std::size_t> told;
  const auto engine =
      factory_->load(as_bytes(whole), {}, {}, [&](std::size_t offset) { told.push_back(offset); });
  ASSERT_TRUE(engine) << engine.error().to_string();
  ASSERT_GE(told.size(), 4U);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), whole.size());
  const auto outputs = (*engine)->run(x_of(kFour), std::array<std::string, 1>{"y"});
  ASSERT_TRUE(outputs);
  EXPECT_EQ((*outputs)[0].values<float>()[3], 5);
}

// What the engine does not read on must not hold up who writes it.
TEST_P(OnnxRuntime, LetsGoOfAGraphThatTheEngineDoesNotReadToItsEnd) {
  const std::string good = model(add_one(tensor("one", kFloat, {1}, kOne)));
  const std::string bad = good + std::string(std::size_t{8} << 20, '\xff');
  std::size_t read = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(factory_->load(as_bytes(bad), {}, {}, [&](std::size_t n) { read = n; }));
  }
  EXPECT_LE(read, bad.size());
  EXPECT_TRUE(factory_->load(as_bytes(good), {}, {}, [&](std::size_t n) { read = n; }));
  EXPECT_EQ(read, good.size());
}

TEST_P(OnnxRuntime, RunsFromSeveralThreadsAtOnce) {
  const auto engine = add_one_engine();
  std::array<bool, 4> right{};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&engine, &right, t] {
      const float base = static_cast<float>(t) * 10;
      bool all = true;
      for (int i = 0; i < 100; ++i) {
        const auto outputs = engine->run(x_of(std::array<float, 4>{base, base, base, base}), {});
        all = all && outputs && (*outputs)[0].values<float>()[3] == base + 1;
      }
      right[t] = all;
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, (std::array<bool, 4>{true, true, true, true}));
}

TEST_P(OnnxRuntime, HoldsInputsAgainstTheGraphFirst) {
  const auto engine = add_one_engine();
  const auto run = [&](std::string name, DataType type, std::vector<std::int64_t> shape) {
    const auto count = *checked_element_count(shape, 1000);
    std::vector<Tensor> inputs;
    inputs.push_back(*Tensor::make(std::move(name), type, std::move(shape),
                                   SecretBytes(count * element_size(type))));
    return engine->run(inputs, {});
  };
  EXPECT_TRUE(run("x", DataType::kFp32, {2, 4}));
  EXPECT_TRUE(run("z", DataType::kFp32, {2, 4}).error().is(InferenceError::kUnknownInput));
  EXPECT_TRUE(run("x", DataType::kInt32, {2, 4}).error().is(InferenceError::kWrongType));
  EXPECT_TRUE(run("x", DataType::kFp32, {2, 5}).error().is(InferenceError::kWrongShape));
  EXPECT_TRUE(run("x", DataType::kFp32, {8}).error().is(InferenceError::kWrongShape));
  EXPECT_TRUE(engine->run({}, {}).error().is(InferenceError::kMissingInput));
  EXPECT_TRUE(engine->run(x_of(kFour), std::array<std::string, 1>{"z"})
                  .error()
                  .is(InferenceError::kUnknownOutput));
}

TEST_P(OnnxRuntime, RefusesExternalDataThatIsNotTheModelsOwn) {
  // The file is there, in the current directory, where the engine alone would read it.
  const auto folder =
      std::filesystem::temp_directory_path() / ("ensconce-engine-test-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  ASSERT_TRUE(write_file_atomically(folder / "one.bin", as_bytes(kOne)));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  const auto graph = model(
      add_one(external_tensor("one", kFloat, {1}, {{"location", "one.bin"}, {"length", "4"}})));
  const auto engine = load(graph);
  std::filesystem::current_path(before);
  std::filesystem::remove_all(folder);
  ASSERT_FALSE(engine);
  EXPECT_TRUE(engine.error().is(InferenceError::kForeignExternalData));
}

TEST_P(OnnxRuntime, TakesExternalDataFromMemory) {
  Bytes file = concat({as_bytes("padding."), as_bytes(kOne)});
  const auto graph = model(add_one(external_tensor(
      "one", kFloat, {1}, {{"location", "w/one.bin"}, {"offset", "8"}, {"length", "4"}})));
  const auto engine = load(graph, {{"w/one.bin", file}});
  ASSERT_TRUE(engine) << engine.error().to_string();
  wipe(file.data(), file.size());  // nothing is read after load
  const auto outputs = (*engine)->run(x_of(kFour), {});
  ASSERT_TRUE(outputs);
  EXPECT_EQ((*outputs)[0].values<float>()[0], 2.0F);
}

TEST_P(OnnxRuntime, RefusesWhatIsNotAGraph) {
  const std::string ort_format("\x20\0\0\0ORTM\0\0\0\0\0\0\0\0", 16);
  for (const std::string& content : {std::string(), std::string("not a graph"), ort_format,
                                     model(Graph()
                                               .add_node(node("NoSuchOperator", {"x"}, {"y"}))
                                               .add_input(value_info("x", kFloat, {1}))
                                               .add_output(value_info("y", kFloat, {1})))}) {
    const auto engine = load(content);
    ASSERT_FALSE(engine);
    EXPECT_TRUE(engine.error().is(InferenceError::kBadModel));
  }
}

TEST_P(OnnxRuntime, RefusesTypesThatAreNotServed) {
  const auto engine = load(model(Graph()
                                     .add_node(node("Identity", {"x"}, {"y"}))
                                     .add_input(value_info("x", kComplex64, {1}))
                                     .add_output(value_info("y", kComplex64, {1}))));
  ASSERT_FALSE(engine);
  EXPECT_TRUE(engine.error().is(InferenceError::kBadModel));
}

TEST_P(OnnxRuntime, ServesEveryNumberTypeUnchanged) {
  constexpr std::array<std::pair<Type, DataType>, 13> kPairs = {{
      {kBool, DataType::kBool},
      {kUint8, DataType::kUint8},
      {kUint16, DataType::kUint16},
      {kUint32, DataType::kUint32},
      {kUint64, DataType::kUint64},
      {kInt8, DataType::kInt8},
      {kInt16, DataType::kInt16},
      {kInt32, DataType::kInt32},
      {kInt64, DataType::kInt64},
      {kFloat16, DataType::kFp16},
      {kFloat, DataType::kFp32},
      {kDouble, DataType::kFp64},
      {kBfloat16, DataType::kBf16},
  }};
  for (const auto& [theirs, ours] : kPairs) {
    const auto engine = load(model(Graph()
                                       .add_node(node("Identity", {"x"}, {"y"}))
                                       .add_input(value_info("x", theirs, {-1, 2}))
                                       .add_output(value_info("y", theirs, {-1, 2}))));
    ASSERT_TRUE(engine) << name_of(ours);
    EXPECT_EQ((*engine)->inputs(), (std::vector<TensorSpec>{{"x", ours, {-1, 2}}}));
    EXPECT_EQ((*engine)->outputs(), (std::vector<TensorSpec>{{"y", ours, {-1, 2}}}));
    Bytes data(4 * element_size(ours), 1);
    data[0] = 0;
    std::vector<Tensor> inputs;
    inputs.push_back(*Tensor::make("x", ours, {2, 2}, SecretBytes::copy_of(data)));
    const auto outputs = (*engine)->run(inputs, {});
    ASSERT_TRUE(outputs) << name_of(ours);
    EXPECT_EQ((*outputs)[0].type(), ours);
    EXPECT_EQ(to_bytes((*outputs)[0].data()), data) << name_of(ours);
  }
}

std::vector<Tensor> strings_of(std::string name, const std::vector<std::string>& elements) {
  std::vector<ByteView> views;
  for (const std::string& element : elements) {
    views.push_back(as_bytes(element));
  }
  std::vector<Tensor> out;
  out.push_back(
      *Tensor::strings(std::move(name), {static_cast<std::int64_t>(elements.size())}, views));
  return out;
}

std::vector<std::string> strings_in(const Tensor& tensor) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < tensor.num_elements(); ++i) {
    out.emplace_back(as_text(tensor.element(i)));
  }
  return out;
}

TEST_P(OnnxRuntime, ServesStringsOfAnyBytes) {
  const auto engine = load(model(Graph()
                                     .add_node(node("Identity", {"x"}, {"y"}))
                                     .add_input(value_info("x", kString, {-1}))
                                     .add_output(value_info("y", kString, {-1}))));
  ASSERT_TRUE(engine) << engine.error().to_string();
  EXPECT_EQ((*engine)->inputs(), (std::vector<TensorSpec>{{"x", DataType::kBytes, {-1}}}));
  const std::vector<std::string> elements = {"", "a", std::string("\0\xff\0", 3),
                                             std::string(100'000, 'z')};
  const auto outputs = (*engine)->run(strings_of("x", elements), {});
  ASSERT_TRUE(outputs);
  EXPECT_EQ((*outputs)[0].type(), DataType::kBytes);
  EXPECT_EQ((*outputs)[0].shape(), (std::vector<std::int64_t>{4}));
  EXPECT_EQ(strings_in((*outputs)[0]), elements);
}

// What is wiped after a run is the request's alone: the same graph answers the same again, also
// where the output is a constant of its own, or the input handed through.
TEST_P(OnnxRuntime, KeepsAGraphsOwnStrings) {
  const auto engine = load(
      model(Graph()
                .add_node(node("Identity", {"constant"}, {"copied"}))
                .add_node(node("Identity", {"x"}, {"y"}))
                .add_initializer(string_tensor("constant", {"short", "long enough for a heap"}))
                .add_input(value_info("x", kString, {-1}))
                .add_output(value_info("x", kString, {-1}))
                .add_output(value_info("y", kString, {-1}))
                .add_output(value_info("constant", kString, {2}))
                .add_output(value_info("copied", kString, {2}))));
  ASSERT_TRUE(engine) << engine.error().to_string();
  const std::vector<std::string> own = {"short", "long enough for a heap"};
  const std::vector<std::string> asked = {"what is asked, long enough for a heap"};
  for (int i = 0; i < 3; ++i) {
    const auto outputs = (*engine)->run(strings_of("x", asked), {});
    ASSERT_TRUE(outputs);
    EXPECT_EQ(strings_in((*outputs)[0]), asked);
    EXPECT_EQ(strings_in((*outputs)[1]), asked);
    EXPECT_EQ(strings_in((*outputs)[2]), own) << "run " << i;
    EXPECT_EQ(strings_in((*outputs)[3]), own) << "run " << i;
  }
}

TEST_P(OnnxRuntime, KeepsTheEnginesWordsToItself) {
  const auto engine = load(model(Graph()
                                     .add_node(node("Gather", {"x", "i"}, {"y"}))
                                     .add_input(value_info("x", kFloat, {-1, 4}))
                                     .add_input(value_info("i", kInt64, {1}))
                                     .add_output(value_info("y", kFloat, {1, 4}))));
  ASSERT_TRUE(engine);
  std::vector<Tensor> inputs = x_of(kFour);
  const std::int64_t index = 987654321;
  inputs.push_back(*Tensor::view("i", DataType::kInt64, {1},
                                 {reinterpret_cast<const std::uint8_t*>(&index), sizeof index}));
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const auto outputs = (*engine)->run(inputs, {});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  ASSERT_FALSE(outputs);
  EXPECT_TRUE(outputs.error().is(InferenceError::kEngine));
  EXPECT_EQ(outputs.error().detail(), "the graph did not run on these inputs");
}

TEST_P(OnnxRuntime, CopiesAnInputThatIsAnOutput) {
  Graph graph = add_one(tensor("one", kFloat, {1}, kOne));
  graph.add_output(value_info("x", kFloat, {-1, 4}));
  const auto engine = load(model(graph));
  ASSERT_TRUE(engine) << engine.error().to_string();
  const std::vector<Tensor> inputs = x_of(kFour);
  const auto outputs = (*engine)->run(inputs, {});
  ASSERT_TRUE(outputs);
  EXPECT_EQ((*outputs)[1].values<float>()[2], 3.0F);
  EXPECT_NE((*outputs)[1].data().data(), inputs[0].data().data());
}

TEST_P(OnnxRuntime, GivesTensorsThatOutliveEngineAndFactory) {
  Graph graph = add_one(tensor("one", kFloat, {1}, kOne));
  graph.add_output(value_info("one", kFloat, {1}));
  auto engine = load(model(graph));
  ASSERT_TRUE(engine) << engine.error().to_string();
  const auto outputs = (*engine)->run(x_of(kFour), {});
  ASSERT_TRUE(outputs);
  engine->reset();
  factory_.reset();
  EXPECT_EQ((*outputs)[0].values<float>()[0], 2.0F);
  EXPECT_EQ((*outputs)[1].values<float>()[0], 1.0F);
}

// Counts floats of this value that lie beside seven others like them, in all memory this process
// can write but its stacks.
std::size_t count_in_memory(float value) {
  struct Range {
    std::uintptr_t begin;
    std::uintptr_t end;
  };
  std::vector<Range> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Range range{};
    std::array<char, 5> rights{};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &range.begin, &range.end, rights.data()) == 3 &&
        rights[0] == 'r' && rights[1] == 'w' && line.find("[stack]") == std::string::npos) {
      ranges.push_back(range);
    }
  }
  constexpr std::size_t kChunk = 1U << 16U;
  const Fd memory(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  // Mapped after the list was made, so that the search does not find what it has just read.
  void* mapped = mmap(nullptr, kChunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  auto* chunk = static_cast<float*>(mapped);
  std::size_t found = 0;
  for (const Range& range : ranges) {
    for (std::uintptr_t at = range.begin; at < range.end; at += kChunk) {
      const ssize_t len =
          pread(memory.get(), chunk, std::min(kChunk, range.end - at), static_cast<off_t>(at));
      std::size_t run = 0;
      for (ssize_t i = 0; i < len / 4; ++i) {
        run = chunk[i] == value ? run + 1 : 0;
        found += run == 8 ? 8 : run > 8 ? 1 : 0;
      }
    }
  }
  munmap(mapped, kChunk);
  return found;
}

TEST_P(OnnxRuntime, WipesTheStringsOfARequest) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow memory is too large to search";
#endif
  const auto engine = load(model(Graph()
                                     .add_node(node("Identity", {"x"}, {"y"}))
                                     .add_input(value_info("x", kString, {-1}))
                                     .add_output(value_info("y", kString, {-1}))));
  ASSERT_TRUE(engine) << engine.error().to_string();
  volatile float canary = 27182.818F;
  std::vector<float> values(1024, static_cast<float>(canary));
  {
    const ByteView element(reinterpret_cast<const std::uint8_t*>(values.data()),
                           values.size() * sizeof(float));
    std::vector<Tensor> inputs;
    inputs.push_back(*Tensor::strings("x", {1}, {&element, 1}));
    EXPECT_GE(count_in_memory(canary), 2 * values.size());
    const auto outputs = (*engine)->run(inputs, {});
    ASSERT_TRUE(outputs);
    EXPECT_TRUE(equal((*outputs)[0].element(0), element));
  }
  wipe(values.data(), values.size() * sizeof(float));
  EXPECT_EQ(count_in_memory(canary), 0U);
}

TEST_P(OnnxRuntime, WipesWhatARequestLeavesBetweenInputAndOutput) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow memory is too large to search";
#endif
  // t = x + 1 lives inside the graph alone; y is its largest element.
  const auto engine = load(model(Graph()
                                     .add_node(node("Add", {"x", "one"}, {"t"}))
                                     .add_node(node("ReduceMax", {"t"}, {"y"}))
                                     .add_initializer(tensor("one", kFloat, {1}, kOne))
                                     .add_input(value_info("x", kFloat, {-1, 4}))
                                     .add_output(value_info("y", kFloat, {1, 1}))));
  ASSERT_TRUE(engine) << engine.error().to_string();
  volatile float canary = 31337.125F;
  {
    const std::vector<float> control(4096, static_cast<float>(canary) + 1);
    EXPECT_GE(count_in_memory(canary + 1), control.size());
  }
  {
    std::vector<float> values(4096, static_cast<float>(canary));
    const auto outputs = (*engine)->run(x_of(values), {});
    ASSERT_TRUE(outputs);
    EXPECT_EQ((*outputs)[0].values<float>()[0], canary + 1);
    wipe(values.data(), values.size() * sizeof(float));
  }
  EXPECT_EQ(count_in_memory(canary), 0U);
  EXPECT_EQ(count_in_memory(canary + 1), 0U);
}

INSTANTIATE_TEST_SUITE_P(From, OnnxRuntime, testing::Bool(),
                         [](const auto& from) { return from.param ? "Pipe" : "Array"; });

}  // namespace
}  // namespace ensconce
