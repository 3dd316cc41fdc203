#include "cli/drop_root.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/status.h"
#include "cli/command.h"

namespace dilemma::cli {

absl::Status DropRoot(const std::string& user) {
  if (user.empty()) {
    if (geteuid() == 0) {
      Say("warning: this node runs as root, which it does not need: start it as another user, or with --user "
          "NAME");
    }
    return absl::OkStatus();
  }
  const passwd* entry = getpwnam(user.c_str());
  if (entry == nullptr) return InvalidArgument("--user: there is no user '{}' on this machine", user);
  if (entry->pw_uid == geteuid()) return absl::OkStatus();
  const bool became = initgroups(user.c_str(), entry->pw_gid) == 0 && setgid(entry->pw_gid) == 0 &&
                      setuid(entry->pw_uid) == 0;
  if (became && (entry->pw_uid == 0 || setuid(0) != 0)) return absl::OkStatus();
  return FailedPrecondition("cannot become user '{}': {}", user, std::strerror(errno));
}

}  // namespace dilemma::cli
