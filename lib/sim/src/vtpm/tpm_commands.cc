#include "tpm_commands.h"

#include "ensconce/sim/error.h"

namespace ensconce::tpm {

namespace {

constexpr std::uint16_t kNoSessions = 0x8001;
constexpr std::uint16_t kSessions = 0x8002;
constexpr std::uint32_t kOwner = 0x40000001;
constexpr std::uint32_t kPassword = 0x40000009;  // TPM_RS_PW

constexpr std::uint32_t kCcEvictControl = 0x120;
constexpr std::uint32_t kCcNvDefineSpace = 0x12a;
constexpr std::uint32_t kCcCreatePrimary = 0x131;
constexpr std::uint32_t kCcFlushContext = 0x165;
constexpr std::uint32_t kCcGetCapability = 0x17a;
constexpr std::uint32_t kCcPcrExtend = 0x182;

constexpr std::uint16_t kAlgRsa = 0x0001;
constexpr std::uint16_t kAlgSha256 = 0x000b;
constexpr std::uint16_t kAlgNull = 0x0010;
constexpr std::uint16_t kAlgRsassa = 0x0014;

// TPMA_OBJECT: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, sign.
constexpr std::uint32_t kKeyAttributes = 0x00050472;
// TPMA_NV: OWNERWRITE, AUTHWRITE, OWNERREAD, AUTHREAD, NO_DA.
constexpr std::uint32_t kNvAttributes = 0x02060006;
constexpr std::uint32_t kCapHandles = 1;
constexpr std::uint32_t kMaxHandles = 64;

Error bad(std::string detail) { return Error(SimError::kVtpm, std::move(detail)); }

Bytes command(std::uint16_t tag, std::uint32_t code, ByteView body) {
  ByteWriter writer;
  writer.u16_be(tag).u32_be(static_cast<std::uint32_t>(kHeaderLen + body.size())).u32_be(code);
  writer.raw(body);
  return std::move(writer).take();
}

// An authorisation area of one empty password: handle, no nonce, no attributes, no secret.
void authorise(ByteWriter& writer) { writer.u32_be(9).u32_be(kPassword).u16_be(0).u8(0).u16_be(0); }

void sized(ByteWriter& writer, ByteView bytes) {
  writer.u16_be(static_cast<std::uint16_t>(bytes.size())).raw(bytes);
}

// read_header checks that a response is whole and good and leaves the reader behind its header.
Result<void> read_header(ByteReader& reader, ByteView response) {
  ENSC_TRY(reader.u16_be());
  ENSC_TRY_ASSIGN(const std::uint32_t size, reader.u32_be());
  ENSC_TRY_ASSIGN(const std::uint32_t code, reader.u32_be());
  if (size != response.size()) {
    return bad("a response of the TPM is cut short");
  }
  if (code != 0) {
    return bad("the TPM answers with code " + std::to_string(code));
  }
  return ok();
}

void put_u32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  }
}

}  // namespace

Bytes create_attestation_key(std::uint8_t number) {
  ByteWriter area;  // TPMT_PUBLIC
  area.u16_be(kAlgRsa).u16_be(kAlgSha256).u32_be(kKeyAttributes).u16_be(0);
  area.u16_be(kAlgNull).u16_be(kAlgRsassa).u16_be(kAlgSha256).u16_be(2048).u32_be(0);
  sized(area, Bytes{number});  // a primary key follows from its template, this included
  ByteWriter body;
  body.u32_be(kOwner);
  authorise(body);
  sized(body, Bytes(4));  // TPM2B_SENSITIVE_CREATE: no password, no data
  sized(body, area.bytes());
  body.u16_be(0).u32_be(0);  // outsideInfo, creationPCR
  return command(kSessions, kCcCreatePrimary, body.bytes());
}

Bytes make_persistent(std::uint32_t transient, std::uint32_t persistent) {
  ByteWriter body;
  body.u32_be(kOwner).u32_be(transient);
  authorise(body);
  body.u32_be(persistent);
  return command(kSessions, kCcEvictControl, body.bytes());
}

Bytes flush(std::uint32_t handle) {
  ByteWriter body;
  body.u32_be(handle);
  return command(kNoSessions, kCcFlushContext, body.bytes());
}

Bytes nv_define(std::uint32_t index, std::uint16_t size) {
  ByteWriter area;  // TPMS_NV_PUBLIC
  area.u32_be(index).u16_be(kAlgSha256).u32_be(kNvAttributes).u16_be(0).u16_be(size);
  ByteWriter body;
  body.u32_be(kOwner);
  authorise(body);
  body.u16_be(0);  // no password
  sized(body, area.bytes());
  return command(kSessions, kCcNvDefineSpace, body.bytes());
}

Bytes nv_write(std::uint32_t index, std::uint16_t offset, ByteView data) {
  ByteWriter body;
  body.u32_be(kOwner).u32_be(index);
  authorise(body);
  sized(body, data);
  body.u16_be(offset);
  return command(kSessions, kCcNvWrite, body.bytes());
}

Bytes pcr_extend(std::uint32_t pcr, const ByteArray<32>& digest) {
  ByteWriter body;
  body.u32_be(pcr);
  authorise(body);
  body.u32_be(1).u16_be(kAlgSha256).raw(digest);
  return command(kSessions, kCcPcrExtend, body.bytes());
}

Bytes list_handles(std::uint32_t first) {
  ByteWriter body;
  body.u32_be(kCapHandles).u32_be(first).u32_be(kMaxHandles);
  return command(kNoSessions, kCcGetCapability, body.bytes());
}

Bytes answer_with(std::uint32_t response_code) { return command(kNoSessions, response_code, {}); }

Result<std::uint32_t> code_of(ByteView bytes) {
  ByteReader reader(bytes);
  ENSC_TRY(reader.skip(6));
  return reader.u32_be();
}

Result<CreatedKey> parse_created_key(ByteView response) {
  ByteReader reader(response);
  ENSC_TRY(read_header(reader, response));
  CreatedKey key;
  ENSC_TRY_ASSIGN(key.handle, reader.u32_be());
  // Parameter size; TPM2B_PUBLIC: type, name algorithm, attributes, policy, symmetric, scheme and
  // its hash, bits, exponent, modulus.
  ENSC_TRY(reader.skip(4 + 2 + 2 + 2 + 4));
  ENSC_TRY_ASSIGN(const std::uint16_t policy, reader.u16_be());
  ENSC_TRY(reader.skip(std::size_t{policy} + 2 + 2 + 2 + 2 + 4));
  ENSC_TRY_ASSIGN(const std::uint16_t len, reader.u16_be());
  ENSC_TRY_ASSIGN(const ByteView modulus, reader.take(len));
  key.modulus = to_bytes(modulus);
  return key;
}

Result<std::vector<std::uint32_t>> parse_handles(ByteView response) {
  ByteReader reader(response);
  ENSC_TRY(read_header(reader, response));
  ENSC_TRY(reader.skip(1 + 4));  // more data, capability
  ENSC_TRY_ASSIGN(const std::uint32_t count, reader.u32_be());
  if (count > kMaxHandles) {
    return bad("the TPM lists more handles than were asked for");
  }
  std::vector<std::uint32_t> handles(count);
  for (std::uint32_t& handle : handles) {
    ENSC_TRY_ASSIGN(handle, reader.u32_be());
  }
  return handles;
}

Result<void> replace_key(Bytes& quote_command, std::uint32_t handle) {
  if (quote_command.size() < kHeaderLen + 4) {
    return bad("TPM2_Quote is cut short");
  }
  put_u32(quote_command, kHeaderLen, handle);
  return ok();
}

Result<void> replace_challenge(Bytes& quote_command) {
  ByteReader reader(quote_command);
  ENSC_TRY(reader.skip(kHeaderLen + 4));
  ENSC_TRY_ASSIGN(const std::uint32_t authorisations, reader.u32_be());
  ENSC_TRY(reader.skip(authorisations));
  ENSC_TRY_ASSIGN(const std::uint16_t len, reader.u16_be());
  const std::size_t at = reader.offset();
  ENSC_TRY(reader.skip(len));
  if (len == 0) {
    return bad("TPM2_Quote has no challenge");
  }
  quote_command[at] ^= 0xff;
  return ok();
}

}  // namespace ensconce::tpm
