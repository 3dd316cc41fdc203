// How a command plugs into the program: it adds a CLI11 subcommand and says what to run when it is chosen.
// Results go to standard output (one JSON document with --json), progress and errors to standard error.
#pragma once

#include <cstdio>
#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "base/json.h"
#include "base/status.h"

namespace dilemma::cli {

struct Program {
  CLI::App app{"DILEMMA puts a large language model on a handful of unequal edge servers.", "dilemma"};
  std::function<absl::Status()> run;  // of the chosen command
  bool json = false;                  // --json was given
  std::string log_level = "warn";
  std::string executable;  // path of this program, for commands that start nodes
};

// Adds a subcommand with its one-line purpose and an example; `run` is called after parsing. `parent`: the
// command that it belongs to, where that is not the program itself.
CLI::App* AddCommand(Program& program, const std::string& name, const std::string& purpose,
                     const std::string& example, std::function<absl::Status()> run,
                     CLI::App* parent = nullptr);

void PrintJson(const Json& json);
void Print(const std::string& text);  // to standard output
void Say(const std::string& text);    // to standard error, with a newline

// One line on standard error that is rewritten on a terminal and printed seldom elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(std::string what) : what_(std::move(what)) {}
  ~ProgressLine() { Finish(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void Update(double fraction, const std::string& detail);
  void Finish();

 private:
  std::string what_;
  double printed_ = -1;
  bool open_ = false;
};

// One per file <name>_command.cc.
void AddImport(Program& program);
void AddInspect(Program& program);
void AddCerts(Program& program);
void AddNode(Program& program);
void AddProfile(Program& program);
void AddPlan(Program& program);
void AddFleet(Program& program);
void AddQuantize(Program& program);
void AddRun(Program& program);
void AddServe(Program& program);
void AddEmulate(Program& program);
void AddDemo(Program& program);
void AddChaos(Program& program);
void AddRpcServer(Program& program);
void AddReport(Program& program);
void AddReproduce(Program& program);
void AddEval(Program& program);
void AddSensitivity(Program& program);
void AddDistill(Program& program);

}  // namespace dilemma::cli
