#pragma once

#include <map>

#include "ensconce/sim/tsm_device.h"

namespace ensconce {

// TsmFiles shows a TsmDevice, which it borrows, as configfs does: `report`, in it a directory for
// each request, in that its attributes.
class TsmFiles final : public DeviceFiles {
 public:
  explicit TsmFiles(TsmDevice& device) : device_(device) {}

  [[nodiscard]] std::optional<Kind> kind(Node node) const override;
  [[nodiscard]] Node child(Node parent, std::string_view name) const override;
  [[nodiscard]] std::vector<Entry> list(Node directory) const override;
  Made make(Node parent, std::string_view name) override;
  int remove(Node parent, std::string_view name) override;
  int open(Node node, Handle handle) override;
  DeviceAnswer read(Node node, Handle handle, std::size_t size, std::uint64_t offset) override;
  int write(Node node, Handle handle, std::uint64_t offset, ByteView bytes) override;
  void release(Handle handle) override { answers_.release(handle); }

 private:
  // 1 is the root, 2 `report`; a request has a multiple of 16, its attributes follow it.
  static constexpr Node kReport = 2;
  static constexpr Node kStep = 16;
  [[nodiscard]] bool is_request(Node node) const {
    return node >= kStep && names_.contains(node - node % kStep);
  }
  [[nodiscard]] std::string_view name_of(Node node) const { return names_.at(node - node % kStep); }
  [[nodiscard]] const TsmDevice::Attribute* attribute_of(Node node) const;

  TsmDevice& device_;
  std::map<Node, std::string> names_;
  OpenAnswers answers_;
  Node next_ = kStep;
};

}  // namespace ensconce
