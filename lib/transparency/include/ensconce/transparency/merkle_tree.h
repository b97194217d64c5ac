#pragma once

#include <cstdint>
#include <vector>

#include "ensconce/crypto/hash.h"

namespace ensconce {

// leaf_hash is SHA-256(00 ‖ entry) (RFC 9162 section 2.1.1): the prefix keeps an entry from passing
// for a node.
Sha256Digest leaf_hash(ByteView entry);

// MerkleTree is the append-only tree of RFC 9162 section 2.1 in its compact form: the roots of its
// complete subtrees, at most 64 hashes whatever its size. It is rebuilt by appending the leaf hashes
// again.
class MerkleTree {
 public:
  void append(const Sha256Digest& leaf);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // root is the Merkle Tree Hash; of no leaves, SHA-256 of nothing.
  [[nodiscard]] Sha256Digest root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Sha256Digest> peaks_;  // of complete subtrees, largest first
};

}  // namespace ensconce
