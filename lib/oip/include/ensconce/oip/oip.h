#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/inference/tensor.h"

namespace ensconce::oip {

// The Open Inference Protocol, version 2 ("KServe V2"), REST form with the binary tensor data
// extension: requests and responses as bytes. Form only: what a model takes is not known here.

enum class OipError : std::uint8_t {
  kBadJson,          // not JSON, or not of the protocol's shape
  kBadHeaderLength,  // Inference-Header-Content-Length is no length within the body
  kBadDatatype,
  kBadShape,
  kDataLength,  // data does not fill the shape, or binary parts do not fill the body
  kBadData,     // a JSON element that the datatype cannot hold
  kTooLarge,
  kUnsupported,
};
CodeInfo error_info(OipError code);

inline constexpr std::string_view kHeaderLengthName = "Inference-Header-Content-Length";
inline constexpr std::size_t kMaxTensors = 64;
inline constexpr std::size_t kMaxJsonHeader = std::size_t{32} * 1024 * 1024;

struct RequestedOutput {
  std::string name;
  bool binary = false;
};

struct InferRequest {
  std::string id;
  std::vector<Tensor> inputs;            // binary inputs borrow the body
  std::vector<RequestedOutput> outputs;  // none: the model's usual ones
  bool binary_output = false;            // for outputs not named one by one
};

struct InferResponse {
  std::string model_name;
  std::string model_version;
  std::string id;
  std::vector<Tensor> outputs;  // binary outputs borrow the body
};

// Message is a body and, when binary tensors follow the JSON, its Inference-Header-Content-Length.
struct Message {
  Bytes body;
  std::optional<std::size_t> header_length;
};

// parse_header_length reads the header's value: decimal digits alone, at most kMaxJsonHeader.
Result<std::size_t> parse_header_length(std::string_view text);

// parse_infer_request reads a request. Parameters that would make the answer another one
// (classification, shared memory, sequences) are OipError::kUnsupported, by name; those that it
// does not know are passed over, as the protocol has it.
Result<InferRequest> parse_infer_request(ByteView body, std::optional<std::size_t> header_length);
// write_infer_request puts every input into the binary part and asks for binary outputs.
Message write_infer_request(const InferRequest& request);

Result<InferResponse> parse_infer_response(ByteView body, std::optional<std::size_t> header_length);
// write_infer_response puts outputs[i] into the binary part when binary[i]. A kBytes output that is
// not UTF-8 cannot be written as JSON: OipError::kUnsupported.
Result<Message> write_infer_response(const std::string& model_name,
                                     const std::string& model_version, const std::string& id,
                                     std::span<const Tensor> outputs,
                                     const std::vector<bool>& binary);

}  // namespace ensconce::oip
