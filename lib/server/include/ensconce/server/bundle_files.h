#pragma once

#include "ensconce/inference/model.h"
#include "ensconce/sealed_model/open.h"

namespace ensconce {

// BundleFiles is a bundle that is being opened as the files of a model. The bundle is borrowed.
class BundleFiles final : public ModelFiles {
 public:
  explicit BundleFiles(const OpeningBundle& bundle) : bundle_(bundle) {}
  [[nodiscard]] Result<ByteView> find(std::string_view name) const override {
    return bundle_.find(name);
  }
  void let_go(std::string_view name, std::size_t offset) const override {
    bundle_.let_go(name, offset);
  }

 private:
  const OpeningBundle& bundle_;
};

}  // namespace ensconce
