#include "receipt_files.h"

#include <system_error>

#include "ensconce/base/file.h"
#include "ensconce/base/printable.h"

namespace ensconce::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kReceiptFile = "receipt.cose";
constexpr std::size_t kMaxReceiptFile = 65536;

}  // namespace

json::Value receipt_to_json(const Receipt& receipt) {
  return json::Object{{"model", printable(receipt.model_name)},
                      {"model_version", receipt.model_version},
                      {"manifest", to_hex(receipt.manifest_digest)},
                      {"measurement", to_hex(receipt.measurement)},
                      {"statement", to_hex(receipt.statement_digest)},
                      {"boot", to_hex(receipt.boot_id)},
                      {"sequence", receipt.sequence},
                      {"time", to_rfc3339(receipt.time)},
                      {"time_ms", receipt.time.unix_ms},
                      {"request", to_hex(receipt.request_digest)},
                      {"response", to_hex(receipt.response_digest)}};
}

Result<void> make_receipt_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) {
    return Error(BaseError::kIo, "cannot make " + folder.string() + ": " + failed.message());
  }
  if (fs::exists(folder / kReceiptFile, failed)) {
    return Error(BaseError::kInvalidArgument, folder.string() + " holds a receipt already")
        .with_remedy("choose another folder: a receipt and its key are not made twice");
  }
  return ok();
}

Result<void> save_receipt(const fs::path& folder, const AttestedClient& client,
                          const AttestedClient::Answer& answer) {
  ENSC_TRY_ASSIGN(const Receipt receipt, read_receipt_unverified(answer.receipt));
  std::string key = to_hex(answer.receipt_key.expose()) + "\n";
  const Result<void> written =
      write_file_atomically(folder / "receipt-key.hex", as_bytes(key), 0600);
  wipe(key.data(), key.size());
  ENSC_TRY(written);
  ENSC_TRY(write_file_atomically(folder / "evidence.json", as_bytes(client.evidence_document())));
  ENSC_TRY(write_file_atomically(folder / "receipt.json",
                                 as_bytes(json::write_pretty(receipt_to_json(receipt)))));
  // Last, as its name says that the others are there.
  return write_file_atomically(folder / kReceiptFile, answer.receipt);
}

Result<Bytes> read_receipt_file(const fs::path& path) { return read_file(path, kMaxReceiptFile); }

Result<ReceiptKey> read_receipt_key(const fs::path& path) {
  ENSC_TRY_ASSIGN(const SecretBytes file, read_secret_file(path, 1024));
  std::string_view text = as_text(file.expose());
  if (text.ends_with('\n')) {
    text.remove_suffix(1);
  }
  Result<Bytes> bytes = from_hex(text);
  if (!bytes || bytes->size() != sizeof(ReceiptKey)) {
    return Error(BaseError::kInvalidArgument,
                 path.string() + " is not the 64 hex digits of a receipt key");
  }
  Result<ReceiptKey> key = ReceiptKey::from(*bytes);
  wipe(bytes->data(), bytes->size());
  return key;
}

}  // namespace ensconce::cli
