#include <cstddef>
#include <cstdint>

#include "ensconce/base/check.h"
#include "ensconce/inference/onnx_graph.h"

// Whatever the bytes are, a name that is let through stays inside the model.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto found = ensconce::external_data_of({data, size});
  if (found) {
    for (const auto& external : *found) {
      ENSC_CHECK(!external.file.empty() && external.file.front() != '/');
      ENSC_CHECK(("/" + external.file + "/").find("/../") == std::string::npos);
      ENSC_CHECK(external.file.find('*') == std::string::npos);
    }
  }
  return 0;
}
