#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli.h"
#include "ensconce/base/file.h"
#include "ensconce/base/printable.h"
#include "ensconce/client/attested_client.h"
#include "ensconce/codec/json.h"
#include "ensconce/codec/utf8.h"
#include "receipt_files.h"
#include "verdict.h"

namespace ensconce::cli {

namespace {

constexpr std::size_t kMaxInput = std::size_t{16} * 1024 * 1024;

struct InferArguments {
  std::string url;
  std::string policy;
  std::string model;
  std::string image;
  std::vector<std::string> texts;
  std::vector<std::string> outputs;
  std::string channel = "tls";
  std::string save;
  int repeat = 1;
  bool explain = false;
  bool lines = false;
};

Result<std::vector<Tensor>> read_inputs(const InferArguments& a) {
  std::vector<Tensor> inputs;
  if (!a.image.empty()) {
    ENSC_TRY_ASSIGN(Bytes bytes, read_file(a.image == "-" ? "/dev/stdin" : a.image, kMaxInput));
    const ByteView element(bytes);
    Result<Tensor> tensor = Tensor::strings("image", {1}, {&element, 1});
    wipe(bytes.data(), bytes.size());
    ENSC_TRY(tensor);
    inputs.push_back(std::move(*tensor));
    return inputs;
  }
  std::vector<ByteView> elements;
  for (const std::string& text : a.texts) {
    elements.push_back(as_bytes(text));
  }
  ENSC_TRY_ASSIGN(Tensor tensor,
                  Tensor::strings("text", {static_cast<std::int64_t>(elements.size())}, elements));
  inputs.push_back(std::move(tensor));
  return inputs;
}

json::Array values_of(const Tensor& tensor) {
  json::Array out;
  for (std::size_t i = 0; i < tensor.num_elements(); ++i) {
    switch (tensor.type()) {
      case DataType::kBytes:
        out.emplace_back(as_text(tensor.element(i)));
        break;
      case DataType::kFp32:
        out.emplace_back(static_cast<double>(tensor.values<float>()[i]));
        break;
      case DataType::kInt64:
        out.emplace_back(tensor.values<std::int64_t>()[i]);
        break;
      default:
        out.emplace_back(to_hex(tensor.data()));
        return out;
    }
  }
  return out;
}

// shown replaces what is no UTF-8, and the control characters C0, DEL and C1.
std::string shown(std::string_view text) {
  if (!is_utf8(text)) {
    return printable(text, text.size());
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    const bool c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<std::uint8_t>(text[i + 1]) < 0xa0;
    out += byte < 0x20 || byte == 0x7f || c1 ? '?' : text[i];
    i += c1 ? 1 : 0;
  }
  return out;
}

// Prints the output "text" as it is, a line an element. What a terminal would take for a command
// is not shown: the worker is trusted with the input, not with our screen.
Result<void> print_lines(std::span<const Tensor> outputs) {
  const Tensor* text = find_tensor(outputs, "text");
  if (text == nullptr || text->type() != DataType::kBytes) {
    return Error(BaseError::kInvalidArgument,
                 "--lines prints the output \"text\", and the model gave none");
  }
  for (std::size_t i = 0; i < text->num_elements(); ++i) {
    std::puts(shown(as_text(text->element(i))).c_str());
  }
  return ok();
}

Result<int> infer(const InferArguments& a, const Context& context) {
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(a.policy));
  ENSC_TRY_ASSIGN(const AppraisalPolicy policy, AppraisalPolicy::parse(text, a.policy));
  ENSC_TRY_ASSIGN(const Url url, parse_url(a.url));
  // Read before connecting, so that a missing file costs no attestation; sent only afterwards.
  ENSC_TRY_ASSIGN(std::vector<Tensor> first_inputs, read_inputs(a));
  ENSC_TRY_ASSIGN(const ChannelChoice choice, channel_choice(a.channel));
  if (!a.save.empty()) {
    ENSC_TRY(make_receipt_folder(a.save));
  }
  ConnectOutcome outcome =
      AttestedClient::connect(url, policy, ClientOptions{}, context.clock, context.random, choice);
  if (outcome.appraisal) {
    say_verdict(*outcome.appraisal, a.explain);
  }
  if (!outcome.client) {
    return outcome.client.error();
  }
  AttestedClient& client = **outcome.client;
  std::vector<Tensor> inputs = std::move(first_inputs);
  json::Array timings;
  for (int i = 0; i < a.repeat; ++i) {
    const Millis before = context.clock.since_boot();
    ENSC_TRY_ASSIGN(const AttestedClient::Answer answer,
                    client.infer(a.model, std::move(inputs), a.outputs));
    timings.emplace_back((context.clock.since_boot() - before).count());
    if (i + 1 < a.repeat) {
      ENSC_TRY_ASSIGN(inputs, read_inputs(a));
      continue;
    }
    if (!a.save.empty()) {
      ENSC_TRY(save_receipt(a.save, client, answer));
    }
    if (a.lines) {
      ENSC_TRY(print_lines(answer.outputs));
      continue;
    }
    json::Object outputs;
    for (const Tensor& tensor : answer.outputs) {
      outputs.emplace_back(tensor.name(), values_of(tensor));
    }
    json::Object out{{"model", a.model},
                     {"version", answer.model_version},
                     {"bundle", to_hex(answer.manifest_digest)},
                     {"origin", std::string(name_of(client.affirmed().origin()))},
                     {"measurement", to_hex(client.affirmed().measurement())},
                     {"statement", to_hex(client.affirmed().statement_sha256())},
                     {"outputs", std::move(outputs)}};
    std::printf("%s", json::write_pretty(json::Value(std::move(out))).c_str());
  }
  return 0;
}

}  // namespace

void register_infer_commands(Registrar registrar) {
  auto arguments = std::make_shared<InferArguments>();
  CLI::App* command = registrar.app.add_subcommand(
      "infer",
      "Verify a worker, then send it an image or sentences and print the answer.\n"
      "Nothing of the input leaves before the policy affirms this very connection.\n"
      "example: ensconce infer --policy client.toml https://127.0.0.1:8443 --model line-reader "
      "--image line.png\n"
      "         ensconce infer --policy client.toml https://127.0.0.1:8443 --model page-reader "
      "--image letter.jpg --lines");
  command->add_option("url", arguments->url, "https address of the worker")->required();
  command->add_option("--policy", arguments->policy, "appraisal policy (docs/policy.md)")
      ->required();
  command->add_option("--model", arguments->model, "name of the model")->required();
  CLI::Option* image =
      command->add_option("--image", arguments->image, "PNG or JPEG file to read, - for stdin");
  CLI::Option* text =
      command->add_option("--text", arguments->texts, "sentence; may be repeated")->excludes(image);
  image->excludes(text);
  command->add_option("--output", arguments->outputs,
                      "output to ask for; may be repeated (default: the model's usual ones)");
  command->add_option("--channel", arguments->channel, kChannelHelp)
      ->check(CLI::IsMember({"tls", "ohttp", "ohttp-chunked"}));
  command->add_option("--save", arguments->save,
                      "folder to keep the receipt in, with the evidence that vouches for its key\n"
                      "and the key of its digests; of the input and the answer nothing is written");
  command->add_option("--repeat", arguments->repeat, "send the same request this many times")
      ->check(CLI::Range(1, 100000));
  command->add_flag("--lines", arguments->lines,
                    "print the output \"text\" alone, a line an element, instead of JSON");
  command->add_flag("--explain", arguments->explain, "print every check, not only the verdict");
  command->callback([arguments, image, text, registrar]() {
    if (image->count() + text->count() == 0) {
      throw CLI::RequiredError("--image or --text");
    }
    registrar.chosen = [arguments, &context = registrar.context] {
      return infer(*arguments, context);
    };
  });
}

}  // namespace ensconce::cli
