// What parses must write and parse again to the same document.
#include "ensconce/channel/evidence_document.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const auto document = parse_evidence_document(as_text(ByteView(data, size)));
  if (document) {
    const auto again = parse_evidence_document(write_evidence_document(*document));
    ENSC_CHECK(again.has_value());
    ENSC_CHECK(*again == *document);
  }
  return 0;
}
