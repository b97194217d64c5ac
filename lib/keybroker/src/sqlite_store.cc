#include "ensconce/keybroker/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "ensconce/base/file.h"

namespace ensconce {

namespace {

constexpr int kApplicationId = 0x454e5342;  // "ENSB"
constexpr int kSchemaVersion = 1;
constexpr std::size_t kMaxRow = std::size_t{1} << 20;

constexpr const char* kSchema =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
    "CREATE TABLE policies (owner BLOB NOT NULL, name TEXT NOT NULL, toml TEXT NOT NULL,"
    "  PRIMARY KEY (owner, name)) STRICT;"
    "CREATE TABLE keys (id BLOB PRIMARY KEY, terms BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;"
    "CREATE TABLE log (idx INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;";

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

Error failed(sqlite3* db, std::string_view what) {
  // The code's own text: sqlite3_errmsg may quote a statement.
  return {KeyBrokerError::kStore,
          std::string(what) + ": " + sqlite3_errstr(sqlite3_extended_errcode(db))};
}

Result<void> execute(sqlite3* db, const char* sql, std::string_view what) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failed(db, what);
  }
  return ok();
}

// Statement is one prepared statement, reset after each use.
class Statement {
 public:
  static Result<Statement> prepare(sqlite3* db, const char* sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK) {
      return failed(db, "cannot prepare a statement");
    }
    return Statement(db, raw);
  }

  Statement& bind(int index, ByteView bytes) {
    // A null pointer would bind NULL.
    sqlite3_bind_blob64(stmt_.get(), index,
                        bytes.empty() ? "" : static_cast<const void*>(bytes.data()), bytes.size(),
                        SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(int index, std::string_view text) {
    sqlite3_bind_text64(stmt_.get(), index, text.data(), text.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
    return *this;
  }
  Statement& bind(int index, std::uint64_t n) {
    sqlite3_bind_int64(stmt_.get(), index, static_cast<std::int64_t>(n));
    return *this;
  }
  // step returns whether there is a row.
  Result<bool> step() {
    const int code = sqlite3_step(stmt_.get());
    if (code == SQLITE_ROW) {
      return true;
    }
    Result<bool> done =
        code == SQLITE_DONE ? Result<bool>(false) : failed(db_, "a statement failed");
    reset();
    return done;
  }
  Result<void> run() {
    ENSC_TRY(step());
    reset();
    return ok();
  }
  void reset() {
    sqlite3_reset(stmt_.get());
    sqlite3_clear_bindings(stmt_.get());
  }
  [[nodiscard]] Bytes blob(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(stmt_.get(), column));
    const int size = sqlite3_column_bytes(stmt_.get(), column);
    return data == nullptr ? Bytes() : Bytes(data, data + size);
  }
  [[nodiscard]] std::string text(int column) const { return std::string(as_text(blob(column))); }
  [[nodiscard]] std::uint64_t integer(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(stmt_.get(), column));
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* stmt) const { sqlite3_finalize(stmt); }
  };
  Statement(sqlite3* db, sqlite3_stmt* stmt) : db_(db), stmt_(stmt) {}
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> stmt_;
};

class SqliteStore final : public BrokerStore {
 public:
  static Result<std::unique_ptr<BrokerStore>> open(const std::filesystem::path& path) {
    ENSC_TRY(create_file(path));
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(
        path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
        nullptr);
    Database db(raw);
    if (code != SQLITE_OK) {
      return Error(KeyBrokerError::kStore, "cannot open " + path.string());
    }
    ENSC_TRY(configure(db.get()));
    ENSC_TRY(migrate(db.get()));
    auto store = std::unique_ptr<SqliteStore>(new SqliteStore(std::move(db)));
    ENSC_TRY(store->prepare());
    return std::unique_ptr<BrokerStore>(std::move(store));
  }

  Result<std::optional<Bytes>> root_check() override {
    ENSC_TRY_ASSIGN(const bool found, get_meta_->bind(1, kRootCheck).step());
    if (!found) {
      return std::optional<Bytes>();
    }
    std::optional<Bytes> out = get_meta_->blob(0);
    get_meta_->reset();
    return out;
  }

  Result<void> set_root_check(ByteView value) override {
    return put_meta_->bind(1, kRootCheck).bind(2, value).run();
  }

  Result<std::vector<StoredPolicy>> policies() override {
    std::vector<StoredPolicy> out;
    for (;;) {
      ENSC_TRY_ASSIGN(const bool found, all_policies_->step());
      if (!found) {
        return out;
      }
      ENSC_TRY_ASSIGN(const ByteArray<32> owner, stored<32>(all_policies_->blob(0)));
      out.push_back({{owner}, all_policies_->text(1), all_policies_->text(2)});
    }
  }

  Result<std::vector<StoredKey>> keys() override {
    std::vector<StoredKey> out;
    for (;;) {
      ENSC_TRY_ASSIGN(const bool found, all_keys_->step());
      if (!found) {
        return out;
      }
      ENSC_TRY_ASSIGN(const ByteArray<16> id, stored<16>(all_keys_->blob(0)));
      out.push_back({id, all_keys_->blob(1), all_keys_->blob(2)});
    }
  }

  Result<std::vector<Bytes>> log(std::uint64_t from, std::size_t limit) override {
    std::vector<Bytes> out;
    if (from > static_cast<std::uint64_t>(INT64_MAX)) {
      return out;
    }
    page_->bind(1, from).bind(2, static_cast<std::uint64_t>(limit));
    for (;;) {
      ENSC_TRY_ASSIGN(const bool found, page_->step());
      if (!found) {
        return out;
      }
      if (page_->integer(0) != from + out.size()) {
        page_->reset();
        return Error(KeyBrokerError::kStore, "the log has a gap");
      }
      out.push_back(page_->blob(1));
    }
  }

  Result<void> commit(const StoreChange& change) override {
    ENSC_TRY(execute(db_.get(), "BEGIN IMMEDIATE", "cannot begin"));
    const Result<void> written = write(change);
    if (!written) {
      sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      return written;
    }
    const Result<void> committed = execute(db_.get(), "COMMIT", "cannot commit");
    if (!committed) {
      sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    return committed;
  }

 private:
  static constexpr std::string_view kRootCheck = "root-check";

  explicit SqliteStore(Database db) : db_(std::move(db)) {}

  // SQLite gives its journals the mode of the database. The descriptor is closed before SQLite
  // opens its own: closing any of them drops the process's locks on the file.
  static Result<void> create_file(const std::filesystem::path& path) {
    const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid() || fchmod(fd.get(), 0600) != 0) {
      return Error(KeyBrokerError::kStore, "cannot open " + path.string());
    }
    return ok();
  }

  static Result<void> configure(sqlite3* db) {
    sqlite3_extended_result_codes(db, 1);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, static_cast<int>(kMaxRow));
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    // Exclusive: two brokers would both write the next entry. Full: an entry that was committed is
    // there after the power went. Memory: no temporary files.
    ENSC_TRY(
        execute(db,
                "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON;",
                "cannot configure the store"));
    const Result<void> locked = execute(db, "BEGIN EXCLUSIVE; COMMIT;", "cannot lock the store");
    if (!locked) {
      return locked.error().with_remedy("see that no other broker uses it");
    }
    return ok();
  }

  static Result<std::uint64_t> pragma(sqlite3* db, const char* sql) {
    ENSC_TRY_ASSIGN(Statement statement, Statement::prepare(db, sql));
    ENSC_TRY_ASSIGN(const bool found, statement.step());
    return found ? statement.integer(0) : std::uint64_t{0};
  }

  static Result<void> migrate(sqlite3* db) {
    ENSC_TRY_ASSIGN(const std::uint64_t id, pragma(db, "PRAGMA application_id"));
    ENSC_TRY_ASSIGN(const std::uint64_t version, pragma(db, "PRAGMA user_version"));
    if (id == 0 && version == 0) {
      const std::string sql = std::string("BEGIN IMMEDIATE;") + kSchema +
                              "PRAGMA application_id=" + std::to_string(kApplicationId) +
                              ";PRAGMA user_version=" + std::to_string(kSchemaVersion) + ";COMMIT;";
      return execute(db, sql.c_str(), "cannot create the store");
    }
    if (id != kApplicationId || version != kSchemaVersion) {
      return Error(KeyBrokerError::kStore, "the file is no broker's store, or of another version");
    }
    return ok();
  }

  Result<void> prepare() {
    const auto make = [this](std::optional<Statement>& slot, const char* sql) -> Result<void> {
      ENSC_TRY_ASSIGN(Statement statement, Statement::prepare(db_.get(), sql));
      slot.emplace(std::move(statement));
      return ok();
    };
    ENSC_TRY(make(get_meta_, "SELECT value FROM meta WHERE name = ?1"));
    ENSC_TRY(make(put_meta_, "INSERT INTO meta (name, value) VALUES (?1, ?2)"));
    ENSC_TRY(make(all_policies_, "SELECT owner, name, toml FROM policies ORDER BY owner, name"));
    ENSC_TRY(make(all_keys_, "SELECT id, terms, sealed FROM keys ORDER BY id"));
    ENSC_TRY(make(page_, "SELECT idx, entry FROM log WHERE idx >= ?1 ORDER BY idx LIMIT ?2"));
    ENSC_TRY(make(add_entry_,
                  "INSERT INTO log (idx, entry) SELECT ?1, ?2 "
                  "WHERE ?1 = (SELECT coalesce(max(idx) + 1, 0) FROM log)"));
    ENSC_TRY(make(put_policy_,
                  "INSERT INTO policies (owner, name, toml) VALUES (?1, ?2, ?3) "
                  "ON CONFLICT (owner, name) DO UPDATE SET toml = excluded.toml"));
    return make(add_key_, "INSERT INTO keys (id, terms, sealed) VALUES (?1, ?2, ?3)");
  }

  Result<void> write(const StoreChange& change) {
    ENSC_TRY(add_entry_->bind(1, change.index).bind(2, ByteView(change.entry)).run());
    if (sqlite3_changes(db_.get()) != 1) {
      return Error(KeyBrokerError::kStore, "the log is not where this broker thinks");
    }
    if (change.policy) {
      ENSC_TRY(put_policy_->bind(1, ByteView(change.policy->owner.bytes))
                   .bind(2, std::string_view(change.policy->name))
                   .bind(3, std::string_view(change.policy->toml))
                   .run());
    }
    if (change.key) {
      ENSC_TRY(add_key_->bind(1, ByteView(change.key->id))
                   .bind(2, ByteView(change.key->terms))
                   .bind(3, ByteView(change.key->sealed))
                   .run());
    }
    return ok();
  }

  template <std::size_t N>
  static Result<ByteArray<N>> stored(const Bytes& bytes) {
    if (bytes.size() != N) {
      return Error(KeyBrokerError::kStore, "a column of another length");
    }
    return to_array<N>(bytes);
  }

  Database db_;  // outlives the statements
  std::optional<Statement> get_meta_;
  std::optional<Statement> put_meta_;
  std::optional<Statement> all_policies_;
  std::optional<Statement> all_keys_;
  std::optional<Statement> page_;
  std::optional<Statement> add_entry_;
  std::optional<Statement> put_policy_;
  std::optional<Statement> add_key_;
};

}  // namespace

Result<std::unique_ptr<BrokerStore>> open_sqlite_store(const std::filesystem::path& path) {
  return SqliteStore::open(path);
}

}  // namespace ensconce
