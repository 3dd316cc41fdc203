#include "tests/browser.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "absl/strings/escaping.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr int kReadTimeoutMs = 60'000;

std::string FindChromium() {
  for (const char* path : {"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"}) {
    if (access(path, X_OK) == 0) return path;
  }
  return "";
}

// In the child: the pipe's ends become descriptors 3 and 4, as --remote-debugging-pipe expects; no other ones
// stay.
[[noreturn]] void Exec(const std::string& binary, const std::string& profile, int in, int out) {
  setsid();
  const int null = open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) dup2(null, fd);
  const int in_high = fcntl(in, F_DUPFD, 10), out_high = fcntl(out, F_DUPFD, 10);
  dup2(in_high, 3);
  dup2(out_high, 4);
  close_range(5, ~0U, 0);
  const std::string data_dir = "--user-data-dir=" + profile;
  execl(binary.c_str(), binary.c_str(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe", data_dir.c_str(),
        "about:blank", static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Browser>> Browser::Start() {
  const std::string binary = FindChromium();
  if (binary.empty()) return NotFound("no Chromium is installed (Debian: apt-get install chromium)");
  ASSIGN_OR_RETURN(TempDir profile, TempDir::Create("dilemma-browser"));
  std::unique_ptr<Browser> browser(new Browser(std::move(profile)));
  RETURN_IF_ERROR(browser->Launch(binary));
  RETURN_IF_ERROR(browser->Attach());
  return browser;
}

Browser::~Browser() {
  if (to_ >= 0) close(to_);
  if (from_ >= 0) close(from_);
  if (pid_ > 0) {
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

absl::Status Browser::Launch(const std::string& binary) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return Internal("cannot make a pipe");
  signal(SIGPIPE, SIG_IGN);
  pid_ = fork();
  if (pid_ < 0) return Internal("cannot fork");
  if (pid_ == 0) Exec(binary, profile_.path().string(), in[0], out[1]);
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  from_ = out[0];
  return absl::OkStatus();
}

absl::Status Browser::Attach() {
  ASSIGN_OR_RETURN(const Json target, Call("Target.createTarget", {{"url", "about:blank"}}));
  ASSIGN_OR_RETURN(const Json attached,
                   Call("Target.attachToTarget", {{"targetId", target["targetId"]}, {"flatten", true}}));
  session_ = attached["sessionId"].get<std::string>();
  for (const char* domain : {"Page.enable", "Runtime.enable", "Log.enable", "Network.enable"}) {
    RETURN_IF_ERROR(Call(domain, Json::object()).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> Browser::Read() {
  size_t end;
  while ((end = pending_.find('\0')) == std::string::npos) {
    pollfd wait = {from_, POLLIN, 0};
    if (poll(&wait, 1, kReadTimeoutMs) <= 0)
      return absl::DeadlineExceededError("the browser does not answer");
    char buffer[65536];
    const ssize_t got = read(from_, buffer, sizeof(buffer));
    if (got <= 0) return Unavailable("the browser has gone");
    pending_.append(buffer, static_cast<size_t>(got));
  }
  const std::string text = pending_.substr(0, end);
  pending_.erase(0, end + 1);
  return ParseJson(text, "message of the browser");
}

void Browser::Note(const Json& event) {
  const std::string method = event.value("method", "");
  const Json params = event.value("params", Json::object());
  if (method == "Page.loadEventFired") loaded_ = true;
  if (method == "Network.requestWillBeSent") requests_.push_back(params["request"]["url"].get<std::string>());
  if (method == "Runtime.exceptionThrown") errors_.push_back(params["exceptionDetails"].dump());
  if (method == "Runtime.consoleAPICalled" && params["type"] == "error")
    errors_.push_back(params["args"].dump());
  if (method == "Log.entryAdded" && params["entry"]["level"] == "error")
    errors_.push_back(params["entry"].dump());
}

absl::StatusOr<Json> Browser::Call(const std::string& method, Json params) {
  const int id = next_id_++;
  Json message = {{"id", id}, {"method", method}, {"params", std::move(params)}};
  if (!session_.empty()) message["sessionId"] = session_;
  const std::string text = message.dump() + '\0';
  for (size_t at = 0; at < text.size();) {
    const ssize_t sent = write(to_, text.data() + at, text.size() - at);
    if (sent <= 0) return Unavailable("the browser has gone");
    at += static_cast<size_t>(sent);
  }
  for (;;) {
    ASSIGN_OR_RETURN(const Json answer, Read());
    if (answer.value("id", -1) != id) {
      Note(answer);
    } else if (answer.contains("error")) {
      return Internal("{}: {}", method, answer["error"].dump());
    } else {
      return answer.value("result", Json::object());
    }
  }
}

absl::Status Browser::Emulate(int width, int height, bool dark) {
  RETURN_IF_ERROR(
      Call("Emulation.setDeviceMetricsOverride",
           {{"width", width}, {"height", height}, {"deviceScaleFactor", 1}, {"mobile", width < 600}})
          .status());
  const Json scheme = {{"name", "prefers-color-scheme"}, {"value", dark ? "dark" : "light"}};
  RETURN_IF_ERROR(Call("Emulation.setEmulatedMedia", {{"features", Json::array({scheme})}}).status());
  // Charts follow the width a frame later.
  return Evaluate(
             "new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done)), 100))")
      .status();
}

absl::Status Browser::Open(const std::filesystem::path& page) {
  loaded_ = false;
  RETURN_IF_ERROR(
      Call("Page.navigate", {{"url", "file://" + std::filesystem::absolute(page).string()}}).status());
  while (!loaded_) {
    ASSIGN_OR_RETURN(const Json event, Read());
    Note(event);
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> Browser::Evaluate(std::string_view expression) {
  ASSIGN_OR_RETURN(const Json result, Call("Runtime.evaluate", {{"expression", std::string(expression)},
                                                                {"returnByValue", true},
                                                                {"awaitPromise", true}}));
  if (result.contains("exceptionDetails")) return Internal("{}", result["exceptionDetails"].dump());
  return result["result"].value("value", Json(nullptr));
}

absl::StatusOr<std::string> Browser::Screenshot() {
  ASSIGN_OR_RETURN(const Json size, Evaluate("({x: 0, y: 0, scale: 1, width: innerWidth, "
                                             "height: document.documentElement.scrollHeight})"));
  ASSIGN_OR_RETURN(
      const Json shot,
      Call("Page.captureScreenshot", {{"format", "png"}, {"captureBeyondViewport", true}, {"clip", size}}));
  std::string png;
  if (!absl::Base64Unescape(shot["data"].get<std::string>(), &png))
    return Internal("the screenshot is no base64");
  return png;
}

}  // namespace dilemma
