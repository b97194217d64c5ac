#include "ensconce/inference/onnx_graph.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

namespace ensconce {

namespace {

// The messages of onnx.proto through which a tensor can be reached.
enum class Message : std::uint8_t {
  kModel,
  kGraph,
  kNode,
  kAttribute,
  kTensor,
  kSparseTensor,
  kFunction,
  kTraining,
  kEntry,  // StringStringEntryProto of a tensor's external_data
};

struct Edge {
  Message from;
  std::uint32_t field;
  Message to;
};

// Field numbers of onnx.proto (ONNX IR version 13).
constexpr Edge kEdges[] = {
    {Message::kModel, 7, Message::kGraph},              // graph
    {Message::kModel, 20, Message::kTraining},          // training_info
    {Message::kModel, 25, Message::kFunction},          // functions
    {Message::kTraining, 1, Message::kGraph},           // initialization
    {Message::kTraining, 2, Message::kGraph},           // algorithm
    {Message::kFunction, 7, Message::kNode},            // node
    {Message::kFunction, 11, Message::kAttribute},      // attribute_proto
    {Message::kGraph, 1, Message::kNode},               // node
    {Message::kGraph, 5, Message::kTensor},             // initializer
    {Message::kGraph, 15, Message::kSparseTensor},      // sparse_initializer
    {Message::kNode, 5, Message::kAttribute},           // attribute
    {Message::kAttribute, 5, Message::kTensor},         // t
    {Message::kAttribute, 6, Message::kGraph},          // g
    {Message::kAttribute, 10, Message::kTensor},        // tensors
    {Message::kAttribute, 11, Message::kGraph},         // graphs
    {Message::kAttribute, 22, Message::kSparseTensor},  // sparse_tensor
    {Message::kAttribute, 23, Message::kSparseTensor},  // sparse_tensors
    {Message::kSparseTensor, 1, Message::kTensor},      // values
    {Message::kSparseTensor, 2, Message::kTensor},      // indices
};
constexpr std::uint32_t kTensorExternalData = 13;
constexpr std::uint32_t kTensorDataLocation = 14;
constexpr std::uint32_t kEntryKey = 1;
constexpr std::uint32_t kEntryValue = 2;

constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kLengthDelimited = 2;
constexpr std::uint32_t kFixed32 = 5;

struct Field {
  std::uint32_t number = 0;
  std::uint32_t wire_type = 0;
  std::uint64_t value = 0;  // kVarint
  ByteView content;         // kLengthDelimited
};

Error bad(const char* detail) { return {InferenceError::kBadModel, detail}; }

Result<std::uint64_t> read_varint(ByteReader& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = in.u8();
    if (!byte) {
      return bad("the graph ends inside a number");
    }
    value |= static_cast<std::uint64_t>(*byte & 0x7f) << shift;
    if ((*byte & 0x80) == 0) {
      return value;
    }
  }
  return bad("a number in the graph is longer than ten bytes");
}

Result<Field> read_field(ByteReader& in) {
  ENSC_TRY_ASSIGN(const std::uint64_t tag, read_varint(in));
  if (tag > std::numeric_limits<std::uint32_t>::max() || tag >> 3 == 0) {
    return bad("a field of the graph has no valid number");
  }
  Field field;
  field.number = static_cast<std::uint32_t>(tag >> 3);
  field.wire_type = static_cast<std::uint32_t>(tag & 7);
  std::size_t skip = 0;
  switch (field.wire_type) {
    case kVarint: {
      ENSC_TRY_ASSIGN(field.value, read_varint(in));
      break;
    }
    case kLengthDelimited: {
      ENSC_TRY_ASSIGN(const std::uint64_t len, read_varint(in));
      if (len > in.remaining()) {
        return bad("a field of the graph is longer than what holds it");
      }
      field.content = *in.take(static_cast<std::size_t>(len));
      break;
    }
    case kFixed64:
      skip = 8;
      break;
    case kFixed32:
      skip = 4;
      break;
    default:
      return bad("the graph holds a group, which ONNX has none of");
  }
  if (!in.skip(skip)) {
    return bad("the graph ends inside a number");
  }
  return field;
}

bool is_plain_relative(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/';
  };
  if (name.empty() || name.size() > 255 || !std::all_of(name.begin(), name.end(), plain)) {
    return false;
  }
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

Result<std::uint64_t> read_decimal(ByteView text) {
  const std::string_view digits = as_text(text);
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || code != std::errc() || end != digits.data() + digits.size()) {
    return bad("an external_data entry is not a number");
  }
  return value;
}

class Walker {
 public:
  Result<void> walk(Message kind, ByteView message, int depth) {
    if (depth > kMaxGraphDepth) {
      return bad("the graph is nested too deeply");
    }
    if (kind == Message::kTensor) {
      return walk_tensor(message);
    }
    ByteReader in(message);
    while (in.remaining() > 0) {
      ENSC_TRY_ASSIGN(const Field field, read_field(in));
      const auto* edge = std::find_if(std::begin(kEdges), std::end(kEdges), [&](const Edge& e) {
        return e.from == kind && e.field == field.number;
      });
      if (edge != std::end(kEdges) && field.wire_type == kLengthDelimited) {
        ENSC_TRY(walk(edge->to, field.content, depth + 1));
      }
    }
    return ok();
  }

  std::vector<ExternalData> take() && { return std::move(found_); }

 private:
  struct Entries {
    std::optional<ByteView> location;
    std::optional<ByteView> offset;
    std::optional<ByteView> len;
    std::optional<ByteView> checksum;
  };

  static Result<void> read_entry(ByteView message, Entries& entries) {
    std::optional<ByteView> key;
    std::optional<ByteView> value;
    ByteReader in(message);
    while (in.remaining() > 0) {
      ENSC_TRY_ASSIGN(const Field field, read_field(in));
      auto* part = field.number == kEntryKey     ? &key
                   : field.number == kEntryValue ? &value
                                                 : nullptr;
      if (part == nullptr || field.wire_type != kLengthDelimited || part->has_value()) {
        return bad("an external_data entry is not one key and one value");
      }
      *part = field.content;
    }
    if (!key || !value) {
      return bad("an external_data entry is not one key and one value");
    }
    const std::string_view name = as_text(*key);
    auto* slot = name == "location"   ? &entries.location
                 : name == "offset"   ? &entries.offset
                 : name == "length"   ? &entries.len
                 : name == "checksum" ? &entries.checksum
                                      : nullptr;
    if (slot == nullptr || slot->has_value()) {
      return bad("an external_data entry is unknown or repeated");
    }
    *slot = value;
    return ok();
  }

  // A tensor that comes in pieces is merged by the engine's parser. So either mark of external
  // data, the location or an entry, is enough to ask for a whole entry.
  Result<void> walk_tensor(ByteView message) {
    Entries entries;
    bool external = false;
    ByteReader in(message);
    while (in.remaining() > 0) {
      ENSC_TRY_ASSIGN(const Field field, read_field(in));
      if (field.number == kTensorExternalData && field.wire_type == kLengthDelimited) {
        external = true;
        ENSC_TRY(read_entry(field.content, entries));
      } else if (field.number == kTensorDataLocation && field.wire_type == kVarint) {
        external = external || field.value != 0;
      }
    }
    return external ? add(entries) : ok();
  }

  Result<void> add(const Entries& entries) {
    if (!entries.location || !entries.len) {
      return bad("external data without a location and a length");
    }
    const std::string_view file = as_text(*entries.location);
    if (!is_plain_relative(file)) {
      return Error(InferenceError::kForeignExternalData,
                   "the graph names external data outside its own files");
    }
    if (found_.size() == kMaxExternalData) {
      return bad("too many tensors with external data");
    }
    ExternalData data;
    data.file = file;
    ENSC_TRY_ASSIGN(data.len, read_decimal(*entries.len));
    if (entries.offset) {
      ENSC_TRY_ASSIGN(data.offset, read_decimal(*entries.offset));
    }
    found_.push_back(std::move(data));
    return ok();
  }

  std::vector<ExternalData> found_;
};

}  // namespace

Result<std::vector<ExternalData>> external_data_of(ByteView graph) {
  // The same bytes can be protobuf and ONNX Runtime's flatbuffers, which we do not read.
  constexpr std::string_view kOrtFormat = "ORTM";
  if (graph.size() >= 8 && as_text(graph.subspan(4, 4)) == kOrtFormat) {
    return bad("the graph is in ONNX Runtime's own format");
  }
  Walker walker;
  ENSC_TRY(walker.walk(Message::kModel, graph, 0));
  return std::move(walker).take();
}

Result<void> check_external_data(ByteView graph, const ExternalFiles& files) {
  ENSC_TRY_ASSIGN(const std::vector<ExternalData> external, external_data_of(graph));
  for (const ExternalData& data : external) {
    const auto file = files.find(data.file);
    if (file == files.end()) {
      return Error(InferenceError::kForeignExternalData,
                   "the graph names external data outside its own files");
    }
    if (data.offset > file->second.size() || data.len > file->second.size() - data.offset) {
      return bad("external data ends after its file");
    }
  }
  return ok();
}

}  // namespace ensconce
