#include "file_table.h"

#include "ensconce/codec/cbor.h"

namespace ensconce::internal {

namespace {

Error bad_table(std::string detail) { return {SealedModelError::kBadTable, std::move(detail)}; }

Result<FileEntry> parse_entry(const cbor::Value& value) {
  ENSC_TRY_ASSIGN(const cbor::Array* fields, value.as_array("file"));
  if (fields->size() != 3) {
    return bad_table("a file is not [name, length, digest]");
  }
  FileEntry entry;
  ENSC_TRY_ASSIGN(entry.name, (*fields)[0].as_text("file name"));
  ENSC_TRY_ASSIGN(entry.len, (*fields)[1].as_uint("file length"));
  ENSC_TRY_ASSIGN(entry.digest, (*fields)[2].as_fixed<32>("file digest"));
  return entry;
}

}  // namespace

Bytes encode_file_table(const std::vector<FileEntry>& entries) {
  cbor::Array table;
  table.reserve(entries.size());
  for (const FileEntry& entry : entries) {
    table.emplace_back(cbor::Array{entry.name, entry.len, entry.digest});
  }
  return cbor::encode(std::move(table));
}

Result<std::vector<FileEntry>> parse_payload_front(ByteView payload, const BundleHeader& header) {
  ByteReader r(payload);
  const auto table_len = r.u32_be();
  if (!table_len) {
    return bad_table("the payload is shorter than the length of a table");
  }
  if (*table_len > kMaxFileTableLen) {
    return bad_table("table of " + std::to_string(*table_len) + " bytes");
  }
  const auto table = r.take(*table_len);
  if (!table) {
    return bad_table("the payload ends within the table");
  }
  if (sha256(*table) != header.table_digest) {
    return Error(SealedModelError::kTableDigest, "the file table is not the one in the header");
  }
  const auto decoded =
      cbor::decode(*table, {.max_depth = 3, .max_items = 1 + 4 * (kMaxBundleFiles + 1)});
  if (!decoded) {
    return bad_table(decoded.error().to_string());
  }
  const auto rows = decoded->as_array("file table");
  if (!rows) {
    return bad_table(rows.error().to_string());
  }
  if ((*rows)->empty() || (*rows)->size() > kMaxBundleFiles) {
    return bad_table(std::to_string((*rows)->size()) + " files");
  }

  std::vector<FileEntry> entries;
  entries.reserve((*rows)->size());
  std::uint64_t left = payload.size() - r.offset();
  for (const cbor::Value& row : **rows) {
    auto entry = parse_entry(row);
    if (!entry) {
      return bad_table(entry.error().to_string());
    }
    if (!is_safe_file_name(entry->name)) {
      return Error(SealedModelError::kUnsafeName,
                   "file " + std::to_string(entries.size()) + " of the table");
    }
    if (!entries.empty() && entry->name <= entries.back().name) {
      return bad_table("the names are not in strictly ascending order");
    }
    if (entry->len > left) {
      return bad_table("the files are longer than the payload");
    }
    entry->offset = payload.size() - left;
    left -= entry->len;
    entries.push_back(std::move(*entry));
  }
  if (left != 0) {
    return bad_table("the files are shorter than the payload");
  }
  return entries;
}

}  // namespace ensconce::internal
