#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <list>
#include <mutex>
#include <set>
#include <thread>

#include "base/status.h"
#include "simulator/link_proxy.h"
#include "simulator/shaped_pipe.h"
#include "simulator/socket.h"

namespace dilemma {
namespace {

constexpr int64_t kSpinNs = 30'000;  // the loop wakes this much before a parcel is due, and spins

class Loop;

// What an epoll event points at.
struct Watched {
  enum class Kind { kListener, kClient, kTarget } kind;
  void* owner;
};

struct Connection {
  Connection(Fd from, Fd to, LinkQueue* forward_link, LinkQueue* backward_link)
      : client(std::move(from)), target(std::move(to)), forward(forward_link), backward(backward_link) {}
  Fd client, target;
  ShapedPipe forward, backward;
  bool connected = false, dead = false;
  Watched client_watch = {Watched::Kind::kClient, this};
  Watched target_watch = {Watched::Kind::kTarget, this};
};

class Link : public EmulatedLink {
 public:
  Link(Loop* loop, const LinkShape& shape) : loop_(loop) { queue.SetShape(shape); }
  void SetShape(const LinkShape& shape) override;
  void Cut() override { SetCut(true); }
  void Restore() override { SetCut(false); }
  int64_t delivered_bytes() const override { return queue.delivered_bytes(); }

  LinkQueue queue;

 private:
  void SetCut(bool cut);
  Loop* const loop_;
};

class Proxy : public LinkProxy {
 public:
  Proxy(Loop* loop, const LinkProxyOptions& options, Fd listener, int port)
      : loop_(loop),
        target_(options.target),
        port_(port),
        listener_(std::move(listener)),
        forward_(std::static_pointer_cast<Link>(options.forward)),
        backward_(std::static_pointer_cast<Link>(options.backward)) {}
  ~Proxy() override;

  std::string address() const override { return fmt::format("127.0.0.1:{}", port_); }
  void ResetConnections() override;

 private:
  friend class Loop;
  // Below: called by the loop, its mutex held.
  void AcceptAll();
  void Pump(int64_t now_ns);
  bool PumpOne(Connection& connection, int64_t now_ns);  // false: it is over
  int64_t NextWake() const;
  void ResetAll();

  Loop* const loop_;
  const std::string target_;
  const int port_;
  const Fd listener_;
  Watched watch_ = {Watched::Kind::kListener, this};
  const std::shared_ptr<Link> forward_, backward_;
  std::list<Connection> connections_;
  bool waiting_ = false;  // someone wants to be accepted
};

class Loop : public LinkLoop {
 public:
  Loop(Fd epoll, Fd event) : epoll_(std::move(epoll)), event_(std::move(event)) {
    epoll_event wake = {EPOLLIN | EPOLLET, {.ptr = nullptr}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, event_.get(), &wake);
    thread_ = std::thread([this] { Run(); });
  }
  ~Loop() override {
    stop_ = true;
    Wake();
    thread_.join();
  }

  std::shared_ptr<EmulatedLink> AddLink(const LinkShape& shape) override {
    return std::make_shared<Link>(this, shape);
  }
  absl::StatusOr<std::unique_ptr<LinkProxy>> AddProxy(const LinkProxyOptions& options) override {
    if (options.forward == nullptr || options.backward == nullptr) {
      return InvalidArgument("a proxy to {} without its links", options.target);
    }
    ASSIGN_OR_RETURN(Fd listener, Listen(options.listen));
    ASSIGN_OR_RETURN(const int port, PortOf(listener));
    auto proxy = std::make_unique<Proxy>(this, options, std::move(listener), port);
    const std::lock_guard lock(mutex_);
    proxies_.insert(proxy.get());
    Watch(proxy->listener_, &proxy->watch_);
    return proxy;
  }

  void Watch(const Fd& fd, Watched* watched) {
    epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = watched}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event);
  }
  void Wake() {
    const uint64_t one = 1;
    while (write(event_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
    }
  }

  std::mutex mutex_;  // guards all proxies and what follows
  std::set<Proxy*> proxies_;

 private:
  void Run() {
    prctl(PR_SET_TIMERSLACK, 1);
    std::array<epoll_event, 64> events;
    while (!stop_) {
      int64_t wake_ns = kNeverNs;
      {
        const std::lock_guard lock(mutex_);
        for (const Proxy* proxy : proxies_) wake_ns = std::min(wake_ns, proxy->NextWake());
      }
      const int count = Wait(wake_ns, events);
      const std::lock_guard lock(mutex_);
      for (int i = 0; i < count; ++i) Note(events[static_cast<size_t>(i)]);
      const int64_t now_ns = LoopNanos();
      for (Proxy* proxy : proxies_) proxy->Pump(now_ns);
    }
  }

  int Wait(int64_t wake_ns, std::array<epoll_event, 64>& events) {
    const int64_t now_ns = LoopNanos();
    const auto capacity = static_cast<int>(events.size());
    if (wake_ns == kNeverNs) return epoll_wait(epoll_.get(), events.data(), capacity, -1);
    const int64_t sleep_ns = wake_ns - kSpinNs - now_ns;
    if (sleep_ns <= 0) {
      while (LoopNanos() < wake_ns) {
      }
      return epoll_wait(epoll_.get(), events.data(), capacity, 0);
    }
    const timespec timeout = {sleep_ns / 1'000'000'000, sleep_ns % 1'000'000'000};
    const int count = epoll_pwait2(epoll_.get(), events.data(), capacity, &timeout, nullptr);
    if (count >= 0 || errno != ENOSYS) return count;
    return epoll_wait(epoll_.get(), events.data(), capacity, static_cast<int>(sleep_ns / 1'000'000));
  }

  // Proxies and connections that went meanwhile are not in the lists any more: look before touching.
  void Note(const epoll_event& event) {
    if (event.data.ptr == nullptr) {
      uint64_t ignored = 0;
      if (read(event_.get(), &ignored, sizeof(ignored)) < 0) return;
      return;
    }
    for (Proxy* proxy : proxies_) {
      if (event.data.ptr == &proxy->watch_) {
        proxy->waiting_ = true;
        return;
      }
      for (Connection& connection : proxy->connections_) {
        const bool readable = (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
        const bool writable = (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
        if (event.data.ptr == &connection.client_watch) {
          connection.forward.readable |= readable;
          connection.backward.writable |= writable;
          return;
        }
        if (event.data.ptr == &connection.target_watch) {
          if (writable && !connection.connected) {
            connection.connected = true;
            connection.dead = ConnectFailed(connection.target);
          }
          connection.backward.readable |= readable;
          connection.forward.writable |= writable;
          return;
        }
      }
    }
  }

  Fd epoll_, event_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

Proxy::~Proxy() {
  const std::lock_guard lock(loop_->mutex_);
  loop_->proxies_.erase(this);
  ResetAll();
}

void Link::SetShape(const LinkShape& shape) {
  const std::lock_guard lock(loop_->mutex_);
  queue.SetShape(shape);
  loop_->Wake();
}

void Link::SetCut(bool cut) {
  const std::lock_guard lock(loop_->mutex_);
  queue.SetCut(cut);
  loop_->Wake();
}

void Proxy::ResetConnections() {
  const std::lock_guard lock(loop_->mutex_);
  ResetAll();
}

void Proxy::ResetAll() {
  for (Connection& connection : connections_) {
    connection.client.Reset();
    connection.target.Reset();
  }
  connections_.clear();
}

void Proxy::AcceptAll() {
  waiting_ = false;
  for (Fd client = Accept(listener_); client.open(); client = Accept(listener_)) {
    auto target = StartConnect(target_);
    if (!target.ok()) {
      client.Reset();
      continue;
    }
    Connection& connection =
        connections_.emplace_back(std::move(client), *std::move(target), &forward_->queue, &backward_->queue);
    loop_->Watch(connection.client, &connection.client_watch);
    loop_->Watch(connection.target, &connection.target_watch);
  }
}

bool Proxy::PumpOne(Connection& connection, int64_t now_ns) {
  using State = ShapedPipe::State;
  if (connection.dead) return false;
  if (!connection.connected) return true;
  const State forward = connection.forward.Pump(connection.client.get(), connection.target.get(), now_ns);
  const State backward = connection.backward.Pump(connection.target.get(), connection.client.get(), now_ns);
  if (forward == State::kReset || backward == State::kReset) return false;
  if (forward == State::kEnded && backward == State::kEnded) {
    connection.client.Close();
    connection.target.Close();
    return false;
  }
  return true;
}

void Proxy::Pump(int64_t now_ns) {
  if (waiting_ && !forward_->queue.cut()) AcceptAll();
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (PumpOne(*it, now_ns)) {
      ++it;
      continue;
    }
    it->client.Reset();
    it->target.Reset();
    it = connections_.erase(it);
  }
}

int64_t Proxy::NextWake() const {
  int64_t wake = kNeverNs;
  for (const Connection& connection : connections_) {
    if (!connection.connected) continue;
    wake = std::min({wake, connection.forward.NextWake(), connection.backward.NextWake()});
  }
  return wake;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LinkLoop>> LinkLoop::Start() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  Fd event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll.open() || !event.open()) return Internal("cannot make an event loop: {}", std::strerror(errno));
  return std::make_unique<Loop>(std::move(epoll), std::move(event));
}

}  // namespace dilemma
