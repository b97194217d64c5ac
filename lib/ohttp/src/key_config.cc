#include "ensconce/ohttp/key_config.h"

#include <algorithm>
#include <optional>

namespace ensconce {

namespace {

constexpr std::size_t kMaxOffered = 16;   // algorithms of a configuration we make
constexpr std::size_t kMaxConfigs = 16;   // of a list
constexpr std::size_t kAlgorithmLen = 4;  // kdf_id ‖ aead_id

Error bad(std::string detail) { return {OhttpError::kKeyConfig, std::move(detail)}; }

// known_algorithms keeps those we know of a list that has its form.
Result<std::vector<OhttpAlgorithms>> known_algorithms(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::uint16_t len, reader.u16_be());
  if (len < kAlgorithmLen || len % kAlgorithmLen != 0 || len != reader.remaining()) {
    return bad("algorithms of another length");
  }
  std::vector<OhttpAlgorithms> out;
  while (reader.remaining() > 0) {
    ENSC_TRY_ASSIGN(const std::uint16_t kdf_id, reader.u16_be());
    ENSC_TRY_ASSIGN(const std::uint16_t aead_id, reader.u16_be());
    const auto kdf = hpke::kdf_from(kdf_id);
    const auto aead = hpke::aead_from(aead_id);
    if (kdf && aead) {
      out.push_back({*kdf, *aead});
    }
  }
  return out;
}

// read_config gives nothing for a configuration of a KEM or of algorithms that are all unknown.
// Nothing can be said of the form of the former: the length of its key is unknown too.
Result<std::optional<OhttpKeyConfig>> read_config(ByteView encoded) {
  ByteReader reader(encoded);
  OhttpKeyConfig out;
  ENSC_TRY_ASSIGN(out.key_id, reader.u8());
  ENSC_TRY_ASSIGN(const std::uint16_t kem_id, reader.u16_be());
  const auto kem = hpke::kem_from(kem_id);
  if (!kem) {
    return std::optional<OhttpKeyConfig>();
  }
  out.kem = *kem;
  ENSC_TRY_ASSIGN(const ByteView key, reader.take(hpke::public_key_len(*kem)));
  out.public_key = to_bytes(key);
  ENSC_TRY_ASSIGN(out.algorithms, known_algorithms(reader));
  if (out.algorithms.empty()) {
    return std::optional<OhttpKeyConfig>();
  }
  out.encoded = to_bytes(encoded);
  return std::optional(std::move(out));
}

Result<std::vector<OhttpKeyConfig>> read_configs(ByteView list) {
  std::vector<OhttpKeyConfig> out;
  ByteReader reader(list);
  for (std::size_t num = 0; reader.remaining() > 0; ++num) {
    if (num == kMaxConfigs) {
      return bad("more key configurations than anybody needs");
    }
    ENSC_TRY_ASSIGN(const std::uint16_t len, reader.u16_be());
    ENSC_TRY_ASSIGN(const ByteView encoded, reader.take(len));
    ENSC_TRY_ASSIGN(auto config, read_config(encoded));
    if (config) {
      out.push_back(*std::move(config));
    }
  }
  if (out.empty()) {
    return bad("no key configuration of algorithms we know");
  }
  return out;
}

// in_our_words gives one code to what the reader of bytes found truncated.
template <typename T>
Result<T> in_our_words(Result<T> result) {
  if (!result && !result.error().is(OhttpError::kKeyConfig)) {
    return bad(result.error().detail());
  }
  return result;
}

}  // namespace

OhttpKeyConfig make_key_config(std::uint8_t key_id, const hpke::PrivateKey& key,
                               std::vector<OhttpAlgorithms> algorithms) {
  ENSC_CHECK(!algorithms.empty() && algorithms.size() <= kMaxOffered);
  ByteWriter writer;
  writer.u8(key_id).u16_be(static_cast<std::uint16_t>(key.kem())).raw(key.public_key());
  writer.u16_be(static_cast<std::uint16_t>(algorithms.size() * kAlgorithmLen));
  for (const OhttpAlgorithms& offered : algorithms) {
    writer.u16_be(static_cast<std::uint16_t>(offered.kdf));
    writer.u16_be(static_cast<std::uint16_t>(offered.aead));
  }
  return {key_id, key.kem(), key.public_key(), std::move(algorithms), std::move(writer).take()};
}

Result<OhttpKeyConfig> parse_key_config(ByteView encoded) {
  ENSC_TRY_ASSIGN(auto config, in_our_words(read_config(encoded)));
  if (!config) {
    return bad("of algorithms we do not know");
  }
  return *std::move(config);
}

Bytes write_key_configs(std::span<const OhttpKeyConfig> configs) {
  ENSC_CHECK(!configs.empty() && configs.size() <= kMaxConfigs);
  ByteWriter writer;
  for (const OhttpKeyConfig& config : configs) {
    ENSC_CHECK(config.encoded.size() <= 0xffff);
    writer.u16_be(static_cast<std::uint16_t>(config.encoded.size())).raw(config.encoded);
  }
  return std::move(writer).take();
}

Result<std::vector<OhttpKeyConfig>> parse_key_configs(ByteView list) {
  return in_our_words(read_configs(list));
}

}  // namespace ensconce
