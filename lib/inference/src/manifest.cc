#include "manifest.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <optional>
#include <set>

namespace ensconce {

namespace {

constexpr std::size_t kMaxManifestBytes = 64 * 1024;

Error bad(const std::string& detail) {
  return {InferenceError::kBadModel, "model.toml: " + detail};
}

std::string toml_number(double value) {
  std::string out = std::to_string(value);
  out.resize(out.find('.') + 2);
  return out;
}

// Table reads a table's keys and knows which of them nobody asked for.
class Table {
 public:
  Table(const toml::table& table, std::string prefix) : table_(table), prefix_(std::move(prefix)) {}

  Result<std::string> text(const char* key) {
    asked_.insert(key);
    const auto value = table_[key].value_exact<std::string>();
    if (!value) {
      return bad(prefix_ + key + " must be a text");
    }
    return *value;
  }

  Result<std::int64_t> integer(const char* key, std::int64_t least, std::int64_t most) {
    asked_.insert(key);
    const auto value = table_[key].value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      return bad(prefix_ + key + " must be a number from " + std::to_string(least) + " to " +
                 std::to_string(most));
    }
    return *value;
  }

  Result<double> number(const char* key, double least, double most) {
    asked_.insert(key);
    const auto value = table_[key].value<double>();
    if (!value || !(*value >= least && *value <= most)) {
      return bad(prefix_ + key + " must be a number from " + toml_number(least) + " to " +
                 toml_number(most));
    }
    return *value;
  }

  Result<Table> table(const char* key) {
    asked_.insert(key);
    const toml::table* inner = table_[key].as_table();
    if (inner == nullptr) {
      return bad("table [" + prefix_ + key + "] is missing");
    }
    return Table(*inner, prefix_ + key + ".");
  }

  Result<void> finish() const {
    for (const auto& [key, value] : table_) {
      if (!asked_.contains(key.str())) {
        return bad("unknown key under \"" + prefix_ + "\"");
      }
    }
    return ok();
  }

 private:
  const toml::table& table_;
  std::string prefix_;
  std::set<std::string, std::less<>> asked_;
};

Result<OcrLineManifest> parse_ocr_line(Table table) {
  OcrLineManifest out;
  ENSC_TRY_ASSIGN(out.charset, table.text("charset"));
  ENSC_TRY_ASSIGN(out.options.height, table.integer("height", 8, 256));
  ENSC_TRY_ASSIGN(out.options.max_width, table.integer("max_width", 320, 8192));
  ENSC_TRY(table.finish());
  return out;
}

Result<OcrPageManifest> parse_ocr_page(Table table, const std::string& detector) {
  OcrPageManifest out;
  ENSC_TRY_ASSIGN(out.orientation, table.text("orientation"));
  ENSC_TRY_ASSIGN(out.recogniser, table.text("recogniser"));
  // Each is let go as it is read.
  if (out.orientation == out.recogniser || out.orientation == detector ||
      out.recogniser == detector) {
    return Error(InferenceError::kBadModel, "the three graphs of a page reader are three files");
  }
  ENSC_TRY_ASSIGN(out.charset, table.text("charset"));
  OcrPageOptions& o = out.options;
  ENSC_TRY_ASSIGN(o.max_side, table.integer("max_side", 32, 4096));
  ENSC_TRY_ASSIGN(o.pixel_threshold, table.number("pixel_threshold", 0, 1));
  ENSC_TRY_ASSIGN(o.box_threshold, table.number("box_threshold", 0, 1));
  ENSC_TRY_ASSIGN(o.unclip, table.number("unclip", 0, 4));
  ENSC_TRY_ASSIGN(o.turn_threshold, table.number("turn_threshold", 0.5, 1));
  ENSC_TRY_ASSIGN(o.text_threshold, table.number("text_threshold", 0, 1));
  ENSC_TRY_ASSIGN(o.max_width, table.integer("max_width", 320, 8192));
  ENSC_TRY(table.finish());
  return out;
}

Result<SentenceLabelsManifest> parse_sentence_labels(Table table) {
  SentenceLabelsManifest out;
  ENSC_TRY_ASSIGN(out.vocabulary, table.text("vocabulary"));
  ENSC_TRY_ASSIGN(out.examples, table.text("examples"));
  ENSC_TRY_ASSIGN(const std::int64_t max_tokens, table.integer("max_tokens", 1, 4096));
  out.max_tokens = static_cast<std::size_t>(max_tokens);
  ENSC_TRY(table.finish());
  return out;
}

}  // namespace

Result<Manifest> parse_manifest(ByteView file) {
  if (file.size() > kMaxManifestBytes) {
    return bad("more than 65536 bytes");
  }
  const toml::parse_result parsed = toml::parse(as_text(file));
  if (!parsed) {
    return bad("line " + std::to_string(parsed.error().source().begin.line) + " is not TOML");
  }
  Table root(parsed.table(), "");
  ENSC_TRY_ASSIGN(const std::string format, root.text("format"));
  if (format != "ensconce-model/1") {
    return bad("format must be \"ensconce-model/1\"");
  }
  Manifest out;
  ENSC_TRY_ASSIGN(out.task, root.text("task"));
  ENSC_TRY_ASSIGN(out.graph, root.text("graph"));
  if (out.task == "ocr-line") {
    ENSC_TRY_ASSIGN(Table table, root.table("ocr_line"));
    ENSC_TRY_ASSIGN(out.settings, parse_ocr_line(std::move(table)));
  } else if (out.task == "ocr-page") {
    ENSC_TRY_ASSIGN(Table table, root.table("ocr_page"));
    ENSC_TRY_ASSIGN(out.settings, parse_ocr_page(std::move(table), out.graph));
  } else if (out.task == "sentence-labels") {
    ENSC_TRY_ASSIGN(Table table, root.table("sentence_labels"));
    ENSC_TRY_ASSIGN(out.settings, parse_sentence_labels(std::move(table)));
  } else if (out.task != "tensor") {
    return bad("task must be \"ocr-line\", \"ocr-page\", \"sentence-labels\" or \"tensor\"");
  }
  ENSC_TRY(root.finish());
  return out;
}

}  // namespace ensconce
