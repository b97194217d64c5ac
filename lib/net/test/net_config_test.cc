#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstdlib>

#include "ensconce/net/client.h"

namespace ensconce {
namespace {

// Its own program: OpenSSL starts once a process, and here our code must be the first to touch it.
TEST(OpensslStart, ReadsNoConfigurationFile) {
  ASSERT_NE(std::getenv("OPENSSL_CONF"), nullptr);
  const auto client = HttpClient::connect(parse_url("https://127.0.0.1:1/").value());
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(EVP_default_properties_is_fips_enabled(nullptr), 0);
}

}  // namespace
}  // namespace ensconce
