#pragma once

#include "ensconce/base/bytes.h"

// The few TPM 2.0 commands that make swtpm an Azure guest's vTPM, as bytes (TCG TPM 2.0 Library,
// Part 3; structures and numbers Part 2). Every authorisation is the empty password.
namespace ensconce::tpm {

inline constexpr std::uint32_t kCcNvWrite = 0x137;
inline constexpr std::uint32_t kCcQuote = 0x158;

inline constexpr std::uint32_t kRcFailure = 0x101;
inline constexpr std::uint32_t kRcYielded = 0x908;
inline constexpr std::uint32_t kRcRetry = 0x922;

inline constexpr std::size_t kHeaderLen = 10;  // tag u16, size u32, command or response code u32
inline constexpr std::size_t kMaxCommand = 4096;
inline constexpr std::size_t kMaxNvChunk = 1024;

inline constexpr std::uint32_t kFirstTransient = 0x80000000;
inline constexpr std::uint32_t kFirstLoadedSession = 0x02000000;

// create_attestation_key is TPM2_CreatePrimary of an RSA-2048 key that signs quotes alone
// (restricted, RSASSA, SHA-256). Keys of another `number` are others.
Bytes create_attestation_key(std::uint8_t number);
Bytes make_persistent(std::uint32_t transient, std::uint32_t persistent);
Bytes flush(std::uint32_t handle);
// nv_define makes an index that owner and holder of its empty password may read and write.
Bytes nv_define(std::uint32_t index, std::uint16_t size);
Bytes nv_write(std::uint32_t index, std::uint16_t offset, ByteView data);
// pcr_extend extends the SHA-256 bank.
Bytes pcr_extend(std::uint32_t pcr, const ByteArray<32>& digest);
Bytes list_handles(std::uint32_t first);
Bytes answer_with(std::uint32_t response_code);  // a response without parameters

// code_of is the third number of a header: command or response code.
Result<std::uint32_t> code_of(ByteView bytes);

struct CreatedKey {
  std::uint32_t handle = 0;
  Bytes modulus;  // big-endian; the exponent is 65537
};
Result<CreatedKey> parse_created_key(ByteView response);
Result<std::vector<std::uint32_t>> parse_handles(ByteView response);

// What TPM2_Quote asks for is changed here: who signs, and the challenge it answers.
Result<void> replace_key(Bytes& quote_command, std::uint32_t handle);
Result<void> replace_challenge(Bytes& quote_command);

}  // namespace ensconce::tpm
