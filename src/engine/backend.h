// libllama's process-wide state: set-up and log. Inside the engine only.
#pragma once

#include <string>

namespace dilemma {

// Sets libllama up once and sends its messages to the log, at debug level. Safe from any thread.
void InitBackend();

// The error messages that libllama logged on this thread since the last call, joined with "; ".
std::string TakeBackendErrors();

}  // namespace dilemma
