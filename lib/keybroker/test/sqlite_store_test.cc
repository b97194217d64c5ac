#include "ensconce/keybroker/sqlite_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "broker_fixture.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/base64.h"

namespace ensconce {
namespace {

namespace fs = std::filesystem;

class SqliteStore : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "broker-store-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory = name;
    path = directory / "broker.db";
  }
  void TearDown() override { fs::remove_all(directory); }
  std::unique_ptr<BrokerStore> open() { return open_sqlite_store(path).value(); }

  fs::path directory;
  fs::path path;
};

TEST_F(SqliteStore, KeepsAllOfAChangeAcrossARestart) {
  StoredPolicy policy{{ByteArray<32>{1}}, "p", "toml"};
  {
    const auto store = open();
    ASSERT_TRUE(store->set_root_check(Bytes{1, 2}));
    ASSERT_TRUE(store->commit({0, Bytes{1}, policy, StoredKey{{1}, Bytes{2}, Bytes{3}}}));
    policy.toml = "other";
    ASSERT_TRUE(store->commit({1, Bytes{4}, policy, std::nullopt}));
  }
  const auto store = open();
  EXPECT_EQ(store->root_check().value(), (Bytes{1, 2}));
  EXPECT_EQ(store->log(0, 10).value(), (std::vector<Bytes>{{1}, {4}}));
  EXPECT_EQ(store->log(1, 10).value(), (std::vector<Bytes>{{4}}));
  EXPECT_EQ(store->log(0, 1).value(), (std::vector<Bytes>{{1}}));
  ASSERT_EQ(store->policies()->size(), 1U);
  EXPECT_EQ(store->policies()->front().toml, "other");
  ASSERT_EQ(store->keys()->size(), 1U);
  EXPECT_EQ(store->keys()->front().sealed, Bytes{3});
}

TEST_F(SqliteStore, DoesNothingOfAChangeThatFails) {
  const auto store = open();
  const StoredKey key{{1}, Bytes{2}, Bytes{3}};
  ASSERT_TRUE(store->commit({0, Bytes{1}, std::nullopt, key}));
  // The key id exists: the entry that would have brought it is not there either.
  EXPECT_TRUE(store->commit({1, Bytes{5}, std::nullopt, key}).error().is(KeyBrokerError::kStore));
  EXPECT_EQ(store->log(0, 10)->size(), 1U);
  // An index that is not the next.
  for (const std::uint64_t index : {0U, 2U}) {
    EXPECT_TRUE(store->commit({index, Bytes{5}, {}, {}}).error().is(KeyBrokerError::kStore));
  }
  EXPECT_TRUE(store->commit({1, Bytes{5}, {}, {}}));
}

TEST_F(SqliteStore, RefusesASecondBrokerOnTheSameFile) {
  // In another process: within one, SQLite's locks do not hold against oneself alike.
  const auto store = open();
  const pid_t child = fork();
  if (child == 0) {
    const auto second = open_sqlite_store(path);
    _exit(!second && second.error().is(KeyBrokerError::kStore) ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(SqliteStore, RefusesAFileThatIsNoStore) {
  ASSERT_TRUE(write_file_atomically(path, Bytes(4096, 'x'), 0600));
  EXPECT_TRUE(open_sqlite_store(path).error().is(KeyBrokerError::kStore));
}

TEST_F(SqliteStore, IsReadableByItsOwnerAlone) {
  ASSERT_TRUE(write_file_atomically(path, {}, 0644));
  const auto store = open();
  ASSERT_TRUE(store->commit({0, Bytes{1}, {}, {}}));
  for (const auto& file : fs::directory_iterator(directory)) {
    struct stat info {};
    ASSERT_EQ(stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << file.path();
  }
}

TEST_F(SqliteStore, HoldsNoKeyInPlain) {
  const auto store = open();
  made::BrokerHouse house(store.get());
  house.set_policy();
  house.add_key();
  ASSERT_TRUE(house.obtain(made::Worker()));
  const ByteView key = house.content_key.expose();
  const std::string hex = to_hex(key);
  const std::string base64 = base64_encode(key);
  const std::string manifest = std::string(as_text(house.manifest));
  bool found_manifest = false;
  for (const auto& file : fs::directory_iterator(directory)) {
    const std::string content = read_text_file(file.path()).value();
    EXPECT_EQ(content.find(as_text(key.first(16))), std::string::npos) << file.path();
    EXPECT_EQ(content.find(hex.substr(0, 16)), std::string::npos);
    EXPECT_EQ(content.find(base64.substr(0, 16)), std::string::npos);
    found_manifest |= content.find(manifest) != std::string::npos;
  }
  EXPECT_TRUE(found_manifest);  // or the search looks in the wrong place
}

TEST_F(SqliteStore, GoesOnWithTheSameBrokerAfterARestart) {
  made::Worker worker;
  LogHead head;
  {
    const auto store = open();
    made::BrokerHouse house(store.get());
    house.set_policy();
    house.add_key();
    ASSERT_TRUE(house.obtain(worker));
    head = house.broker->log_head();
  }
  const auto store = open();
  made::BrokerHouse house(store.get());
  EXPECT_EQ(house.broker->log_head(), head);
  ASSERT_TRUE(house.obtain(worker));
  const Result<void> wrong = house.reopen(0x78);
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().is(KeyBrokerError::kStore));
}

}  // namespace
}  // namespace ensconce
