#include <algorithm>
#include <cmath>

#include "ensconce/inference/ocr_page.h"
#include "resample.h"
#include "tasks.h"

namespace ensconce {

namespace {

constexpr std::int64_t kLineHeight = 48;
constexpr std::int64_t kOrientationWidth = 192;
constexpr std::int64_t kTrainedWidth = 320;
constexpr std::int64_t kWidthMultiple = 64;
// Of one run of the recogniser: its answer takes 3.3 KB a column.
constexpr std::size_t kBatchLines = 8;
constexpr std::int64_t kBatchColumns = 8192;
// Of one page. Lines side by side from rim to rim come to half of this, and each column costs time.
constexpr std::int64_t kMaxPageColumns = std::int64_t{512} * 1024;
// How often boxes may cover the page. They overlap a little where lines are close.
constexpr std::uint64_t kMaxCover = 4;

// Job is one box of a page: how large it is laid flat, and what was read in it.
struct Job {
  std::size_t index = 0;
  Quad box;
  std::int64_t padded_width = 0;
  LineReading reading;
};

std::int64_t scaled_width(std::uint32_t width, std::uint32_t height, std::int64_t most) {
  return std::clamp<std::int64_t>((kLineHeight * width + height - 1) / height, 1, most);
}

RgbImage columns(const RgbImage& image, std::uint32_t first, std::uint32_t width) {
  RgbImage out{width, image.height, SecretBytes(std::size_t{width} * image.height * 3)};
  for (std::size_t y = 0; y < image.height; ++y) {
    const auto row =
        image.pixels.expose().subspan((y * image.width + first) * 3, std::size_t{width} * 3);
    std::copy(row.begin(), row.end(),
              out.pixels.expose_mutable().begin() + static_cast<std::ptrdiff_t>(y * width * 3));
  }
  return out;
}

// The orientation graph sees four times as much width as height. A longer line squeezed into that
// cannot be told from one that is upside down, so it is shown its beginning, middle and end.
std::vector<RgbImage> windows_of(const RgbImage& line) {
  const std::uint32_t width = line.height * (kOrientationWidth / kLineHeight);
  std::vector<RgbImage> out;
  if (line.width <= width) {
    out.push_back(columns(line, 0, line.width));
    return out;
  }
  for (const std::uint32_t first : {0U, (line.width - width) / 2, line.width - width}) {
    out.push_back(columns(line, first, width));
  }
  return out;
}

class OcrPageModel final : public Model {
 public:
  OcrPageModel(const OcrPageOptions& options, Charset charset, OcrPageGraphs graphs)
      : options_(options), charset_(std::move(charset)), graphs_(std::move(graphs)) {}

  // try_out puts a blank page and a blank line through all graphs before the model is served: a
  // graph need not say how many classes it has, and the first run is slower than those after it.
  Result<void> try_out() const {
    const RgbImage blank{32, 32, SecretBytes(std::size_t{32} * 32 * 3)};
    ENSC_TRY(find_boxes(blank.view()));
    ENSC_TRY(upside_down(std::span(&blank, 1)));
    const RgbImage* const line = &blank;
    ENSC_TRY(read_lines(std::span(&line, 1), kTrainedWidth));
    return ok();
  }

  [[nodiscard]] const std::string& task() const override { return task_; }
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }

  Result<std::vector<Tensor>> infer(std::vector<Tensor> inputs,
                                    std::span<const std::string> requested) const override {
    ENSC_TRY(check_wanted(outputs_, requested));
    ENSC_TRY_ASSIGN(const RgbImage page, page_of(inputs));
    ENSC_TRY_ASSIGN(const WipedVector<Quad> boxes, find_boxes(page.view()));
    ENSC_TRY_ASSIGN(std::vector<Job> jobs, plan(page.view(), boxes));
    for (auto batch = jobs.begin(); batch != jobs.end();) {
      const auto most =
          std::clamp<std::int64_t>(kBatchColumns / batch->padded_width, 1, kBatchLines);
      auto end = batch;
      while (end != jobs.end() && end - batch < most && end->padded_width == batch->padded_width) {
        ++end;
      }
      ENSC_TRY(read_batch(page.view(), {batch, end}));
      batch = end;
    }
    return answer(jobs, requested);
  }

 private:
  // page_of takes the one input that was given.
  Result<RgbImage> page_of(std::span<const Tensor> inputs) const {
    if (inputs.size() != 1) {
      return Error(inputs.empty() ? InferenceError::kMissingInput : InferenceError::kUnknownInput,
                   "give \"image\" or \"pixels\", one of the two");
    }
    const bool encoded = inputs[0].name() != inputs_[1].name;
    ENSC_TRY(check_inputs(std::span(inputs_).subspan(encoded ? 0 : 1, 1), inputs));
    if (encoded) {
      return decode_image(inputs[0].element(0));
    }
    const auto& shape = inputs[0].shape();
    const auto height = static_cast<std::uint64_t>(shape[0]);
    const auto width = static_cast<std::uint64_t>(shape[1]);
    ENSC_TRY(check_image_size(width, height));
    return RgbImage{static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height),
                    SecretBytes::copy_of(inputs[0].data())};
  }

  Result<WipedVector<Quad>> find_boxes(const RgbView& page) const {
    std::vector<Tensor> inputs;
    ENSC_TRY_ASSIGN(Tensor input, page_tensor(page, options_, graphs_.detector->inputs()[0].name));
    const std::int64_t height = input.shape()[2];
    const std::int64_t width = input.shape()[3];
    inputs.push_back(std::move(input));
    ENSC_TRY_ASSIGN(const std::vector<Tensor> results, graphs_.detector->run(inputs, {}));
    if (results[0].shape() != std::vector<std::int64_t>{1, 1, height, width}) {
      return Error(InferenceError::kBadModel, "the detector's answer is not of its input's size");
    }
    return find_text_boxes(results[0].values<float>(), static_cast<std::size_t>(width),
                           static_cast<std::size_t>(height), page.width, page.height, options_);
  }

  // plan lists the boxes that can be read, by the width at which the recogniser sees them. That is
  // a line's own, so that what is read in it does not depend on its neighbours.
  Result<std::vector<Job>> plan(const RgbView& page, std::span<const Quad> boxes) const {
    std::vector<Job> jobs;
    std::int64_t columns = 0;
    std::uint64_t covered = 0;
    for (const Quad& box : boxes) {
      auto [width, height] = flat_size(box);
      if (width == 0 || height == 0) {
        continue;
      }
      covered += std::uint64_t{width} * height;
      if (is_tall(width, height)) {
        std::swap(width, height);
      }
      const std::int64_t own = scaled_width(width, height, options_.max_width);
      const std::int64_t strides = (own + kWidthMultiple - 1) / kWidthMultiple * kWidthMultiple;
      const std::int64_t padded = std::min(options_.max_width, std::max(kTrainedWidth, strides));
      columns += padded;
      jobs.push_back({jobs.size(), box, padded, {}});
    }
    if (columns > kMaxPageColumns ||
        covered > kMaxCover * std::uint64_t{page.width} * page.height) {
      return Error(InferenceError::kTooLarge, "the boxes of text on the page are too large in all");
    }
    std::stable_sort(jobs.begin(), jobs.end(),
                     [](const Job& a, const Job& b) { return a.padded_width < b.padded_width; });
    return jobs;
  }

  Result<void> read_batch(const RgbView& page, std::span<Job> jobs) const {
    std::vector<RgbImage> lines;
    std::vector<Job*> of_line;
    for (Job& job : jobs) {
      auto flat = lay_flat(page, job.box);
      if (flat) {
        job.box = flat->corners;
        lines.push_back(std::move(flat->image));
        of_line.push_back(&job);
      }
    }
    if (lines.empty()) {
      return ok();
    }
    ENSC_TRY_ASSIGN(const WipedVector<double> turned, upside_down(lines));
    std::vector<const RgbImage*> once;
    std::vector<std::size_t> undecided;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (turned[i] > options_.turn_threshold) {
        turn_round(lines[i]);
        of_line[i]->box = turned_round(of_line[i]->box);
      } else if (1 - turned[i] <= options_.turn_threshold) {
        undecided.push_back(i);
      }
      once.push_back(&lines[i]);
    }
    const std::int64_t width = jobs[0].padded_width;
    ENSC_TRY_ASSIGN(std::vector<LineReading> readings, read_lines(once, width));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      of_line[i]->reading = std::move(readings[i]);
    }
    if (undecided.empty()) {
      return ok();
    }
    std::vector<const RgbImage*> again;
    for (const std::size_t i : undecided) {
      turn_round(lines[i]);
      again.push_back(&lines[i]);
    }
    ENSC_TRY_ASSIGN(readings, read_lines(again, width));
    for (std::size_t k = 0; k < undecided.size(); ++k) {
      Job& job = *of_line[undecided[k]];
      if (readings[k].confidence > job.reading.confidence) {
        job.reading = std::move(readings[k]);
        job.box = turned_round(job.box);
      }
    }
    return ok();
  }

  // lines_tensor scales lines to the height that both line graphs take; what is right of them is 0.
  static Result<Tensor> lines_tensor(std::span<const RgbImage* const> lines, std::int64_t width,
                                     std::string name) {
    const auto line_len = static_cast<std::size_t>(3 * kLineHeight * width);
    SecretBytes data(lines.size() * line_len * sizeof(float));
    auto* out = reinterpret_cast<float*>(data.expose_mutable().data());
    for (const RgbImage* line : lines) {
      const std::int64_t own = scaled_width(line->width, line->height, width);
      resample_planes(line->view(), static_cast<std::size_t>(own), kLineHeight, kSigned, out,
                      static_cast<std::size_t>(width));
      out += line_len;
    }
    return Tensor::make(std::move(name), DataType::kFp32,
                        {static_cast<std::int64_t>(lines.size()), 3, kLineHeight, width},
                        std::move(data));
  }

  // upside_down returns how likely each line is: the mean of what its windows look like.
  Result<WipedVector<double>> upside_down(std::span<const RgbImage> lines) const {
    std::vector<RgbImage> windows;
    std::vector<std::size_t> line_of;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (RgbImage& window : windows_of(lines[i])) {
        windows.push_back(std::move(window));
        line_of.push_back(i);
      }
    }
    std::vector<const RgbImage*> pointers;
    pointers.reserve(windows.size());
    for (const RgbImage& window : windows) {
      pointers.push_back(&window);
    }
    std::vector<Tensor> inputs;
    ENSC_TRY_ASSIGN(Tensor input, lines_tensor(pointers, kOrientationWidth,
                                               graphs_.orientation->inputs()[0].name));
    inputs.push_back(std::move(input));
    ENSC_TRY_ASSIGN(const std::vector<Tensor> results, graphs_.orientation->run(inputs, {}));
    if (results[0].shape() !=
        std::vector<std::int64_t>{static_cast<std::int64_t>(windows.size()), 2}) {
      return Error(InferenceError::kBadModel, "the orientation's answer is not [lines, 2]");
    }
    const auto values = results[0].values<float>();
    WipedVector<double> out(lines.size());
    for (std::size_t k = 0; k < windows.size(); ++k) {
      const auto count = std::count(line_of.begin(), line_of.end(), line_of[k]);
      out[line_of[k]] += static_cast<double>(values[2 * k + 1]) / static_cast<double>(count);
    }
    return out;
  }

  Result<std::vector<LineReading>> read_lines(std::span<const RgbImage* const> lines,
                                              std::int64_t width) const {
    std::vector<Tensor> inputs;
    ENSC_TRY_ASSIGN(Tensor input, lines_tensor(lines, width, graphs_.recogniser->inputs()[0].name));
    inputs.push_back(std::move(input));
    ENSC_TRY_ASSIGN(const std::vector<Tensor> results, graphs_.recogniser->run(inputs, {}));
    const auto& shape = results[0].shape();
    if (shape.size() != 3 || shape[0] != static_cast<std::int64_t>(lines.size()) || shape[2] <= 0) {
      return Error(InferenceError::kBadModel,
                   "the recogniser's answer is not [lines, steps, classes]");
    }
    const auto values = results[0].values<float>();
    const std::size_t line_len = values.size() / lines.size();
    std::vector<LineReading> out;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      ENSC_TRY_ASSIGN(LineReading reading,
                      ctc_greedy(values.subspan(i * line_len, line_len),
                                 static_cast<std::size_t>(shape[2]), charset_));
      out.push_back(std::move(reading));
    }
    return out;
  }

  // answer keeps the lines that were read well enough, in reading order.
  Result<std::vector<Tensor>> answer(std::vector<Job>& jobs,
                                     std::span<const std::string> requested) const {
    std::erase_if(jobs, [this](const Job& job) {
      return job.reading.text.empty() ||
             !(static_cast<double>(job.reading.confidence) >= options_.text_threshold);
    });
    std::sort(jobs.begin(), jobs.end(),
              [](const Job& a, const Job& b) { return a.index < b.index; });
    WipedVector<Quad> quads;
    quads.reserve(jobs.size());
    for (const Job& job : jobs) {
      quads.push_back(job.box);
    }
    std::vector<ByteView> texts;
    WipedVector<float> confidences;
    WipedVector<float> corners;
    for (const std::size_t i : reading_order(quads)) {
      texts.emplace_back(jobs[i].reading.text);
      confidences.push_back(jobs[i].reading.confidence);
      for (const Point& p : quads[i]) {
        corners.push_back(static_cast<float>(p.x));
        corners.push_back(static_cast<float>(p.y));
      }
    }
    const auto count = static_cast<std::int64_t>(texts.size());
    std::vector<Tensor> out;
    for (const std::string& name : requested.empty() ? std::span(all_) : requested) {
      Result<Tensor> tensor = name == "text"    ? Tensor::strings(name, {count}, texts)
                              : name == "boxes" ? Tensor::floats(name, {count, 4, 2}, corners)
                                                : Tensor::floats(name, {count}, confidences);
      ENSC_TRY(tensor);
      out.push_back(std::move(*tensor));
    }
    return out;
  }

  std::string task_ = "ocr-page";
  std::vector<TensorSpec> inputs_ = {{"image", DataType::kBytes, {1}},
                                     {"pixels", DataType::kUint8, {-1, -1, 3}}};
  std::vector<TensorSpec> outputs_ = {{"text", DataType::kBytes, {-1}},
                                      {"boxes", DataType::kFp32, {-1, 4, 2}},
                                      {"confidence", DataType::kFp32, {-1}}};
  std::vector<std::string> all_ = {"text", "boxes", "confidence"};
  OcrPageOptions options_;
  Charset charset_;
  OcrPageGraphs graphs_;
};

// Whether a graph takes FP32 [any, 3, height, any] with these sides, and gives one FP32 of that
// rank.
bool fits(const Engine& engine, std::int64_t height, std::size_t rank) {
  const auto& inputs = engine.inputs();
  const auto& outputs = engine.outputs();
  const auto allows = [](std::int64_t dim, std::int64_t value) { return dim < 0 || dim == value; };
  return inputs.size() == 1 && inputs[0].type == DataType::kFp32 && inputs[0].shape.size() == 4 &&
         inputs[0].shape[0] < 0 && allows(inputs[0].shape[1], 3) &&
         allows(inputs[0].shape[2], height) && inputs[0].shape[3] < 0 && outputs.size() == 1 &&
         outputs[0].type == DataType::kFp32 && outputs[0].shape.size() == rank;
}

}  // namespace

Result<std::unique_ptr<Model>> make_ocr_page_model(const OcrPageManifest& manifest,
                                                   const ModelFiles& files, OcrPageGraphs graphs) {
  ENSC_TRY_ASSIGN(const ByteView charset_file, require_file(files, manifest.charset));
  ENSC_TRY_ASSIGN(Charset charset, Charset::parse(charset_file));
  if (!fits(*graphs.detector, -1, 4) || !fits(*graphs.orientation, kLineHeight, 2) ||
      !fits(*graphs.recogniser, kLineHeight, 3)) {
    return Error(InferenceError::kBadModel,
                 "the graphs are not a detector (FP32 [any, 3, any, any] in, [any, 1, any, any] "
                 "out), an orientation ([any, 3, 48, any], [any, 2]) and a recogniser ([any, 3, "
                 "48, any], [any, steps, classes])");
  }
  auto model =
      std::make_unique<OcrPageModel>(manifest.options, std::move(charset), std::move(graphs));
  const auto tried = model->try_out();
  if (!tried) {
    return Error(InferenceError::kBadModel,
                 "the graphs cannot read a blank page (" + std::string(tried.error().id()) + ")");
  }
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace ensconce
