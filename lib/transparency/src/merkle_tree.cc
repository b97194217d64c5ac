#include "ensconce/transparency/merkle_tree.h"

namespace ensconce {

namespace {

constexpr std::uint8_t kLeafPrefix[] = {0};
constexpr std::uint8_t kNodePrefix[] = {1};

Sha256Digest node_hash(const Sha256Digest& left, const Sha256Digest& right) {
  return sha256(concat({kNodePrefix, left, right}));
}

}  // namespace

Sha256Digest leaf_hash(ByteView entry) { return sha256(concat({kLeafPrefix, entry})); }

void MerkleTree::append(const Sha256Digest& leaf) {
  Sha256Digest hash = leaf;
  // Each low one bit of the size is a complete subtree that this leaf completes into the next one.
  for (std::uint64_t n = size_; (n & 1) != 0; n >>= 1) {
    hash = node_hash(peaks_.back(), hash);
    peaks_.pop_back();
  }
  peaks_.push_back(hash);
  ++size_;
}

Sha256Digest MerkleTree::root() const {
  if (peaks_.empty()) {
    return sha256({});
  }
  Sha256Digest hash = peaks_.back();
  for (std::size_t i = peaks_.size() - 1; i > 0; --i) {
    hash = node_hash(peaks_[i - 1], hash);
  }
  return hash;
}

}  // namespace ensconce
