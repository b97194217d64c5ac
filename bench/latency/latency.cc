// ensconce-bench-overhead: what confidentiality costs one request. Asks an attested worker and the
// unprotected baseline (ensconce-bench-plain) the same thing in turn, over one connection each that
// stays open, and compares in pairs, so that a machine that is busy now and then is busy for both.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "../options.h"
#include "ensconce/base/file.h"
#include "ensconce/base/log.h"
#include "ensconce/client/attested_client.h"
#include "ensconce/codec/json.h"
#include "ensconce/oip/oip.h"

namespace ensconce::bench {
namespace {

constexpr const char* kUsage =
    "ensconce-bench-overhead: compare an attested worker with the unprotected baseline.\n"
    "\n"
    "usage: ensconce-bench-overhead --secure https://HOST:PORT --policy client.toml\n"
    "         --plain http://HOST:PORT --model NAME (--image FILE | --text TEXT …)\n"
    "         [--pairs 500] [--warm-up 10] [--bar RATIO] [--json FILE]\n"
    "\n"
    "Prints JSON; a table goes to stderr. --bar 1.05 adds \"holds\": whether the upper end of the\n"
    "95 % interval is within the bar; null where the interval is wider than 2 points.\n";
constexpr std::size_t kMaxInput = std::size_t{16} * 1024 * 1024;
constexpr int kResamples = 10'000;
constexpr double kWidest = 0.02;

struct Input {
  std::string tensor;
  std::vector<Bytes> elements;
};

Result<std::vector<Tensor>> tensors_of(const Input& input) {
  const std::vector<ByteView> views(input.elements.begin(), input.elements.end());
  ENSC_TRY_ASSIGN(Tensor tensor,
                  Tensor::strings(input.tensor, {static_cast<std::int64_t>(views.size())}, views));
  std::vector<Tensor> out;
  out.push_back(std::move(tensor));
  return out;
}

// Outputs by name and bytes, to see that both sides answer alike.
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

class SecureSide final : public Side {
 public:
  SecureSide(std::unique_ptr<AttestedClient> client, std::string model)
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

struct Timed {
  double ms = 0;
  Outputs outputs;
};

Result<Timed> timed(Side& side, const Input& input) {
  ENSC_TRY_ASSIGN(std::vector<Tensor> inputs, tensors_of(input));
  const auto start = std::chrono::steady_clock::now();
  ENSC_TRY_ASSIGN(Outputs outputs, side.ask(std::move(inputs)));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  return Timed{took.count(), std::move(outputs)};
}

double quantile(std::vector<double> values, double q) {
  const auto at = std::lround(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

struct Interval {
  double low = 0;
  double high = 0;
};

// The 95 % bootstrap interval of the median: percentiles of the medians of resamples.
Interval bootstrap_of_median(const std::vector<double>& values) {
  // NOLINTNEXTLINE(cert-msc32-c,cert-msc51-cpp): the same values give the same interval.
  std::mt19937_64 random(20251123);
  std::uniform_int_distribution<std::size_t> pick(0, values.size() - 1);
  std::vector<double> medians;
  std::vector<double> sample(values.size());
  for (int i = 0; i < kResamples; ++i) {
    std::generate(sample.begin(), sample.end(), [&] { return values[pick(random)]; });
    medians.push_back(quantile(sample, 0.5));
  }
  return {quantile(medians, 0.025), quantile(medians, 0.975)};
}

struct Measured {
  std::vector<double> secure;
  std::vector<double> plain;
  std::vector<double> ratios;
};

Result<Measured> measure(Side& secure, Side& plain, const Input& input, std::uint64_t warm_up,
                         std::uint64_t pairs) {
  Measured out;
  for (std::uint64_t i = 0; i < warm_up + pairs; ++i) {
    // Who goes first takes turns: the second finds warmer caches.
    std::array<Side*, 2> order = {&secure, &plain};
    const std::size_t secure_at = i % 2;
    if (secure_at == 1) {
      std::swap(order[0], order[1]);
    }
    ENSC_TRY_ASSIGN(const Timed first, timed(*order[0], input));
    ENSC_TRY_ASSIGN(const Timed second, timed(*order[1], input));
    if (first.outputs != second.outputs) {
      return Error(ChannelError::kUnexpectedAnswer, "the two sides answered differently");
    }
    if (i >= warm_up) {
      out.secure.push_back(secure_at == 0 ? first.ms : second.ms);
      out.plain.push_back(secure_at == 0 ? second.ms : first.ms);
      out.ratios.push_back(out.secure.back() / out.plain.back());
    }
  }
  return out;
}

Result<Input> read_input(const Options& options) {
  Input out;
  if (!options.all("--image").empty()) {
    ENSC_TRY_ASSIGN(const std::string path, options.one("--image"));
    ENSC_TRY_ASSIGN(Bytes image, read_file(path, kMaxInput));
    out.tensor = "image";
    out.elements.push_back(std::move(image));
    return out;
  }
  out.tensor = "text";
  for (const std::string& text : options.all("--text")) {
    out.elements.push_back(to_bytes(text));
  }
  if (out.elements.empty()) {
    return Error(BaseError::kInvalidArgument, kUsage);
  }
  return out;
}

json::Value report(const Measured& m, const std::string& model, const std::string& origin,
                   std::optional<double> bar) {
  const double secure = quantile(m.secure, 0.5);
  const double plain = quantile(m.plain, 0.5);
  const double paired = quantile(m.ratios, 0.5);
  const Interval interval = bootstrap_of_median(m.ratios);
  std::fprintf(
      stderr,
      "%-18s %10s %10s %10s\n%-18s %9.3f  %9.3f  %9.3f  ms\n%-18s %9.3f  %9.3f  %9.3f  ms\n"
      "paired ratio %.4f (95 %%: %.4f to %.4f), %zu pairs, %s\n",
      model.c_str(), "p50", "p90", "p99", "secure", secure, quantile(m.secure, 0.9),
      quantile(m.secure, 0.99), "plain", plain, quantile(m.plain, 0.9), quantile(m.plain, 0.99),
      paired, interval.low, interval.high, m.ratios.size(), origin.c_str());
  json::Object out{{"model", model},
                   {"pairs", static_cast<std::int64_t>(m.ratios.size())},
                   {"secure_p50_ms", secure},
                   {"plain_p50_ms", plain},
                   {"ratio_p50", secure / plain},
                   {"paired_ratio", paired},
                   {"paired_ratio_95", json::Array{interval.low, interval.high}},
                   {"origin", origin}};
  if (bar) {
    out.emplace_back("bar", *bar);
    out.emplace_back("holds", interval.high - interval.low > kWidest
                                  ? json::Value(nullptr)
                                  : json::Value(interval.high <= *bar));
  }
  return json::Value(std::move(out));
}

Result<std::optional<double>> read_bar(const Options& options) {
  if (options.all("--bar").empty()) {
    return std::optional<double>();
  }
  ENSC_TRY_ASSIGN(const std::string text, options.one("--bar"));
  char* end = nullptr;
  const double bar = std::strtod(text.c_str(), &end);
  if (*end != '\0' || !(bar > 0)) {
    return Error(BaseError::kInvalidArgument, "--bar wants a ratio, such as 1.05");
  }
  return std::optional(bar);
}

Result<void> run(std::span<char*> arguments) {
  constexpr std::array<std::string_view, 10> kKnown = {
      "--secure", "--plain", "--policy",  "--model", "--image",
      "--text",   "--pairs", "--warm-up", "--bar",   "--json"};
  ENSC_TRY_ASSIGN(const Options options, Options::parse(arguments, kKnown));
  ENSC_TRY_ASSIGN(const std::string model, options.one("--model"));
  ENSC_TRY_ASSIGN(const std::string policy_path, options.one("--policy"));
  ENSC_TRY_ASSIGN(const std::string secure_url, options.one("--secure"));
  ENSC_TRY_ASSIGN(const std::string plain_url, options.one("--plain"));
  ENSC_TRY_ASSIGN(const std::uint64_t pairs, options.number("--pairs", 500));
  ENSC_TRY_ASSIGN(const std::uint64_t warm_up, options.number("--warm-up", 10));
  ENSC_TRY_ASSIGN(const std::optional<double> bar, read_bar(options));
  if (pairs == 0 || pairs > 1'000'000 || warm_up > 1'000'000) {
    return Error(BaseError::kInvalidArgument, "--pairs: 1 to 1000000");
  }
  ENSC_TRY_ASSIGN(const Input input, read_input(options));
  ENSC_TRY_ASSIGN(const std::string policy_text, read_text_file(policy_path));
  ENSC_TRY_ASSIGN(const AppraisalPolicy policy, AppraisalPolicy::parse(policy_text, policy_path));
  ENSC_TRY_ASSIGN(const Url secure_at, parse_url(secure_url));
  ENSC_TRY_ASSIGN(const Url plain_at, parse_url(plain_url));

  const SystemClock clock;
  SystemRandom random;
  ConnectOutcome outcome =
      AttestedClient::connect(secure_at, policy, ClientOptions{}, clock, random);
  ENSC_TRY_ASSIGN(std::unique_ptr<AttestedClient> client, std::move(outcome.client));
  SecureSide secure(std::move(client), model);
  ENSC_TRY_ASSIGN(std::unique_ptr<HttpClient> http, HttpClient::connect(plain_at));
  PlainSide plain(std::move(http), model);
  ENSC_TRY_ASSIGN(const Measured measured, measure(secure, plain, input, warm_up, pairs));
  const std::string text =
      json::write_pretty(
          report(measured, model, std::string(name_of(secure.affirmed().origin())), bar)) +
      "\n";
  std::fputs(text.c_str(), stdout);
  if (!options.all("--json").empty()) {
    ENSC_TRY_ASSIGN(const std::string path, options.one("--json"));
    ENSC_TRY(write_file_atomically(path, as_bytes(text)));
  }
  return ok();
}

}  // namespace
}  // namespace ensconce::bench

int main(int argc, char** argv) {
  ensconce::set_log_name("ensconce-bench-overhead");
  try {
    const ensconce::Result<void> done =
        ensconce::bench::run({argv + 1, static_cast<std::size_t>(argc - 1)});
    if (!done) {
      std::fprintf(stderr, "ensconce-bench-overhead: %s\n", done.error().to_string().c_str());
      return ensconce::exit_code_of(done.error().stage());
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "ensconce-bench-overhead: %s\n", e.what());
    return 1;
  }
}
