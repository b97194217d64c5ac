#include "ensconce/transparency/merkle_tree.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

// The eight entries, and the roots after each, that certificate transparency implementations have
// shared since RFC 6962.
const char* const kEntries[] = {"",
                                "00",
                                "10",
                                "2021",
                                "3031",
                                "40414243",
                                "5051525354555657",
                                "606162636465666768696a6b6c6d6e6f"};
const char* const kRoots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                              "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                              "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                              "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                              "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                              "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                              "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                              "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

// The definition in RFC 9162 section 2.1.1, word for word: another way to the same root.
Sha256Digest by_definition(const std::vector<Bytes>& entries, std::size_t from, std::size_t to) {
  const std::size_t n = to - from;
  if (n == 0) {
    return sha256({});
  }
  if (n == 1) {
    return leaf_hash(entries[from]);
  }
  std::size_t k = 1;
  while (k * 2 < n) {
    k *= 2;
  }
  const std::uint8_t prefix[] = {1};
  return sha256(concat(
      {prefix, by_definition(entries, from, from + k), by_definition(entries, from + k, to)}));
}

TEST(MerkleTree, ReturnsTheHashOfNothingWhenEmpty) {
  EXPECT_EQ(to_hex(MerkleTree().root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(MerkleTree, ReturnsTheKnownRootsOfEightEntries) {
  MerkleTree tree;
  for (std::size_t i = 0; i < 8; ++i) {
    tree.append(leaf_hash(from_hex(kEntries[i]).value()));
    EXPECT_EQ(tree.size(), i + 1);
    EXPECT_EQ(to_hex(tree.root()), kRoots[i]) << i;
  }
}

TEST(MerkleTree, AgreesWithTheDefinitionAtEverySize) {
  MerkleTree tree;
  std::vector<Bytes> entries;
  for (std::size_t i = 0; i < 70; ++i) {
    entries.push_back(to_bytes("entry " + std::to_string(i)));
    tree.append(leaf_hash(entries.back()));
    ASSERT_EQ(tree.root(), by_definition(entries, 0, entries.size())) << i;
  }
}

TEST(MerkleTree, TellsALeafFromANode) {
  const Sha256Digest a = leaf_hash(to_bytes("a"));
  const Sha256Digest b = leaf_hash(to_bytes("b"));
  MerkleTree two;
  two.append(a);
  two.append(b);
  MerkleTree forged;
  forged.append(leaf_hash(concat({a, b})));
  EXPECT_NE(two.root(), forged.root());
}

}  // namespace
}  // namespace ensconce
