// Ctrl-C. The first SIGINT or SIGTERM sets a flag that long work polls; the second ends the process at once.
#pragma once

#include "absl/status/status.h"

namespace dilemma {

void CatchInterrupts();            // call once, in main
bool Interrupted();                // true after the first signal; safe from any thread
void RequestInterrupt();           // as if the signal had come (a server told to stop, tests)
absl::Status InterruptedStatus();  // kCancelled, "interrupted"

// Blocks until a signal or RequestInterrupt.
void WaitForInterrupt();

}  // namespace dilemma
