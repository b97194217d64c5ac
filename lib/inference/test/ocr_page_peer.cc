// Reads pages with the model directory given, for tests/peers/page_reader_test.py: a JSON object a
// line.
//   ocr_page_peer MODEL_DIR IMAGE…

#include <cstdio>
#include <filesystem>
#include <map>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "ensconce/inference/model.h"
#include "ensconce/inference/onnxruntime.h"

namespace ensconce {
namespace {

constexpr std::size_t kMaxModelFile = std::size_t{64} * 1024 * 1024;

json::Array lines_of(std::span<const Tensor> outputs) {
  json::Array lines;
  for (std::size_t i = 0; i < outputs[0].num_elements(); ++i) {
    json::Array box;
    for (std::size_t k = 0; k < 4; ++k) {
      const auto corner = outputs[1].values<float>().subspan(i * 8 + k * 2, 2);
      box.emplace_back(json::Array{static_cast<double>(corner[0]), static_cast<double>(corner[1])});
    }
    lines.emplace_back(
        json::Object{{"text", std::string(as_text(outputs[0].element(i)))},
                     {"confidence", static_cast<double>(outputs[2].values<float>()[i])},
                     {"box", std::move(box)}});
  }
  return lines;
}

Result<void> read_pages(const std::filesystem::path& folder, std::span<char* const> images) {
  std::map<std::string, Bytes> contents;
  MemoryFiles files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    ENSC_TRY_ASSIGN(contents[entry.path().filename()], read_file(entry.path(), kMaxModelFile));
    files.add(entry.path().filename(), contents[entry.path().filename()]);
  }
  ENSC_TRY_ASSIGN(const std::unique_ptr<EngineFactory> engines, make_onnxruntime());
  ENSC_TRY_ASSIGN(const std::unique_ptr<Model> model, load_model(files, *engines, {}));
  for (const char* name : images) {
    ENSC_TRY_ASSIGN(const Bytes file, read_file(name, kMaxModelFile));
    const ByteView view(file);
    std::vector<Tensor> inputs;
    ENSC_TRY_ASSIGN(Tensor image, Tensor::strings("image", {1}, {&view, 1}));
    inputs.push_back(std::move(image));
    ENSC_TRY_ASSIGN(const std::vector<Tensor> outputs, model->infer(std::move(inputs), {}));
    std::printf("%s\n",
                json::write(json::Value(json::Object{{"lines", lines_of(outputs)}})).c_str());
  }
  return ok();
}

}  // namespace
}  // namespace ensconce

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: ocr_page_peer MODEL_DIR IMAGE...\n");
    return 64;
  }
  const auto done = ensconce::read_pages(argv[1], {argv + 2, static_cast<std::size_t>(argc) - 2});
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
    return 1;
  }
  return 0;
}
