#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/inference/engine.h"

namespace ensconce {

// ExternalData is one range of a file that a graph keeps weights in.
struct ExternalData {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t len = 0;

  friend bool operator==(const ExternalData&, const ExternalData&) = default;
};

inline constexpr std::size_t kMaxExternalData = 100'000;
inline constexpr int kMaxGraphDepth = 64;  // of messages; the engine itself stops at 100

// external_data_of lists the files that a graph (an ONNX ModelProto) would have the engine read, in
// every tensor that it holds: initializers, sparse ones, attributes of nodes, subgraphs, functions
// and training graphs. It reads protobuf more strictly than the engine, so that what the engine
// would follow is never overlooked: groups, unknown or repeated keys of an entry, lengths left
// out and the mark of ONNX Runtime's other format are InferenceError::kBadModel. A file name that
// is not plain and relative is kForeignExternalData: engines of this family read "../", absolute
// paths and even addresses in their own memory ("*/_ORT_MEM_ADDR_/*") from it.
Result<std::vector<ExternalData>> external_data_of(ByteView graph);

// check_external_data holds what external_data_of finds against the files at hand: another file is
// InferenceError::kForeignExternalData, a range beyond its file kBadModel.
Result<void> check_external_data(ByteView graph, const ExternalFiles& files);

}  // namespace ensconce
