#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ensconce/base/check.h"
#include "ensconce/inference/sentence_labels.h"

// The bytes are a vocabulary up to the first zero byte, then a sentence.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;  // NOLINT: a fuzz target is one function.
  const std::string_view all = as_text({data, size});
  const std::size_t cut = std::min(all.find('\0'), size);
  const auto vocabulary = Unigram::parse(as_bytes(all.substr(0, cut)));
  const ByteView sentence = as_bytes(all.substr(std::min(cut + 1, size)));
  if (vocabulary) {
    const auto tensors = sentence_tensors({&sentence, 1}, *vocabulary, 32);
    if (tensors) {
      for (const std::int64_t id : (*tensors)[0].values<std::int64_t>()) {
        ENSC_CHECK(id >= 0 && static_cast<std::size_t>(id) < vocabulary->size());
      }
    }
  }
  return 0;
}
