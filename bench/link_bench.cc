// Does an emulated link have the latency and the bandwidth that were asked for? Latency within 10 % or 0.15
// ms, throughput within 5 %. Exit code 1 where not.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "base/table.h"
#include "base/units.h"
#include "fmt/format.h"
#include "simulator/link_proxy.h"
#include "simulator/socket.h"

namespace dilemma {
namespace {

constexpr int kRoundTrips = 100;
constexpr size_t kMessage = 64;

void MakeBlocking(const Fd& fd) { fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK); }

bool SendAll(const Fd& fd, size_t bytes) {
  const std::string block(std::min<size_t>(bytes, 65536), 'x');
  while (bytes > 0) {
    const ssize_t count = send(fd.get(), block.data(), std::min(block.size(), bytes), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes -= static_cast<size_t>(count);
  }
  return true;
}

bool ReceiveAll(const Fd& fd, size_t bytes) {
  std::string block(65536, '\0');
  while (bytes > 0) {
    const ssize_t count = recv(fd.get(), block.data(), std::min(block.size(), bytes), 0);
    if (count <= 0) return false;
    bytes -= static_cast<size_t>(count);
  }
  return true;
}

struct Measured {
  double one_way_s = 0, bits_per_s = 0;
};

Measured Measure(LinkLoop& loop, const LinkShape& shape) {
  const Fd listener = *Listen("127.0.0.1:0");
  auto proxy = *loop.AddProxy({"127.0.0.1:0", fmt::format("127.0.0.1:{}", *PortOf(listener)),
                               loop.AddLink(shape), loop.AddLink(shape)});
  const Fd client = *StartConnect(proxy->address());
  pollfd wait = {listener.get(), POLLIN, 0};
  poll(&wait, 1, 5000);
  const Fd server = Accept(listener);
  MakeBlocking(client);
  MakeBlocking(server);

  Measured result;
  std::vector<double> round_trips;
  std::thread echo([&] {
    for (int i = 0; i < kRoundTrips; ++i) {
      if (!ReceiveAll(server, kMessage) || !SendAll(server, kMessage)) return;
    }
  });
  for (int i = 0; i < kRoundTrips; ++i) {
    const int64_t start = LoopNanos();
    if (!SendAll(client, kMessage) || !ReceiveAll(client, kMessage)) break;
    round_trips.push_back(static_cast<double>(LoopNanos() - start) * 1e-9);
  }
  echo.join();
  std::nth_element(round_trips.begin(), round_trips.begin() + kRoundTrips / 2, round_trips.end());
  result.one_way_s = round_trips[kRoundTrips / 2] / 2;

  const auto bytes = static_cast<size_t>(shape.bandwidth_bps / 8 * 1.5);
  std::thread sender([&] { SendAll(client, bytes); });
  ReceiveAll(server, 4096);  // the time counts from the first arrival
  const int64_t start = LoopNanos();
  ReceiveAll(server, bytes - 4096);
  result.bits_per_s =
      static_cast<double>(bytes - 4096) * 8 / (static_cast<double>(LoopNanos() - start) * 1e-9);
  sender.join();
  return result;
}

int Run() {
  const std::vector<LinkShape> shapes = {
      {0.0003, 1e9}, {0.001, 100e6}, {0.005, 50e6}, {0.010, 20e6}, {0.050, 5e6}};
  auto loop = LinkLoop::Start();
  if (!loop.ok()) return 1;
  Table table({">asked", ">latency", ">error", ">asked", ">throughput", ">error", "within limits"});
  bool good = true;
  for (const LinkShape& shape : shapes) {
    const Measured measured = Measure(**loop, shape);
    const double expected = shape.latency_s + kMessage * 8 / shape.bandwidth_bps;
    const double late = measured.one_way_s - expected;
    const double rate = measured.bits_per_s / shape.bandwidth_bps - 1;
    const bool fits = std::abs(late) <= std::max(0.1 * expected, 0.00015) && std::abs(rate) <= 0.05;
    good = good && fits;
    table.Add({FormatDuration(expected), FormatDuration(measured.one_way_s),
               fmt::format("{:+.0f} us", late * 1e6), FormatBandwidth(shape.bandwidth_bps),
               FormatBandwidth(measured.bits_per_s), fmt::format("{:+.1f} %", 100 * rate),
               fits ? "yes" : "NO"});
  }
  fmt::print("{}", table.ToString());
  return good ? 0 : 1;
}

}  // namespace
}  // namespace dilemma

int main() { return dilemma::Run(); }
