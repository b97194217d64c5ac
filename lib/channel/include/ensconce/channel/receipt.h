#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ensconce/base/clock.h"
#include "ensconce/base/secret.h"
#include "ensconce/channel/error.h"
#include "ensconce/crypto/keys.h"

namespace ensconce {

// What a client asks for a receipt with, 64 hex digits, and what it comes back in, base64.
inline constexpr std::string_view kReceiptKeyHeader = "Ensconce-Receipt-Key";
inline constexpr std::string_view kReceiptHeader = "Ensconce-Receipt";

inline constexpr std::size_t kMaxReceipt = 1024;          // the whole COSE_Sign1
inline constexpr std::size_t kMaxReceiptModelName = 128;  // as long as a bundle's may be

// ReceiptKey keys the digests of one request and its answer: without it nobody can try guesses of
// what was asked against a receipt. Made by the client, for this request alone.
using ReceiptKey = SecretArray<32>;

// Receipt is what a worker says, signed inside the TEE, of one answer: which model answered, in
// which measured code, to which request, what. docs/protocols/receipt.md. The origin of the root
// that vouches for the code is not in it: that comes from the anchor whoever judges it trusts.
struct Receipt {
  Sha256Digest manifest_digest{};
  Sha256Digest statement_digest{};  // of the epoch it was signed in
  Bytes measurement;                // 32 or 48 bytes, as the worker's evidence says
  std::string model_name;           // 1 to 128 of printable ASCII
  std::uint64_t model_version = 0;
  Sha256Digest request_digest{};
  Sha256Digest response_digest{};
  Instant time;                // the worker's clock, which the host sets: said, not trusted
  std::uint64_t sequence = 0;  // grows strictly within a boot
  ByteArray<16> boot_id{};
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

// sign_receipt makes the COSE_Sign1 ("ensconce-receipt/1") by the statement's receipt key. A
// receipt that does not have its form is a broken invariant of the worker's.
Bytes sign_receipt(const Ed25519PrivateKey& receipt_key, const Receipt& receipt);
// verify_receipt judges form (kBadReceipt) and signature (kReceiptSignature). The key comes from an
// attested statement. What the receipt says is for match_receipt.
Result<Receipt> verify_receipt(const Ed25519PublicKey& receipt_key, ByteView message);
// read_receipt_unverified reads a receipt without judging its signature: to show it, or to know the
// time as of which its evidence is to be judged.
Result<Receipt> read_receipt_unverified(ByteView message);

// ReceiptExpectation is what whoever holds a receipt knows by itself: the statement and measurement
// it appraised, the model it asked, the digests of what went out and came back.
struct ReceiptExpectation {
  ByteArray<16> boot_id{};  // of the appraised statement
  Bytes measurement;
  Sha256Digest manifest_digest{};
  std::string model_name;
  std::uint64_t model_version = 0;
  Sha256Digest request_digest{};
  Sha256Digest response_digest{};
};

// match_receipt holds a verified receipt against it; each difference has its own code. It may name
// any statement of the appraised one's boot, as epochs turn while a connection lives. All of them
// name one receipt key, made at boot and kept in that memory alone, so the appraised evidence
// vouches for what it signs in every epoch. Another boot is kReceiptStatement.
Result<void> match_receipt(const Receipt& receipt, const ReceiptExpectation& expected);
// The parts of it, for whoever knows less or wants to tell of each.
Result<void> match_receipt_statement(const Receipt& receipt, const ByteArray<16>& boot_id);
Result<void> match_receipt_measurement(const Receipt& receipt, ByteView measurement);
Result<void> match_receipt_request(const Receipt& receipt, const Sha256Digest& request_digest);
Result<void> match_receipt_response(const Receipt& receipt, const Sha256Digest& response_digest);

// ReceiptedRequest and ReceiptedResponse are what the digests cover beside the bodies: of each
// field its first value, or "" where there is none. They borrow.
struct ReceiptedRequest {
  std::string_view method;
  std::string_view target;         // origin form, as sent
  std::string_view header_length;  // Inference-Header-Content-Length
  std::string_view content_type;   // Content-Type
  std::string_view bundle;         // Ensconce-Bundle
};
struct ReceiptedResponse {
  int status = 200;
  std::string_view header_length;
  std::string_view content_type;
  std::string_view bundle;
};

// RequestDigest and ResponseDigest take bodies that come in pieces. finish may be called once.
class RequestDigest {
 public:
  RequestDigest(const ReceiptKey& key, const ReceiptedRequest& head);
  void update(ByteView body) { mac_.update(body); }
  Sha256Digest finish() { return mac_.finish(); }

 private:
  HmacSha256 mac_;
};
class ResponseDigest {
 public:
  ResponseDigest(const ReceiptKey& key, const ReceiptedResponse& head);
  void update(ByteView body) { mac_.update(body); }
  Sha256Digest finish() { return mac_.finish(); }

 private:
  HmacSha256 mac_;
};
Sha256Digest request_digest(const ReceiptKey& key, const ReceiptedRequest& head, ByteView body);
Sha256Digest response_digest(const ReceiptKey& key, const ReceiptedResponse& head, ByteView body);

// receipted_request and receipted_response pick what is covered out of a message of the HTTP
// library, or anything with the same members: both ends and the auditor must pick alike. They
// borrow the message.
template <typename Request>
ReceiptedRequest receipted_request(const Request& request) {
  return {request.method, request.target,
          request.headers.get("Inference-Header-Content-Length").value_or(""),
          request.headers.get("Content-Type").value_or(""),
          request.headers.get("Ensconce-Bundle").value_or("")};
}
template <typename Response>
ReceiptedResponse receipted_response(const Response& response) {
  return {response.status, response.headers.get("Inference-Header-Content-Length").value_or(""),
          response.headers.get("Content-Type").value_or(""),
          response.headers.get("Ensconce-Bundle").value_or("")};
}

}  // namespace ensconce
