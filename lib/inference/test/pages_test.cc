#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/inference/image.h"
#include "ensconce/inference/model.h"
#include "ensconce/inference/onnxruntime.h"

// The page reader with its real weights on the pages of models/samples/pages, against what
// models/page-reader/reference.py, by other code, read on the same bytes (expected.json), and
// against what is printed on them (truth.json).

namespace ensconce {
namespace {

namespace fs = std::filesystem;

constexpr double kMostPixelsApart = 2;
constexpr double kMostConfidenceApart = 0.02;
constexpr double kLeastRight = 0.97;
constexpr std::size_t kMaxModelFile = std::size_t{64} * 1024 * 1024;

fs::path source_dir() {
  const char* path = std::getenv("ENSCONCE_SOURCE_DIR");
  return path == nullptr ? "." : path;
}

fs::path model_dir() {
  const char* path = std::getenv("ENSCONCE_MODELS");
  return (path == nullptr ? source_dir() / ".cache/models" : fs::path(path)) / "page-reader";
}

fs::path pages_dir() { return source_dir() / "models/samples/pages"; }

json::Value read_json(const char* name) {
  const std::string text = *read_text_file(pages_dir() / name);
  return *json::parse(text);
}

struct Line {
  std::string text;
  double confidence = 0;
  std::array<double, 8> box{};
};

struct Page {
  std::string file;
  std::string pixels;  // SHA-256 of the decoded, upright pixels
  std::vector<Line> lines;
};

Line line_of(const json::Value& value) {
  Line out{*value.find("text")->as_text("text"), *value.find("confidence")->as_double("c"), {}};
  std::size_t i = 0;
  for (const json::Value& point : **value.find("box")->as_array("box")) {
    for (const json::Value& number : **point.as_array("point")) {
      out.box.at(i++) = *number.as_double("number");
    }
  }
  return out;
}

std::vector<Page> expected_pages() {
  const json::Value file = read_json("expected.json");
  std::vector<Page> out;
  for (const json::Value& value : **file.as_array("pages")) {
    Page page{*value.find("file")->as_text("file"), *value.find("pixels")->as_text("pixels"), {}};
    for (const json::Value& line : **value.find("lines")->as_array("lines")) {
      page.lines.push_back(line_of(line));
    }
    out.push_back(std::move(page));
  }
  return out;
}

// Levenshtein's distance, in bytes: all of it is ASCII.
std::size_t edits(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t k = 0; k < b.size(); ++k) {
      const std::size_t above = row[k + 1];
      row[k + 1] = std::min({above + 1, row[k] + 1, diagonal + (a[i] == b[k] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

// Returns which share of the printed characters was seen as printed.
double share_right(const std::vector<std::string>& seen, const json::Value& printed) {
  const auto joined = [](const auto& lines, auto text_of) {
    std::string out;
    for (const auto& line : lines) {
      out += text_of(line) + "\n";
    }
    return out;
  };
  const std::string a = joined(seen, [](const std::string& line) { return line; });
  const std::string b = joined(**printed.as_array("lines"),
                               [](const json::Value& line) { return *line.as_text("line"); });
  return 1 - static_cast<double>(edits(a, b)) / static_cast<double>(b.size());
}

class PageReader : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(model_dir() / "detector.onnx")) {
      GTEST_SKIP() << model_dir() << " is not there: setup/setup.sh fetches it";
    }
    for (const auto& entry : fs::directory_iterator(model_dir())) {
      auto& content = contents_[entry.path().filename()];
      content = *read_file(entry.path(), kMaxModelFile);
      files_.add(entry.path().filename(), content);
    }
    auto model = load_model(files_, *factory_, {});
    ASSERT_TRUE(model) << model.error().to_string();
    model_ = *std::move(model);
  }

  static std::vector<Tensor> encoded(ByteView file) {
    std::vector<Tensor> inputs;
    inputs.push_back(*Tensor::strings("image", {1}, {&file, 1}));
    return inputs;
  }

  std::vector<Tensor> read(std::vector<Tensor> inputs) {
    auto outputs = model_->infer(std::move(inputs), {});
    EXPECT_TRUE(outputs) << outputs.error().to_string();
    return outputs ? *std::move(outputs) : std::vector<Tensor>();
  }

  static std::vector<std::string> texts_of(const Tensor& text) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < text.num_elements(); ++i) {
      out.emplace_back(as_text(text.element(i)));
    }
    return out;
  }

  std::map<std::string, Bytes> contents_;
  MemoryFiles files_;
  std::unique_ptr<EngineFactory> factory_ = *make_onnxruntime();
  std::unique_ptr<Model> model_;
};

TEST_F(PageReader, ReadsWhatTheReferenceReadsAndWhatIsPrinted) {
  const std::vector<Page> pages = expected_pages();
  ASSERT_EQ(pages.size(), 21U);
  const json::Value truth = read_json("truth.json");
  double furthest = 0;
  int num_clean = 0;
  for (const Page& page : pages) {
    SCOPED_TRACE(page.file);
    const Bytes file = *read_file(pages_dir() / page.file);
    EXPECT_EQ(to_hex(sha256(decode_image(file)->pixels.expose())), page.pixels);
    const auto outputs = read(encoded(file));
    ASSERT_EQ(outputs.size(), 3U);
    std::vector<std::string> expected;
    for (const Line& line : page.lines) {
      expected.push_back(line.text);
    }
    const std::vector<std::string> seen = texts_of(outputs[0]);
    EXPECT_EQ(seen, expected);
    ASSERT_EQ(outputs[1].values<float>().size(), page.lines.size() * 8);
    for (std::size_t i = 0; i < page.lines.size(); ++i) {
      for (std::size_t k = 0; k < 8; ++k) {
        const double apart = std::abs(static_cast<double>(outputs[1].values<float>()[i * 8 + k]) -
                                      page.lines[i].box.at(k));
        EXPECT_LE(apart, kMostPixelsApart) << page.lines[i].text;
        furthest = std::max(furthest, apart);
      }
      EXPECT_NEAR(outputs[2].values<float>()[i], page.lines[i].confidence, kMostConfidenceApart)
          << page.lines[i].text;
    }
    if (page.file.starts_with("clean")) {
      ++num_clean;
      EXPECT_GE(share_right(seen, *truth.find(page.file)), kLeastRight);
    }
  }
  EXPECT_EQ(num_clean, 9);
  RecordProperty("pixels_apart", std::to_string(furthest));
}

TEST_F(PageReader, TakesPixelsAsItTakesFiles) {
  const Bytes file = *read_file(pages_dir() / "photo-sideways.jpg");
  RgbImage image = *decode_image(file);
  std::vector<Tensor> inputs;
  inputs.push_back(*Tensor::make("pixels", DataType::kUint8, {image.height, image.width, 3},
                                 std::move(image.pixels)));
  const auto from_pixels = read(std::move(inputs));
  const auto from_file = read(encoded(file));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(from_pixels.at(i).name(), from_file.at(i).name());
    EXPECT_EQ(to_bytes(from_pixels.at(i).data()), to_bytes(from_file.at(i).data()));
  }
}

TEST_F(PageReader, FindsNothingOnABlankPage) {
  std::vector<Tensor> inputs;
  inputs.push_back(*Tensor::make("pixels", DataType::kUint8, {600, 400, 3},
                                 SecretBytes::copy_of(Bytes(std::size_t{600} * 400 * 3, 0xff))));
  const auto outputs = read(std::move(inputs));
  ASSERT_EQ(outputs.size(), 3U);
  EXPECT_EQ(outputs[0].shape(), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(outputs[1].shape(), (std::vector<std::int64_t>{0, 4, 2}));
  EXPECT_EQ(outputs[2].shape(), (std::vector<std::int64_t>{0}));
}

}  // namespace
}  // namespace ensconce
