#include "simulator/link_proxy.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <thread>

#include "gtest/gtest.h"
#include "simulator/socket.h"

namespace dilemma {
namespace {

void MakeBlocking(const Fd& fd) { fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK); }

// Waits for a connection and gives it, blocking.
Fd AcceptOne(const Fd& listener) {
  pollfd wait = {listener.get(), POLLIN, 0};
  poll(&wait, 1, 5000);
  Fd fd = Accept(listener);
  EXPECT_TRUE(fd.open());
  MakeBlocking(fd);
  return fd;
}

Fd ConnectTo(const std::string& address) {
  auto fd = StartConnect(address);
  EXPECT_TRUE(fd.ok()) << fd.status();
  pollfd wait = {fd->get(), POLLOUT, 0};
  poll(&wait, 1, 5000);
  MakeBlocking(*fd);
  return *std::move(fd);
}

// A listener behind a proxy, and a connection through it.
class LinkProxyTest : public testing::Test {
 protected:
  void Open(const LinkShape& forward, const LinkShape& backward) {
    loop_ = *LinkLoop::Start();
    forward_ = loop_->AddLink(forward);
    backward_ = loop_->AddLink(backward);
    listener_ = *Listen("127.0.0.1:0");
    auto proxy = loop_->AddProxy(
        {"127.0.0.1:0", "127.0.0.1:" + std::to_string(*PortOf(listener_)), forward_, backward_});
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    client_ = ConnectTo(proxy_->address());
    server_ = AcceptOne(listener_);
  }

  std::unique_ptr<LinkLoop> loop_;
  std::shared_ptr<EmulatedLink> forward_, backward_;
  Fd listener_;
  std::unique_ptr<LinkProxy> proxy_;
  Fd client_, server_;
};

std::string RandomBytes(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

void SendAll(const Fd& fd, const std::string& bytes, unsigned seed) {
  std::mt19937 random(seed);
  for (size_t at = 0; at < bytes.size();) {
    const size_t part = std::min<size_t>(1 + random() % 100'000, bytes.size() - at);
    const ssize_t count = send(fd.get(), bytes.data() + at, part, MSG_NOSIGNAL);
    ASSERT_GT(count, 0);
    at += static_cast<size_t>(count);
  }
}

std::string ReceiveUntilEnd(const Fd& fd) {
  std::string bytes;
  std::string buffer(65536, '\0');
  while (true) {
    const ssize_t count = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (count <= 0) return bytes;
    bytes.append(buffer.data(), static_cast<size_t>(count));
  }
}

TEST_F(LinkProxyTest, BytesPassUnchangedBothWays) {
  Open({0.001, 800e6}, {0.002, 0});
  const std::string there = RandomBytes(3'000'001, 1), back = RandomBytes(2'000'003, 2);
  std::thread a([&] {
    SendAll(client_, there, 3);
    shutdown(client_.get(), SHUT_WR);
  });
  std::thread b([&] {
    SendAll(server_, back, 4);
    shutdown(server_.get(), SHUT_WR);
  });
  std::string got_back;
  std::thread c([&] { got_back = ReceiveUntilEnd(client_); });
  EXPECT_TRUE(ReceiveUntilEnd(server_) == there);
  a.join();
  b.join();
  c.join();
  EXPECT_TRUE(got_back == back);
  EXPECT_EQ(forward_->delivered_bytes(), static_cast<int64_t>(there.size()));
  EXPECT_EQ(backward_->delivered_bytes(), static_cast<int64_t>(back.size()));
}

TEST_F(LinkProxyTest, AnEndInOneDirectionLeavesTheOtherOpen) {
  Open({0.001, 0}, {0.001, 0});
  SendAll(client_, "question", 1);
  shutdown(client_.get(), SHUT_WR);
  EXPECT_EQ(ReceiveUntilEnd(server_), "question");
  SendAll(server_, "answer", 1);
  shutdown(server_.get(), SHUT_WR);
  EXPECT_EQ(ReceiveUntilEnd(client_), "answer");
}

TEST_F(LinkProxyTest, AResetPassesThrough) {
  Open({0.001, 0}, {0.001, 0});
  SendAll(client_, "x", 1);
  char byte = 0;
  ASSERT_EQ(recv(server_.get(), &byte, 1, 0), 1);
  client_.Reset();
  EXPECT_LT(recv(server_.get(), &byte, 1, 0), 0);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(LinkProxyTest, NobodyAtTheTargetIsAReset) {
  Open({0, 0}, {0, 0});
  auto listener = *Listen("127.0.0.1:0");
  const std::string free_address = "127.0.0.1:" + std::to_string(*PortOf(listener));
  listener.Close();
  auto proxy = *loop_->AddProxy({"127.0.0.1:0", free_address, forward_, backward_});
  const Fd client = ConnectTo(proxy->address());
  char byte = 0;
  EXPECT_LT(recv(client.get(), &byte, 1, 0), 0);
}

TEST_F(LinkProxyTest, ACutLinkIsSilentAndGoesOnWhenRestored) {
  Open({0.001, 0}, {0.001, 0});
  forward_->Cut();
  SendAll(client_, "held", 1);
  pollfd wait = {server_.get(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 100), 0);
  SendAll(server_, "back", 1);  // the other direction is not cut
  std::string buffer(4, '\0');
  ASSERT_EQ(recv(client_.get(), buffer.data(), 4, MSG_WAITALL), 4);
  EXPECT_EQ(buffer, "back");
  forward_->Restore();
  ASSERT_EQ(recv(server_.get(), buffer.data(), 4, MSG_WAITALL), 4);
  EXPECT_EQ(buffer, "held");
}

TEST_F(LinkProxyTest, ResettingConnectionsEndsThem) {
  Open({0.001, 0}, {0.001, 0});
  proxy_->ResetConnections();
  char byte = 0;
  EXPECT_LE(recv(client_.get(), &byte, 1, 0), 0);
  EXPECT_LE(recv(server_.get(), &byte, 1, 0), 0);
}

TEST_F(LinkProxyTest, ASlowReaderHoldsTheSenderBack) {
  Open({0, 0}, {0, 0});
  const std::string bytes = RandomBytes(64 << 20, 5);
  size_t sent = 0;
  while (true) {  // until nothing more is taken for a while
    pollfd wait = {client_.get(), POLLOUT, 0};
    if (poll(&wait, 1, 300) == 0 || sent == bytes.size()) break;
    const ssize_t count =
        send(client_.get(), bytes.data() + sent, std::min<size_t>(65536, bytes.size() - sent), MSG_DONTWAIT);
    if (count > 0) sent += static_cast<size_t>(count);
  }
  EXPECT_LT(sent, bytes.size());
  std::thread rest([&] {
    SendAll(client_, bytes.substr(sent), 6);
    shutdown(client_.get(), SHUT_WR);
  });
  EXPECT_TRUE(ReceiveUntilEnd(server_) == bytes);
  rest.join();
}

}  // namespace
}  // namespace dilemma
