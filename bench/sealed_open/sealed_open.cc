// Measures opening a sealed bundle, reading the same file plainly, and `openssl speed`, in turn, in
// one run, page cache warm. Of an opening, the decryption is what runs outside the kernel, which
// copies from the page cache and clears fresh pages for any reader: so user CPU seconds are held
// against `openssl speed`, which counts the same. Prints a table; a third argument names JSON.
//   sealed_open [MiB [rounds [results.json]]]

#include <fcntl.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is not in <cstdlib>.
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "ensconce/sealed_model/open.h"
#include "ensconce/sealed_model/seal.h"

namespace {

using namespace ensconce;
namespace fs = std::filesystem;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// CpuSeconds is what all threads of this process have used.
struct CpuSeconds {
  double user = 0;
  double all = 0;
};

CpuSeconds cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  const double user = seconds(usage.ru_utime);
  return {user, user + seconds(usage.ru_stime)};
}

// openssl_speed asks the command itself, which counts user CPU seconds unless told otherwise; 0
// when there is none.
double openssl_speed(const std::string& options) {
  const std::string command =
      "openssl speed -mr -decrypt -evp aes-256-gcm -bytes 1048576 -seconds 1 " + options +
      " 2>/dev/null";
  // NOLINTNEXTLINE(cert-env33-c): a constant command of a bench.
  const std::unique_ptr<FILE, int (*)(FILE*)> out(popen(command.c_str(), "r"), pclose);
  double rate = 0;
  std::array<char, 512> line{};
  while (out != nullptr && fgets(line.data(), line.size(), out.get()) != nullptr) {
    const std::string text(line.data());
    if (text.rfind("+F:", 0) == 0) {
      rate = std::strtod(text.c_str() + text.rfind(':') + 1, nullptr);
    }
  }
  return rate;
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

// median_interval is the 95 % bootstrap interval of the median.
std::pair<double, double> median_interval(const std::vector<double>& values) {
  std::mt19937 generator(1);
  std::uniform_int_distribution<std::size_t> pick(0, values.size() - 1);
  std::vector<double> medians;
  for (int i = 0; i < 2000; ++i) {
    std::vector<double> sample;
    for (std::size_t n = 0; n < values.size(); ++n) {
      sample.push_back(values[pick(generator)]);
    }
    medians.push_back(quantile(std::move(sample), 0.5));
  }
  return {quantile(medians, 0.025), quantile(medians, 0.975)};
}

// plain_read reads a file into fresh memory as an opening does, with nothing decrypted.
SecretBytes plain_read(const fs::path& path, unsigned num_cores) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto len = static_cast<std::size_t>(fs::file_size(path));
  SecretBytes memory(len);
  (void)madvise(memory.expose_mutable().data(), len, MADV_HUGEPAGE);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t at = kPiece * next++; at < len; at = kPiece * next++) {
      const MutableByteView out = memory.expose_mutable().subspan(at, std::min(kPiece, len - at));
      ENSC_CHECK(pread(fd.get(), out.data(), out.size(), static_cast<off_t>(at)) ==
                 static_cast<ssize_t>(out.size()));
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < num_cores; ++i) {
      others.emplace_back(work);
    }
    work();
  }
  return memory;
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void write_model(const fs::path& file, std::size_t mib) {
  std::ofstream out(file, std::ios::binary);
  Bytes block(std::size_t{1} << 20);
  SeededRandom random(1);
  random.fill(block);
  for (std::size_t i = 0; i < mib; ++i) {
    block[0] = static_cast<std::uint8_t>(i);
    out.write(reinterpret_cast<const char*>(block.data()),
              static_cast<std::streamsize>(block.size()));
  }
}

int run(std::size_t mib, int rounds, const std::string& results) {
  std::string pattern = (fs::temp_directory_path() / "sealed-bench-XXXXXX").string();
  const fs::path dir = mkdtemp(pattern.data());
  const std::unique_ptr<const fs::path, void (*)(const fs::path*)> cleaner(
      &dir, [](const fs::path* p) { fs::remove_all(*p); });
  fs::create_directory(dir / "model");
  write_model(dir / "model" / "model.bin", mib);

  SystemRandom random;
  const Ed25519PrivateKey owner = Ed25519PrivateKey::generate(random);
  std::optional<SealedResult> sealed;
  const double seal_s = seconds_of([&] {
    sealed =
        seal_directory(dir / "model", dir / "m.sealed", owner, {.name = "bench"}, random).value();
  });
  fs::remove_all(dir / "model");
  const unsigned num_cores = std::max(1U, std::thread::hardware_concurrency());
  const auto bytes = static_cast<double>(sealed->header.payload_len);
  const OpenOptions options{.accepted_owners = {owner.public_key()}};

  std::vector<double> decrypt;
  std::vector<double> whole;
  std::vector<double> openssl;
  std::vector<double> ratio;
  std::vector<double> cpu;
  std::vector<double> plain;
  std::vector<double> user;
  std::vector<double> openssl_cpu;
  std::vector<double> cpu_ratio;
  const double before_mib = peak_mib();
  for (int i = 0; i < rounds; ++i) {
    HeldKeySource keys(sealed->content_key.copy());
    std::optional<OpeningBundle> opening;
    const CpuSeconds plain_before = cpu_seconds();
    SecretBytes memory = plain_read(dir / "m.sealed", num_cores);
    const double plain_s = cpu_seconds().all - plain_before.all;
    memory = SecretBytes();  // wiped and given back before the clock starts again
    const CpuSeconds cpu_before = cpu_seconds();
    const double start_s = seconds_of(
        [&] { opening.emplace(start_opening_bundle(dir / "m.sealed", keys, options).value()); });
    const CpuSeconds cpu_after = cpu_seconds();
    plain.push_back(bytes / plain_s);
    cpu.push_back(bytes / (cpu_after.all - cpu_before.all));
    user.push_back(bytes / (cpu_after.user - cpu_before.user));
    const double finish_s = seconds_of([&] { std::move(*opening).finish().value(); });
    decrypt.push_back(bytes / start_s);
    whole.push_back(bytes / (start_s + finish_s));
    openssl.push_back(openssl_speed("-elapsed -multi " + std::to_string(num_cores)));
    openssl_cpu.push_back(openssl_speed(""));
    ratio.push_back(openssl.back() > 0 ? decrypt.back() / openssl.back() : 0);
    cpu_ratio.push_back(openssl_cpu.back() > 0 ? user.back() / openssl_cpu.back() : 0);
  }
  const double extra = (peak_mib() - before_mib) * (1 << 20) / bytes - 1;
  const auto [low, high] = median_interval(cpu_ratio);

  std::printf("bundle of %zu MiB, %u cores, %d rounds; medians\n", mib, num_cores, rounds);
  std::printf("  seal (hash, hash and encrypt, write)      %8.2f GB/s\n", bytes / seal_s / 1e9);
  std::printf("  open until an engine may load             %8.2f GB/s\n",
              quantile(decrypt, 0.5) / 1e9);
  std::printf("  open until every digest is compared       %8.2f GB/s\n",
              quantile(whole, 0.5) / 1e9);
  std::printf(
      "  openssl speed -decrypt, all cores         %8.2f GB/s   ratio of the wall clock %.3f\n",
      quantile(openssl, 0.5) / 1e9, quantile(ratio, 0.5));
  std::printf("in CPU seconds of one core\n");
  std::printf("  plain read into fresh memory              %8.2f GB/s\n",
              quantile(plain, 0.5) / 1e9);
  std::printf("  open until an engine may load             %8.2f GB/s\n", quantile(cpu, 0.5) / 1e9);
  std::printf("  of that, outside the kernel               %8.2f GB/s\n",
              quantile(user, 0.5) / 1e9);
  std::printf("  openssl speed -decrypt                    %8.2f GB/s\n",
              quantile(openssl_cpu, 0.5) / 1e9);
  std::printf("  ratio of decryption to openssl            %8.3f  [%.3f, %.3f]  (budget >= 0.85)\n",
              quantile(cpu_ratio, 0.5), low, high);
  std::printf("  peak memory beyond the bundle             %8.1f %%\n", extra * 100);
  if (!results.empty()) {
    json::Value holds;
    if (high - low <= 0.02) {
      holds = low >= 0.85;
    }
    const json::Value out = json::Object{{"bench", "sealed_open"},
                                         {"mib", static_cast<std::uint64_t>(mib)},
                                         {"cores", static_cast<std::uint64_t>(num_cores)},
                                         {"rounds", rounds},
                                         {"seal_bytes_per_s", bytes / seal_s},
                                         {"start_bytes_per_s", quantile(decrypt, 0.5)},
                                         {"finish_bytes_per_s", quantile(whole, 0.5)},
                                         {"openssl_bytes_per_s", quantile(openssl, 0.5)},
                                         {"wall_ratio", quantile(ratio, 0.5)},
                                         {"plain_read_bytes_per_cpu_s", quantile(plain, 0.5)},
                                         {"start_bytes_per_cpu_s", quantile(cpu, 0.5)},
                                         {"decrypt_bytes_per_cpu_s", quantile(user, 0.5)},
                                         {"openssl_bytes_per_cpu_s", quantile(openssl_cpu, 0.5)},
                                         {"ratio", quantile(cpu_ratio, 0.5)},
                                         {"ratio_low", low},
                                         {"ratio_high", high},
                                         {"holds", holds},
                                         {"extra_peak_memory", extra}};
    write_file_atomically(results, as_bytes(json::write_pretty(out))).value();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  try {
    return run(!args.empty() ? std::stoul(args[0]) : 512, args.size() > 1 ? std::stoi(args[1]) : 15,
               args.size() > 2 ? args[2] : "");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
