// A head that parses is written back byte for byte, and nobody's signature is on it by chance. The
// same bytes are then read as the payload of that header, table first.

#include "ensconce/sealed_model/bundle_head.h"
#include "file_table.h"
#include "head.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  const ByteView input(data, size);
  BundleHeader header;
  const auto head = parse_bundle_head(input);
  if (head) {
    ENSC_CHECK(head->stream_offset <= size && head->stream_offset <= kMaxBundleFrontLen);
    ENSC_CHECK(equal(internal::encode_signed_part(head->header), head->signed_part));
    ENSC_CHECK(
        equal(concat({head->signed_part, head->signature}), input.first(head->stream_offset)));
    ENSC_CHECK(!verify_head(*head, {}, 0));
    header = head->header;
  }
  // The digest is made to hold, so that what lies behind the check is reached.
  if (size >= 4) {
    ByteReader r(input);
    const std::size_t table_len = r.u32_be().value();
    header.table_digest = sha256(input.subspan(4, std::min(table_len, size - 4)));
  }
  const auto files = internal::parse_payload_front(input, header);
  if (files) {
    const Bytes table = internal::encode_file_table(*files);
    ENSC_CHECK(equal(table, input.subspan(4, table.size())));
    std::uint64_t end = 4 + table.size();
    for (const internal::FileEntry& file : *files) {
      ENSC_CHECK(is_safe_file_name(file.name) && file.offset == end);
      end += file.len;
    }
    ENSC_CHECK(end == size);
  }
  return 0;
}
