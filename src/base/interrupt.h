// Ctrl-C. The first SIGINT or SIGTERM sets a flag that long work polls; the second ends the process at once.
#pragma once

#include "absl/status/status.h"

namespace dilemma {

void CatchInterrupts();            // call once, in main
bool Interrupted();                // true after the first signal; safe from any thread
void RequestInterrupt();           // as if the signal had come (a server told to stop, tests)
absl::Status InterruptedStatus();  // kCancelled, "interrupted"

// true: from now on Interrupted() is false, so that no work stops by itself; who calls this waits for the
// signal and brings everything to its end. false: it counts again, one that came meanwhile too. The second
// signal ends the process either way.
void DeferInterrupts(bool yes);

// Blocks until a signal or RequestInterrupt, deferred or not.
void WaitForInterrupt();

}  // namespace dilemma
