#pragma once

#include <filesystem>

#include "ensconce/channel/receipt.h"
#include "ensconce/client/attested_client.h"
#include "ensconce/codec/json.h"

namespace ensconce::cli {

// receipt_to_json is a receipt for people and machines; what it says is not judged here.
json::Value receipt_to_json(const Receipt& receipt);

// make_receipt_folder makes a folder to save into. One that holds a receipt is refused.
Result<void> make_receipt_folder(const std::filesystem::path& folder);
// save_receipt writes evidence.json (the document as it came), receipt.cose, receipt.json and
// receipt-key.hex (mode 0600). Nothing of the input or the answer.
Result<void> save_receipt(const std::filesystem::path& folder, const AttestedClient& client,
                          const AttestedClient::Answer& answer);

Result<Bytes> read_receipt_file(const std::filesystem::path& path);
// read_receipt_key reads the 64 hex digits of a receipt-key.hex that nobody else may read.
Result<ReceiptKey> read_receipt_key(const std::filesystem::path& path);

}  // namespace ensconce::cli
