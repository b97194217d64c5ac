// ensconce-bench-latency: what confidentiality costs one request. Asks several sides the same thing
// in turn, each over a connection of its own that stays open, so that a machine that is busy now
// and then is busy for all of them, and prints what each asking took.

#include <onnxruntime_cxx_api.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime is not in <ctime>.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../model_files.h"
#include "../options.h"
#include "ensconce/base/file.h"
#include "ensconce/base/log.h"
#include "ensconce/client/attested_client.h"
#include "ensconce/codec/json.h"
#include "ensconce/inference/onnxruntime.h"
#include "ensconce/oip/oip.h"

namespace ensconce::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    "ensconce-bench-latency: ask the same of several sides in turn, and print what each took.\n"
    "\n"
    "usage: ensconce-bench-latency --model NAME [--image FILE | --text TEXT …]\n"
    "         [--engine DIRECTORY | --task DIRECTORY] [--plain URL] [--tls URL] [--ohttp URL] "
    "[--policy client.toml]\n"
    "         [--plain-pid N] [--worker-pid N] [--pairs 500] [--warm-up 10]\n"
    "\n"
    "Sides: `engine` is in this process: with --engine ONNX Runtime as it comes, with --task the "
    "model\n"
    "directory's task as the worker runs it. `plain` asks ensconce-bench-plain,\n"
    "`tls` and `ohttp` an attested worker. Without an image or a text, inputs are made by the "
    "engine's\n"
    "specs: pseudo-random bytes, and ones. With the servers' process ids it counts their processor "
    "time too. Prints JSON:\n"
    "{\"sides\":{SIDE:{\"ms\":[…],\"cpu_ms\":[…]}},\"origin\":…}. That all sides answer the same "
    "is\n"
    "checked each time.\n";
constexpr std::size_t kMaxInput = std::size_t{16} * 1024 * 1024;

struct Input {
  std::string name;
  DataType type = DataType::kBytes;
  std::vector<std::int64_t> shape;
  std::vector<Bytes> elements;  // of kBytes; else one: the data
};

Result<std::vector<Tensor>> tensors_of(const std::vector<Input>& inputs) {
  std::vector<Tensor> out;
  for (const Input& input : inputs) {
    if (input.type == DataType::kBytes) {
      const std::vector<ByteView> views(input.elements.begin(), input.elements.end());
      ENSC_TRY_ASSIGN(Tensor tensor, Tensor::strings(input.name, input.shape, views));
      out.push_back(std::move(tensor));
    } else {
      ENSC_TRY_ASSIGN(Tensor tensor, Tensor::make(input.name, input.type, input.shape,
                                                  SecretBytes::copy_of(input.elements.front())));
      out.push_back(std::move(tensor));
    }
  }
  return out;
}

// Outputs by name and bytes, to see that all sides answer alike.
using Outputs = std::vector<std::pair<std::string, Bytes>>;
Outputs outputs_of(const std::vector<Tensor>& tensors) {
  Outputs out;
  for (const Tensor& tensor : tensors) {
    out.emplace_back(tensor.name(), to_bytes(tensor.data()));
  }
  return out;
}

// One side of the comparison: asks once, answers with what came.
class Side {
 public:
  Side() = default;
  virtual ~Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  virtual Result<Outputs> ask(std::vector<Tensor> inputs) = 0;
};

// The task of a model directory in this process: our reading of inputs, our settings of the engine.
class TaskSide final : public Side {
 public:
  static Result<std::unique_ptr<TaskSide>> load(const std::string& folder) {
    auto out = std::unique_ptr<TaskSide>(new TaskSide);
    ENSC_TRY_ASSIGN(out->engines_, make_onnxruntime());
    ENSC_TRY_ASSIGN(out->model_, load_directory(folder, *out->engines_, {}));
    return out;
  }
  Result<Outputs> ask(std::vector<Tensor> inputs) override {
    ENSC_TRY_ASSIGN(const std::vector<Tensor> outputs, model_->infer(std::move(inputs), {}));
    return outputs_of(outputs);
  }

 private:
  TaskSide() = default;
  std::unique_ptr<EngineFactory> engines_;
  std::unique_ptr<Model> model_;
};

// ONNX Runtime as it comes, but for one thread: its own allocator, nothing wiped.
class EngineSide final : public Side {
 public:
  explicit EngineSide(const fs::path& graph)
      : env_(ORT_LOGGING_LEVEL_ERROR, "bench"), session_(env_, graph.c_str(), options()) {}

  // filled makes inputs of the graph's specs.
  Result<std::vector<Input>> filled() const {
    std::vector<Input> out;
    SeededRandom random(1);
    const std::vector<std::string> names = session_.GetInputNames();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Ort::TypeInfo type = session_.GetInputTypeInfo(i);
      const auto info = type.GetTensorTypeAndShapeInfo();
      const std::size_t count = info.GetElementCount();
      Input input{names[i], DataType::kUint8, info.GetShape(), {Bytes(count)}};
      if (info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) {
        random.fill(input.elements.front());
      } else if (info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64) {
        input.type = DataType::kInt64;
        input.elements.front().resize(count * 8);
        for (std::size_t k = 0; k < count * 8; k += 8) {
          input.elements.front()[k] = 1;
        }
      } else {
        return Error(BaseError::kInvalidArgument, "only UINT8 and INT64 inputs can be made up");
      }
      out.push_back(std::move(input));
    }
    return out;
  }

  Result<Outputs> ask(std::vector<Tensor> inputs) override {
    std::vector<const char*> names;
    std::vector<Ort::Value> values;
    for (const Tensor& input : inputs) {
      names.push_back(input.name().c_str());
      values.push_back(Ort::Value::CreateTensor(
          memory_, const_cast<std::uint8_t*>(input.data().data()), input.data().size(),
          input.shape().data(), input.shape().size(),
          input.type() == DataType::kUint8 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8
                                           : ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64));
    }
    const std::array<const char*, 1> wanted{"output"};
    const std::vector<Ort::Value> got =
        session_.Run(Ort::RunOptions(nullptr), names.data(), values.data(), values.size(),
                     wanted.data(), wanted.size());
    const auto* data = static_cast<const std::uint8_t*>(got[0].GetTensorRawData());
    const std::size_t len = got[0].GetTensorTypeAndShapeInfo().GetElementCount() * sizeof(float);
    return Outputs{{"output", Bytes(data, data + len)}};
  }

 private:
  static Ort::SessionOptions options() {
    Ort::SessionOptions out;
    out.SetIntraOpNumThreads(1);
    return out;
  }
  Ort::Env env_;
  Ort::Session session_;
  Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
};

class AttestedSide final : public Side {
 public:
  AttestedSide(std::unique_ptr<AttestedClient> client, std::string model)
      : client_(std::move(client)), model_(std::move(model)) {}
  Result<Outputs> ask(std::vector<Tensor> inputs) override {
    ENSC_TRY_ASSIGN(const AttestedClient::Answer answer,
                    client_->infer(model_, std::move(inputs), {}));
    return outputs_of(answer.outputs);
  }
  [[nodiscard]] const Affirmed& affirmed() const { return client_->affirmed(); }

 private:
  std::unique_ptr<AttestedClient> client_;
  std::string model_;
};

class PlainSide final : public Side {
 public:
  PlainSide(std::unique_ptr<HttpClient> client, const std::string& model)
      : client_(std::move(client)), target_("/v2/models/" + model + "/infer") {}
  Result<Outputs> ask(std::vector<Tensor> inputs) override {
    oip::InferRequest body;
    body.inputs = std::move(inputs);
    oip::Message message = oip::write_infer_request(body);
    HttpRequest request;
    request.method = "POST";
    request.target = target_;
    request.headers.set("Content-Type", "application/octet-stream");
    request.headers.set(std::string(oip::kHeaderLengthName),
                        std::to_string(*message.header_length));
    request.body = std::move(message.body);
    ENSC_TRY_ASSIGN(const HttpResponse response, client_->request(request));
    if (response.status != 200) {
      return Error(NetError::kHttpMalformed,
                   "the baseline answered status " + std::to_string(response.status));
    }
    std::optional<std::size_t> header_length;
    if (const auto text = response.headers.get(oip::kHeaderLengthName)) {
      ENSC_TRY_ASSIGN(header_length, oip::parse_header_length(*text));
    }
    ENSC_TRY_ASSIGN(const oip::InferResponse parsed,
                    oip::parse_infer_response(response.body, header_length));
    return outputs_of(parsed.outputs);
  }

 private:
  std::unique_ptr<HttpClient> client_;
  std::string target_;
};

// cpu_ms is what the threads of a process have used: its own clock for this one, else the first
// number of each /proc/PID/task/TID/schedstat, nanoseconds on a processor.
double cpu_ms(std::uint64_t pid) {
  if (pid == 0) {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
  }
  double total = 0;
  std::error_code error;
  const fs::path tasks = "/proc/" + std::to_string(pid) + "/task";
  for (fs::directory_iterator it(tasks, error), end; !error && it != end; it.increment(error)) {
    double ns = 0;
    std::ifstream(it->path() / "schedstat") >> ns;
    total += ns / 1e6;
  }
  return total;
}

struct Asked {
  std::string name;
  std::unique_ptr<Side> side;
  std::optional<std::uint64_t> pid;  // whose processor time it takes; 0: this process's
  std::vector<double> ms;
  std::vector<double> cpu;
};

// measure asks the sides in turn, in an order in which each follows another process, so that none
// finds the caches warm with its own weights. What a server does after its answer counts too: its
// time is read before the next asking of it.
Result<void> measure(std::vector<Asked>& sides, const std::vector<Input>& input,
                     std::uint64_t warm_up, std::uint64_t rounds) {
  struct Open {
    Asked* of;
    double since;
    bool counts;
  };
  std::map<std::uint64_t, Open> open;  // by process
  const auto close = [&](std::uint64_t pid) {
    const auto found = open.find(pid);
    if (found != open.end() && found->second.counts) {
      found->second.of->cpu.push_back(cpu_ms(pid) - found->second.since);
    }
  };
  for (std::uint64_t i = 0; i < warm_up + rounds; ++i) {
    std::optional<Outputs> first;
    for (std::size_t k = 0; k < sides.size(); ++k) {
      Asked& asked = sides[k];
      ENSC_TRY_ASSIGN(std::vector<Tensor> inputs, tensors_of(input));
      if (asked.pid.value_or(0) != 0) {
        close(*asked.pid);
        open[*asked.pid] = {&asked, cpu_ms(*asked.pid), i >= warm_up};
      }
      const double own = cpu_ms(0);
      const auto start = std::chrono::steady_clock::now();
      ENSC_TRY_ASSIGN(Outputs outputs, asked.side->ask(std::move(inputs)));
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - start;
      if (i >= warm_up) {
        asked.ms.push_back(took.count());
        if (asked.pid == 0U) {
          asked.cpu.push_back(cpu_ms(0) - own);
        }
      }
      if (first && *first != outputs) {
        return Error(ChannelError::kUnexpectedAnswer,
                     asked.name + " answered otherwise than the side before it");
      }
      first = std::move(outputs);
    }
  }
  for (const auto& [pid, last] : open) {
    close(pid);
  }
  return ok();
}

Result<std::vector<Input>> read_input(const Options& options, const EngineSide* engine) {
  if (options.all("--image").empty() && options.all("--text").empty() && engine != nullptr) {
    return engine->filled();
  }
  Input out;
  if (!options.all("--image").empty()) {
    ENSC_TRY_ASSIGN(const std::string path, options.one("--image"));
    ENSC_TRY_ASSIGN(Bytes image, read_file(path, kMaxInput));
    out.name = "image";
    out.elements.push_back(std::move(image));
  } else {
    out.name = "text";
    for (const std::string& text : options.all("--text")) {
      out.elements.push_back(to_bytes(text));
    }
  }
  if (out.elements.empty()) {
    return Error(BaseError::kInvalidArgument, kUsage);
  }
  out.shape = {static_cast<std::int64_t>(out.elements.size())};
  return std::vector<Input>{std::move(out)};
}

json::Value numbers(const std::vector<double>& values) {
  json::Array out;
  for (const double value : values) {
    out.emplace_back(value);
  }
  return json::Value(std::move(out));
}

Result<std::optional<std::uint64_t>> pid_of(const Options& options, std::string_view name) {
  if (options.all(name).empty()) {
    return std::optional<std::uint64_t>();
  }
  ENSC_TRY_ASSIGN(const std::uint64_t pid, options.number(name, 0));
  return std::optional(pid);
}

Result<void> run(std::span<char*> arguments) {
  constexpr std::array<std::string_view, 13> kKnown = {
      "--model", "--task",   "--image",     "--text",       "--engine", "--plain",  "--tls",
      "--ohttp", "--policy", "--plain-pid", "--worker-pid", "--pairs",  "--warm-up"};
  ENSC_TRY_ASSIGN(const Options options, Options::parse(arguments, kKnown));
  ENSC_TRY_ASSIGN(const std::string model, options.one("--model"));
  ENSC_TRY_ASSIGN(const std::uint64_t pairs, options.number("--pairs", 500));
  ENSC_TRY_ASSIGN(const std::uint64_t warm_up, options.number("--warm-up", 10));
  if (pairs == 0 || pairs > 1'000'000 || warm_up > 1'000'000) {
    return Error(BaseError::kInvalidArgument, "--pairs: 1 to 1000000");
  }
  const SystemClock clock;
  SystemRandom random;
  std::vector<Asked> sides;
  const EngineSide* engine = nullptr;
  if (!options.all("--engine").empty()) {
    ENSC_TRY_ASSIGN(const std::string folder, options.one("--engine"));
    auto side = std::make_unique<EngineSide>(fs::path(folder) / "model.onnx");
    engine = side.get();
    sides.push_back({"engine", std::move(side), 0, {}, {}});
  }
  if (!options.all("--task").empty()) {
    ENSC_TRY_ASSIGN(const std::string folder, options.one("--task"));
    ENSC_TRY_ASSIGN(std::unique_ptr<TaskSide> side, TaskSide::load(folder));
    sides.push_back({"engine", std::move(side), 0, {}, {}});
  }
  std::string origin = "none";
  for (const auto& [name, choice] : {std::pair{"tls", ChannelChoice::kAttestedTls},
                                     std::pair{"ohttp", ChannelChoice::kOblivious}}) {
    const std::string option = std::string("--") + name;
    if (options.all(option).empty()) {
      continue;
    }
    ENSC_TRY_ASSIGN(const std::string at, options.one(option));
    ENSC_TRY_ASSIGN(const Url url, parse_url(at));
    ENSC_TRY_ASSIGN(const std::string policy_path, options.one("--policy"));
    ENSC_TRY_ASSIGN(const std::string policy_text, read_text_file(policy_path));
    ENSC_TRY_ASSIGN(const AppraisalPolicy policy, AppraisalPolicy::parse(policy_text, policy_path));
    ConnectOutcome outcome =
        AttestedClient::connect(url, policy, ClientOptions{}, clock, random, choice);
    ENSC_TRY_ASSIGN(std::unique_ptr<AttestedClient> client, std::move(outcome.client));
    auto side = std::make_unique<AttestedSide>(std::move(client), model);
    origin = name_of(side->affirmed().origin());
    ENSC_TRY_ASSIGN(const auto pid, pid_of(options, "--worker-pid"));
    sides.push_back({name, std::move(side), pid, {}, {}});
  }
  if (!options.all("--plain").empty()) {
    ENSC_TRY_ASSIGN(const std::string at, options.one("--plain"));
    ENSC_TRY_ASSIGN(const Url url, parse_url(at));
    ENSC_TRY_ASSIGN(std::unique_ptr<HttpClient> http, HttpClient::connect(url));
    ENSC_TRY_ASSIGN(const auto pid, pid_of(options, "--plain-pid"));
    // Between the two that ask the worker.
    const auto place =
        sides.size() > 1 && sides.back().name == "ohttp" ? sides.end() - 1 : sides.end();
    sides.insert(place,
                 Asked{"plain", std::make_unique<PlainSide>(std::move(http), model), pid, {}, {}});
  }
  if (sides.empty()) {
    return Error(BaseError::kInvalidArgument, kUsage);
  }
  ENSC_TRY_ASSIGN(const std::vector<Input> input, read_input(options, engine));
  ENSC_TRY(measure(sides, input, warm_up, pairs));
  json::Object took;
  for (const Asked& side : sides) {
    took.emplace_back(side.name,
                      json::Object{{"ms", numbers(side.ms)}, {"cpu_ms", numbers(side.cpu)}});
  }
  std::puts(json::write(json::Object{{"sides", std::move(took)}, {"origin", origin}}).c_str());
  return ok();
}

}  // namespace
}  // namespace ensconce::bench

int main(int argc, char** argv) {
  ensconce::set_log_name("ensconce-bench-latency");
  try {
    const ensconce::Result<void> done =
        ensconce::bench::run({argv + 1, static_cast<std::size_t>(argc - 1)});
    if (!done) {
      std::fprintf(stderr, "ensconce-bench-latency: %s\n", done.error().to_string().c_str());
      return ensconce::exit_code_of(done.error().stage());
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ensconce-bench-latency: %s\n", e.what());
    return 1;
  }
}
