#include <malloc.h>
#include <onnxruntime_cxx_api.h>
#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <stdexcept>

#include "ensconce/base/locked_memory.h"
#include "ensconce/inference/onnx_graph.h"
#include "ensconce/inference/onnxruntime.h"
#include "ensconce/inference/wiped.h"
#include "graph_pipe.h"

// The only file that knows ONNX Runtime. Every call that may throw is inside `guarded`, and nothing
// an exception says gets out: its text quotes node names and values of the request.

namespace ensconce {

namespace {

struct TypePair {
  ONNXTensorElementDataType theirs;
  DataType ours;
};

constexpr std::array kTypePairs = {
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, DataType::kBool},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, DataType::kUint8},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, DataType::kUint16},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, DataType::kUint32},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, DataType::kUint64},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, DataType::kInt8},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, DataType::kInt16},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, DataType::kInt32},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, DataType::kInt64},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, DataType::kFp16},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, DataType::kFp32},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, DataType::kFp64},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, DataType::kBf16},
    TypePair{ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, DataType::kBytes},
};

std::optional<DataType> our_type(ONNXTensorElementDataType type) {
  for (const TypePair& pair : kTypePairs) {
    if (pair.theirs == type) {
      return pair.ours;
    }
  }
  return std::nullopt;
}

ONNXTensorElementDataType their_type(DataType type) {
  for (const TypePair& pair : kTypePairs) {
    if (pair.ours == type) {
      return pair.theirs;
    }
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

// Returns what `work` returns, or the error when it throws: anything, since the exceptions of ONNX
// Runtime's own dependencies come through it too.
template <typename Work>
auto guarded(InferenceError code, const char* detail, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (...) {
    return Error(code, detail);
  }
}

// An OrtAllocator over WipingHeap. Without it the intermediate tensors of a request stay readable
// in the arena after the request is over.
struct OrtWipingAllocator : OrtAllocator {
  explicit OrtWipingAllocator(const OrtMemoryInfo* memory) : OrtAllocator{}, info(memory) {
    version = ORT_API_VERSION;
    Alloc = allocate;
    Reserve = allocate;  // else what a session keeps bypasses us
    Free = [](OrtAllocator* self, void* p) { from(self)->heap.release(p); };
    Info = [](const OrtAllocator* self) {
      return static_cast<const OrtWipingAllocator*>(self)->info;
    };
  }
  static OrtWipingAllocator* from(OrtAllocator* self) {
    return static_cast<OrtWipingAllocator*>(self);
  }
  static void* ORT_API_CALL allocate(OrtAllocator* self, std::size_t len) {
    return from(self)->heap.allocate(len);
  }
  const OrtMemoryInfo* info;
  WipingHeap heap;
};

void ORT_API_CALL discard_message(void* /*param*/, OrtLoggingLevel /*severity*/,
                                  const char* /*category*/, const char* /*log_id*/,
                                  const char* /*location*/, const char* /*text*/) {}

// Whether this process has an Environment. ONNX Runtime counts users of one environment a process
// and lets the second replace the first one's allocator, which would then be freed under its
// sessions.
std::atomic_flag environment_exists = ATOMIC_FLAG_INIT;

class OnlyOne {
 public:
  OnlyOne() {
    if (environment_exists.test_and_set()) {
      throw std::logic_error("second environment");
    }
  }
  ~OnlyOne() { environment_exists.clear(); }
  OnlyOne(const OnlyOne&) = delete;
  OnlyOne& operator=(const OnlyOne&) = delete;
};

// What engines and tensors share; the last of them ends it. In this order: the environment goes
// before the allocator that it uses.
struct Environment {
  Environment()
      : memory(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault)),
        allocator(memory),
        env(ORT_LOGGING_LEVEL_ERROR, "ensconce", discard_message, nullptr) {
    Ort::ThrowOnError(Ort::GetApi().RegisterAllocator(env, &allocator));
  }
  ~Environment() { Ort::Status(Ort::GetApi().UnregisterAllocator(env, memory)); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  OnlyOne only_one;
  Ort::MemoryInfo memory;
  OrtWipingAllocator allocator;
  Ort::Env env;
};

// What runs allocate, their intermediate tensors, is needed again by the next one. Left to itself,
// malloc may give it back to the system after each run, by what else happens to lie in that
// thread's heap: up to 1600 page faults a request, half of what a small network takes. Not before
// the first load, which is quicker and smaller as malloc comes.
void keep_intermediates() {
  ::mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);  // the most that malloc takes
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
  // A thread's heap grows by pieces of 64 MiB, and one that falls empty goes back whatever the
  // threshold says, unless as much is to be kept in reserve.
  ::mallopt(M_TOP_PAD, 64 * 1024 * 1024);
}

struct LoadedGraph {
  std::shared_ptr<const Environment> environment;
  Ort::Session session;
};

// An output may lie in memory of the session: a constant, for one.
class OrtStorage final : public TensorStorage {
 public:
  OrtStorage(std::shared_ptr<const LoadedGraph> graph, Ort::Value value)
      : graph_(std::move(graph)), value_(std::move(value)) {}

 private:
  std::shared_ptr<const LoadedGraph> graph_;
  Ort::Value value_;
};

// string_of gives the memory of one element of a string tensor, to read, fill or wipe in place.
std::span<char> string_of(Ort::Value& value, std::size_t i) {
  const std::size_t len = value.GetStringTensorElementLength(i);
  return {value.GetResizedStringTensorElementBuffer(i, len), len};
}

// Values are what goes into a run or comes out of it. Strings lie outside ONNX Runtime's
// allocators, where nothing wipes them, so they are wiped here, in place.
class Values {
 public:
  explicit Values(std::vector<Ort::Value> values) : values_(std::move(values)) {}
  ~Values() {
    for (Ort::Value& value : values_) {
      try {
        wipe_strings(value);
      } catch (...) {  // NOLINT(bugprone-empty-catch): the accessors of what was just used
      }
    }
  }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;

  void add(Ort::Value value) { values_.push_back(std::move(value)); }
  [[nodiscard]] std::vector<Ort::Value>& get() { return values_; }

 private:
  static void wipe_strings(Ort::Value& value) {
    if (!value) {
      return;  // a tensor took it
    }
    const auto info = value.GetTensorTypeAndShapeInfo();
    if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING) {
      return;
    }
    for (std::size_t i = 0; i < info.GetElementCount(); ++i) {
      const std::span<char> element = string_of(value, i);
      wipe(element.data(), element.size());
    }
  }

  std::vector<Ort::Value> values_;
};

Ort::Value string_value(const Tensor& input) {
  Ort::AllocatorWithDefaultOptions allocator;
  Ort::Value value = Ort::Value::CreateTensor(allocator, input.shape().data(), input.shape().size(),
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING);
  for (std::size_t i = 0; i < input.num_elements(); ++i) {
    const ByteView element = input.element(i);
    char* const buffer = value.GetResizedStringTensorElementBuffer(i, element.size());
    std::copy(element.begin(), element.end(), buffer);
  }
  return value;
}

Result<Tensor> string_tensor(const std::string& name, std::vector<std::int64_t> shape,
                             Ort::Value& value, std::size_t count) {
  std::vector<ByteView> elements;
  elements.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<char> element = string_of(value, i);
    elements.push_back(as_bytes(std::string_view(element.data(), element.size())));
  }
  return Tensor::strings(name, std::move(shape), elements);
}

Ort::SessionOptions session_options(const EngineOptions& options) {
  Ort::SessionOptions out;
  out.SetIntraOpNumThreads(options.intra_op_threads);
  out.SetExecutionMode(ORT_SEQUENTIAL);
  out.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
  // Spinning gains nothing on an idle machine and more than doubles latency on a busy one.
  out.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  out.AddConfigEntry(kOrtSessionOptionsConfigAllowInterOpSpinning, "0");
  out.AddConfigEntry(kOrtSessionOptionsConfigUseEnvAllocators, "1");
  // session.disable_prepacking stays off, although the packed copies of weights bypass the
  // allocator: it makes a sentence of the small encoder take 4.2 ms instead of 2.7. Weights live as
  // long as the process does; it is the tensors of requests that must not stay. Without the next
  // line, bytes that begin like ORT's own format are read as that, past external_data_of.
  out.AddConfigEntry(kOrtSessionOptionsConfigLoadModelFormat, "ONNX");
  return out;
}

void add_external_files(Ort::SessionOptions& options, const ExternalFiles& files) {
  std::vector<std::string> names;
  std::vector<char*> buffers;
  std::vector<std::size_t> lens;
  for (const auto& [name, content] : files) {
    names.push_back(name);
    // Only read from; the interface lacks the const.
    buffers.push_back(const_cast<char*>(as_text(content).data()));
    lens.push_back(content.size());
  }
  if (!names.empty()) {
    options.AddExternalInitializersFromFilesInMemory(names, buffers, lens);
  }
}

Result<TensorSpec> spec_of(const std::string& name, const Ort::TypeInfo& info) {
  if (info.GetONNXType() != ONNX_TYPE_TENSOR) {
    return Error(InferenceError::kBadModel, "an input or output of the graph is not a tensor");
  }
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  const auto type = our_type(tensor.GetElementType());
  if (!type) {
    return Error(InferenceError::kBadModel,
                 "an input or output of the graph has a type that is not served");
  }
  return TensorSpec{name, *type, tensor.GetShape()};
}

Result<std::vector<TensorSpec>> input_specs(const Ort::Session& session) {
  std::vector<TensorSpec> specs;
  const std::vector<std::string> names = session.GetInputNames();
  for (std::size_t i = 0; i < names.size(); ++i) {
    ENSC_TRY_ASSIGN(TensorSpec spec, spec_of(names[i], session.GetInputTypeInfo(i)));
    specs.push_back(std::move(spec));
  }
  return specs;
}

Result<std::vector<TensorSpec>> output_specs(const Ort::Session& session) {
  std::vector<TensorSpec> specs;
  const std::vector<std::string> names = session.GetOutputNames();
  for (std::size_t i = 0; i < names.size(); ++i) {
    ENSC_TRY_ASSIGN(TensorSpec spec, spec_of(names[i], session.GetOutputTypeInfo(i)));
    specs.push_back(std::move(spec));
  }
  return specs;
}

class OrtEngine final : public Engine {
 public:
  OrtEngine(std::shared_ptr<LoadedGraph> graph, std::vector<TensorSpec> inputs,
            std::vector<TensorSpec> outputs)
      : graph_(std::move(graph)), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {
    for (const TensorSpec& output : outputs_) {
      all_outputs_.push_back(output.name);
    }
  }

  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }

  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs,
                                  std::span<const std::string> wanted) const override {
    ENSC_TRY(check_inputs(inputs_, inputs));
    ENSC_TRY(check_wanted(outputs_, wanted));
    return guarded(InferenceError::kEngine, "the graph did not run on these inputs", [&] {
      return run_checked(inputs,
                         wanted.empty() ? std::span<const std::string>(all_outputs_) : wanted);
    });
  }

 private:
  Result<std::vector<Tensor>> run_checked(std::span<const Tensor> inputs,
                                          std::span<const std::string> wanted) const {
    std::vector<const char*> input_names;
    Values input_values({});
    for (const Tensor& input : inputs) {
      input_names.push_back(input.name().c_str());
      input_values.add(input.type() == DataType::kBytes ? string_value(input)
                                                        : borrowed_value(input));
    }
    std::vector<const char*> output_names;
    for (const std::string& name : wanted) {
      output_names.push_back(name.c_str());
    }
    Values values(graph_->session.Run(Ort::RunOptions(nullptr), input_names.data(),
                                      input_values.get().data(), input_values.get().size(),
                                      output_names.data(), output_names.size()));
    std::vector<Tensor> outputs;
    for (std::size_t i = 0; i < values.get().size(); ++i) {
      ENSC_TRY_ASSIGN(Tensor output, output_tensor(wanted[i], values.get()[i], inputs));
      outputs.push_back(std::move(output));
    }
    return outputs;
  }

  [[nodiscard]] Ort::Value borrowed_value(const Tensor& input) const {
    // Only read from; the interface lacks the const.
    return Ort::Value::CreateTensor(
        graph_->environment->memory, const_cast<std::uint8_t*>(input.data().data()),
        input.data().size(), input.shape().data(), input.shape().size(), their_type(input.type()));
  }

  // output_tensor takes the value over, unless it is of strings: those are copied, and wiped by
  // whoever has them.
  Result<Tensor> output_tensor(const std::string& name, Ort::Value& value,
                               std::span<const Tensor> inputs) const {
    const auto info = value.GetTensorTypeAndShapeInfo();
    const auto type = our_type(info.GetElementType());
    if (!type) {
      return Error(InferenceError::kEngine, "the graph gave an output of another type");
    }
    if (*type == DataType::kBytes) {
      return string_tensor(name, info.GetShape(), value, info.GetElementCount());
    }
    const ByteView data(static_cast<const std::uint8_t*>(value.GetTensorRawData()),
                        info.GetElementCount() * element_size(*type));
    for (const Tensor& input : inputs) {
      const auto* begin = input.data().data();
      if (data.data() >= begin && data.data() < begin + input.data().size()) {
        // The graph hands an input through; the input's memory is not ours to keep.
        return Tensor::make(name, *type, info.GetShape(), SecretBytes::copy_of(data));
      }
    }
    return Tensor::adopt(name, *type, info.GetShape(), data,
                         std::make_unique<OrtStorage>(graph_, std::move(value)));
  }

  std::shared_ptr<LoadedGraph> graph_;  // shared with the tensors it returned
  std::vector<TensorSpec> inputs_;
  std::vector<TensorSpec> outputs_;
  std::vector<std::string> all_outputs_;
};

class OrtEngineFactory final : public EngineFactory {
 public:
  explicit OrtEngineFactory(std::shared_ptr<Environment> environment)
      : environment_(std::move(environment)) {}

  Result<std::unique_ptr<Engine>> load(ByteView graph, const ExternalFiles& files,
                                       const EngineOptions& options,
                                       const ReadUpTo& read_up_to) override {
    ENSC_TRY(check_external_data(graph, files));
    return guarded(InferenceError::kBadModel, "the engine does not take the graph",
                   [&] { return load_checked(graph, files, options, read_up_to); });
  }

 private:
  Result<std::unique_ptr<Engine>> load_checked(ByteView graph, const ExternalFiles& files,
                                               const EngineOptions& options,
                                               const ReadUpTo& read_up_to) {
    Ort::SessionOptions session = session_options(options);
    add_external_files(session, files);
    auto loaded = std::shared_ptr<LoadedGraph>(
        new LoadedGraph{environment_, session_of(graph, session, read_up_to)});
    // What parsing left behind is some two thirds of the graph.
    trim_heap();
    keep_intermediates();
    ENSC_TRY_ASSIGN(std::vector<TensorSpec> inputs, input_specs(loaded->session));
    ENSC_TRY_ASSIGN(std::vector<TensorSpec> outputs, output_specs(loaded->session));
    return std::make_unique<OrtEngine>(std::move(loaded), std::move(inputs), std::move(outputs));
  }

  [[nodiscard]] Ort::Session session_of(ByteView graph, const Ort::SessionOptions& options,
                                        const ReadUpTo& read_up_to) const {
    const auto pipe = read_up_to ? GraphPipe::start(graph, read_up_to) : nullptr;
    return pipe ? Ort::Session(environment_->env, pipe->path().c_str(), options)
                : Ort::Session(environment_->env, graph.data(), graph.size(), options);
  }

  std::shared_ptr<Environment> environment_;  // shared with engines and tensors
};

}  // namespace

Result<std::unique_ptr<EngineFactory>> make_onnxruntime() {
  // 1.29 and later report home unless told; this version cannot, and another may be linked. A model
  // must not configure the session that loads it.
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  unsetenv("ORT_LOAD_CONFIG_FROM_MODEL");
  return guarded(InferenceError::kEngine, "ONNX Runtime does not start, or is started already",
                 []() -> Result<std::unique_ptr<EngineFactory>> {
                   return std::make_unique<OrtEngineFactory>(std::make_shared<Environment>());
                 });
}

std::string onnxruntime_version() { return Ort::GetVersionString(); }

}  // namespace ensconce
