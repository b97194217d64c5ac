#include "ensconce/sim/tsm_files.h"

namespace ensconce {

const TsmDevice::Attribute* TsmFiles::attribute_of(Node node) const {
  const std::size_t index = node % kStep;
  if (!is_request(node) || index == 0 || index > TsmDevice::kAttributes.size()) {
    return nullptr;
  }
  const TsmDevice::Attribute* attribute = &TsmDevice::kAttributes[index - 1];
  return device_.shows(attribute->name) ? attribute : nullptr;
}

std::optional<DeviceFiles::Kind> TsmFiles::kind(Node node) const {
  if (node == kRoot || node == kReport || (is_request(node) && node % kStep == 0)) {
    return Kind::kDirectory;
  }
  const TsmDevice::Attribute* attribute = attribute_of(node);
  if (attribute == nullptr) {
    return std::nullopt;
  }
  return attribute->access == TsmDevice::Access::kRead ? Kind::kRead : Kind::kWrite;
}

DeviceFiles::Node TsmFiles::child(Node parent, std::string_view name) const {
  for (const Entry& entry : list(parent)) {
    if (entry.name == name) {
      return entry.node;
    }
  }
  return kNone;
}

std::vector<DeviceFiles::Entry> TsmFiles::list(Node directory) const {
  if (directory == kRoot) {
    return {{"report", kReport}};
  }
  std::vector<Entry> out;
  if (directory == kReport) {
    for (const auto& [node, name] : names_) {
      out.push_back({name, node});
    }
  } else if (is_request(directory) && directory % kStep == 0) {
    for (std::size_t i = 0; i < TsmDevice::kAttributes.size(); ++i) {
      if (device_.shows(TsmDevice::kAttributes[i].name)) {
        out.push_back({std::string(TsmDevice::kAttributes[i].name), directory + 1 + i});
      }
    }
  }
  return out;
}

DeviceFiles::Made TsmFiles::make(Node parent, std::string_view name) {
  if (parent != kReport) {
    return {EPERM, kNone};
  }
  if (const int error = device_.make(name); error != 0) {
    return {error, kNone};
  }
  const Node node = next_;
  next_ += kStep;
  names_[node] = std::string(name);
  return {0, node};
}

int TsmFiles::remove(Node parent, std::string_view name) {
  if (parent != kReport) {
    return EPERM;
  }
  const Node node = child(parent, name);
  if (node == kNone) {
    return ENOENT;
  }
  names_.erase(node);
  return device_.remove(name);
}

int TsmFiles::open(Node /*node*/, Handle handle) {
  answers_.open(handle);
  return 0;
}

DeviceAnswer TsmFiles::read(Node node, Handle handle, std::size_t size, std::uint64_t offset) {
  const TsmDevice::Attribute* attribute = attribute_of(node);
  if (attribute == nullptr) {
    return {EBADF, {}};
  }
  return answers_.read(handle, size, offset,
                       [&] { return device_.read(name_of(node), attribute->name); });
}

int TsmFiles::write(Node node, Handle /*handle*/, std::uint64_t offset, ByteView bytes) {
  const TsmDevice::Attribute* attribute = attribute_of(node);
  if (attribute == nullptr) {
    return EBADF;
  }
  return offset != 0 ? EINVAL : device_.write(name_of(node), attribute->name, bytes);
}

}  // namespace ensconce
