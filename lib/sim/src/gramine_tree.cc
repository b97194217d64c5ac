#include "ensconce/sim/gramine_tree.h"

#include <algorithm>

#include "ensconce/base/log.h"

namespace ensconce {

namespace {

constexpr DeviceFiles::Node kType = 2;
constexpr DeviceFiles::Node kReportData = 3;
constexpr DeviceFiles::Node kQuote = 4;

}  // namespace

std::optional<DeviceFiles::Kind> GramineTree::kind(Node node) const {
  switch (node) {
    case kRoot:
      return Kind::kDirectory;
    case kType:
    case kQuote:
      return Kind::kRead;
    case kReportData:
      return Kind::kReadWrite;
    default:
      return std::nullopt;
  }
}

DeviceFiles::Node GramineTree::child(Node parent, std::string_view name) const {
  for (const Entry& entry : list(parent)) {
    if (entry.name == name) {
      return entry.node;
    }
  }
  return kNone;
}

std::vector<DeviceFiles::Entry> GramineTree::list(Node directory) const {
  if (directory != kRoot) {
    return {};
  }
  return {{"attestation_type", kType}, {"user_report_data", kReportData}, {"quote", kQuote}};
}

int GramineTree::open(Node node, Handle handle) {
  if (node == kQuote && faults_.next_is(Fault::kDenied)) {
    return EACCES;
  }
  answers_.open(handle);
  return 0;
}

DeviceAnswer GramineTree::read(Node node, Handle handle, std::size_t size, std::uint64_t offset) {
  return answers_.read(handle, size, offset, [&]() -> DeviceAnswer {
    switch (node) {
      case kType:
        return {0, to_bytes("dcap")};
      case kReportData:
        return {0, to_bytes(report_data_)};
      default:
        return quote();
    }
  });
}

int GramineTree::write(Node node, Handle /*handle*/, std::uint64_t offset, ByteView bytes) {
  if (node != kReportData) {
    return EACCES;
  }
  if (offset != 0 || bytes.size() != report_data_.size()) {
    return EINVAL;
  }
  std::copy(bytes.begin(), bytes.end(), report_data_.begin());
  return 0;
}

DeviceAnswer GramineTree::quote() {
  if (const auto measured = gate_.verify_code(); !measured) {
    log_failure("SIMULATED enclave refuses a quote", measured.error());
    return {EIO, {}};
  }
  const std::optional<Fault> fault = faults_.next();
  if (fault == Fault::kBusy) {
    return {EBUSY, {}};
  }
  if (fault == Fault::kThrottled) {
    return {EAGAIN, {}};
  }
  if (fault == Fault::kFirmwareError) {
    return {EIO, {}};  // what Gramine says when the quoting enclave does not answer it
  }
  if (fault == Fault::kHang) {
    return {kNever, {}};
  }
  ++num_quotes_;
  log_info("SIMULATED SGX quote " + std::to_string(num_quotes_) + " for process " +
           std::to_string(gate_.pid()) + ", report data " +
           to_hex(ByteView(report_data_).first(8)) + "…");
  Bytes bytes = enclave_.quote(report_data_, fault);
  if (fault == Fault::kShortRead) {
    bytes.resize(bytes.size() / 2);
  }
  return {0, std::move(bytes)};
}

}  // namespace ensconce
